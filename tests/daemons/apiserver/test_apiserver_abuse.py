"""What no honest client means to send is refused in a sentence, and harms nobody else."""

from __future__ import annotations

import asyncio
import json
import ssl

import pytest

NAMESPACE = "/api/v1/namespaces/default"
CONFIG_MAPS = NAMESPACE + "/configmaps"
POD = {"metadata": {"name": "one"}, "spec": {"containers": [{"name": "c", "image": "x"}]}}


async def raw(served, request: bytes) -> bytes:
    """Return the reply to a request that no HTTP library would send."""
    port = int(served.access.server.rpartition(":")[2])
    trust = ssl.create_default_context(cadata=served.pki.ca_pem.decode())
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trust)
    writer.write(request + b"Host: x\r\nConnection: close\r\n\r\n")
    try:
        async with asyncio.timeout(5):
            return await reader.read()
    finally:
        writer.close()


@pytest.mark.parametrize(
    "request_head",
    [
        b"GET /api HTTP/1.1\r\nAuthorization: Bearer \xff\xfe\r\n",
        b"OPTIONS * HTTP/1.1\r\n",
        b"CONNECT elsewhere:443 HTTP/1.1\r\n",
        b"GET //api/v1/pods HTTP/1.1\r\n",
    ],
)
async def test_odd_requests_without_credentials_are_unauthorized(served, request_head: bytes):
    """Whatever the path and the token are made of, the answer is 401."""
    reply = await raw(served, request_head)
    assert reply.startswith(b"HTTP/1.1 401 ")
    assert json.loads(reply.partition(b"\r\n\r\n")[2])["reason"] == "Unauthorized"


async def test_warnings_cannot_break_the_reply(served):
    """Unknown fields come back as headers that are well-formed, and not too many."""
    body = {"metadata": {"name": "one"}, "a\r\nSet-Cookie: b": 1}
    async with served.http.post(CONFIG_MAPS, json=body) as reply:
        assert reply.status == 201
        assert "Set-Cookie" not in reply.headers
        assert reply.headers["Warning"] == '299 - "unknown field \\"a  Set-Cookie: b\\""'
    body = {"metadata": {"name": "two"}} | {f"field{number}": 1 for number in range(3000)}
    async with served.http.post(CONFIG_MAPS, json=body) as reply:
        assert reply.status == 201
        assert 0 < len(reply.headers.getall("Warning")) < 100


@pytest.mark.parametrize(
    ("media_type", "body"),
    [
        ("application/json-patch+json", b"[" * 100_000 + b"]" * 100_000),
        ("application/apply-patch+yaml", b"[" * 100_000),
        ("application/merge-patch+json", b'{"data":' * 5000 + b"1" + b"}" * 5000),
    ],
)
async def test_bottomless_patches_are_bad_requests(served, media_type: str, body: bytes):
    """A patch that is nested beyond all measure is the client's mistake."""
    await served.http.post(CONFIG_MAPS, json={"metadata": {"name": "one"}})
    headers = {"Content-Type": media_type}
    query = {"fieldManager": "me"} if "apply" in media_type else {}
    url = CONFIG_MAPS + "/one"
    async with served.http.patch(url, data=body, headers=headers, params=query) as reply:
        assert (reply.status, (await reply.json())["reason"]) == (400, "BadRequest")


async def test_bugs_are_told_in_a_status(served, monkeypatch: pytest.MonkeyPatch, caplog):
    """A bug is logged with its traceback, and the client hears of it as of anything else."""

    def broken(*_arguments: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(served.api.registry, "read", broken)
    async with served.http.get(CONFIG_MAPS + "/one") as reply:
        status = await reply.json()
    assert (reply.status, status["kind"], status["reason"]) == (500, "Status", "InternalError")
    assert "ZeroDivisionError" in caplog.text


async def test_revisions_of_absurd_length_are_bad_requests(served):
    """A resourceVersion has at most the digits of 64 bits."""
    async with served.http.get(CONFIG_MAPS, params={"resourceVersion": "9" * 5000}) as reply:
        assert (reply.status, (await reply.json())["reason"]) == (400, "BadRequest")


@pytest.mark.parametrize(
    "query", [{"limit": "9" * 400}, {"watch": "1", "timeoutSeconds": "9" * 400}]
)
async def test_counts_of_absurd_length_are_bad_requests(served, query: dict[str, str]):
    """What no clock and no list can hold is the client's mistake."""
    async with served.http.get(CONFIG_MAPS, params=query) as reply:
        assert (reply.status, (await reply.json())["reason"]) == (400, "BadRequest")


async def test_continue_token_belongs_to_its_list(served):
    """The second page of one resource is no page of another."""
    for name in ("one", "two"):
        await served.http.post(CONFIG_MAPS, json={"metadata": {"name": name}})
    async with served.http.get(CONFIG_MAPS, params={"limit": "1"}) as reply:
        token = (await reply.json())["metadata"]["continue"]
    query = {"limit": "1", "continue": token}
    async with served.http.get(NAMESPACE + "/secrets", params=query) as reply:
        assert (reply.status, (await reply.json())["reason"]) == (400, "BadRequest")
    async with served.http.get(CONFIG_MAPS, params=query) as reply:
        assert [item["metadata"]["name"] for item in (await reply.json())["items"]] == ["two"]


async def test_watch_false_is_no_watch(served):
    """`watch=false` on one object asks for the object."""
    async with served.http.get("/api/v1/namespaces/default", params={"watch": "false"}) as reply:
        assert (await reply.json())["kind"] == "Namespace"


@pytest.mark.parametrize("in_query", [True, False])
async def test_dry_eviction_leaves_the_pod(served, *, in_query: bool):
    """`kubectl drain --dry-run=server` says so inside the Eviction."""
    await served.http.post(NAMESPACE + "/pods", json=POD)
    eviction: dict = {"metadata": {"name": "one"}}
    if not in_query:
        eviction["deleteOptions"] = {"dryRun": ["All"]}
    query = {"dryRun": "All"} if in_query else {}
    path = NAMESPACE + "/pods/one/eviction"
    async with served.http.post(path, json=eviction, params=query) as reply:
        assert reply.status == 201
    async with served.http.get(NAMESPACE + "/pods/one") as reply:
        assert reply.status == 200


async def test_endless_grace_is_cut_short(served):
    """A grace period that leads beyond the calendar is as long as one can be."""
    body = {**POD, "spec": {**POD["spec"], "nodeName": "n"}}
    await served.http.post(NAMESPACE + "/pods", json=body)
    options = {"gracePeriodSeconds": 10**17}
    async with served.http.delete(NAMESPACE + "/pods/one", json=options) as reply:
        assert reply.status == 200
        assert (await reply.json())["metadata"]["deletionGracePeriodSeconds"] == 2**31 - 1
