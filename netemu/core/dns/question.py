"""The smallest question and the smallest look at an answer, for who only wants to know
whether a server answers: by hand, without a library to import.
"""

from __future__ import annotations

_RECURSION_DESIRED = 0x0100
_ONE_QUESTION = b"\x00\x01" + bytes(6)
_TYPE_A_CLASS_IN = b"\x00\x01\x00\x01"


def address_question(name: str, *, id: int) -> bytes:
    """Build the question for a name's IPv4 addresses."""
    labels = (label.encode("ascii") for label in name.rstrip(".").split("."))
    wire_name = b"".join(bytes([len(label)]) + label for label in labels) + b"\x00"
    header = id.to_bytes(2, "big") + _RECURSION_DESIRED.to_bytes(2, "big") + _ONE_QUESTION
    return header + wire_name + _TYPE_A_CLASS_IN


def has_records(answer: bytes) -> bool:
    """Whether a response says NOERROR and has something in its answer section."""
    complete = len(answer) >= 12 and answer[2] & 0x80
    return bool(complete and answer[3] & 0xF == 0 and int.from_bytes(answer[6:8], "big"))
