"""The ports that a port-forward asks for, checked in Kubernetes' words."""

from __future__ import annotations

from netemu.daemons.apiserver.refusals import bad_request


def asked_ports(texts: list[str]) -> list[int]:
    """Return the ports that a query asks for; ApiError 400."""
    if not texts:
        raise bad_request('query parameter "ports" is required')
    found = []
    for text in ",".join(texts).split(","):
        if not text:
            raise bad_request('query parameter "ports" cannot be empty')
        try:
            found.append(port_number(text))
        except ValueError as error:
            raise bad_request(str(error)) from error
    return found


def port_number(text: str) -> int:
    """Return the port; ValueError in Kubernetes' words."""
    if not (text.isascii() and text.isdecimal()):
        why = "invalid syntax"
    elif int(text) > 65535:
        why = "value out of range"
    elif int(text) == 0:
        raise ValueError(f'port "{text}" must be > 0')
    else:
        return int(text)
    raise ValueError(
        f'unable to parse "{text}" as a port: strconv.ParseUint: parsing "{text}": {why}'
    )
