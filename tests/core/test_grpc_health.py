"""gRPC's health messages, and what an answer means to a probe."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netemu.core.grpc_health import (
    Answer,
    Health,
    answer_of,
    framed,
    health_of,
    request_of,
    response_of,
    service_of,
    unframed,
)
from netemu.core.kubelet.probes import Outcome, judge_health


@given(st.text())
def test_a_request_names_its_service(service: str) -> None:
    """Whatever its name is, and however long."""
    assert service_of(unframed(framed(request_of(service)))) == service


@pytest.mark.parametrize("health", Health)
def test_a_response_has_one_number(health: Health) -> None:
    """Zero is what an empty message says."""
    assert health_of(response_of(health)) == health


def test_fields_that_are_new_are_passed_over() -> None:
    """Another field of a number or a string does not confuse; what is cut off is found."""
    assert health_of(b"\x10\x07" + b"\x1a\x02hi" + b"\x08\x01") == 1
    for nonsense in (b"\x08", b"\x0d\x00\x00\x00\x00", b"\xff" * 12):
        with pytest.raises(ValueError, match="message is"):
            health_of(nonsense)


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (Answer(0, "", b"\x08\x02"), 'service unhealthy (responded with "NOT_SERVING")'),
        (Answer(0), 'service unhealthy (responded with "UNKNOWN")'),
        (Answer(0, "", b"\x08\x09"), 'service unhealthy (responded with "9")'),
        (Answer(0, "", b"\x08"), "error: health rpc probe failed: the message is cut off"),
        (
            Answer(5, "unknown service"),
            "error: health rpc probe failed: rpc error: code = NotFound desc = unknown service",
        ),
        (
            Answer(99),
            "error: health rpc probe failed: rpc error: code = Code(99) desc = ",
        ),
        (
            Answer(12, "unknown method Check"),
            (
                "error: this server does not implement the grpc health protocol"
                " (grpc.health.v1.Health): unknown method Check"
            ),
        ),
    ],
)
def test_failures_are_told_as_the_kubelet_tells_them(answer: Answer, text: str) -> None:
    """What does not serve has failed, with the reason."""
    result = judge_health(answer)
    assert (result.outcome, result.message) == (Outcome.FAILURE, text)


def test_who_serves_has_passed() -> None:
    """And nobody else."""
    assert judge_health(Answer(0, "", b"\x08\x01")).outcome is Outcome.SUCCESS


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({":status": "200", "grpc-status": "0"}, 0),
        ({":status": "200", "grpc-status": "7"}, 7),
        ({":status": "404"}, 12),
        ({":status": "503"}, 14),
        ({":status": "418"}, 2),
        ({":status": "200"}, 2),
        ({":status": "200", "grpc-status": "x"}, 2),
    ],
)
def test_answers_of_those_who_speak_no_grpc(headers: dict[str, str], code: int) -> None:
    """An HTTP status stands for a code where there is none."""
    assert answer_of(headers, b"").code == code
