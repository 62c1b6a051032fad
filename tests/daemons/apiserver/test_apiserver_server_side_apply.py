"""Server-side apply over HTTP: managers, conflicts, and what other writes do to them."""

from __future__ import annotations

import json

from netemu.client.contract import PatchType
from netemu.model.apps_v1 import Deployment
from netemu.model.core_v1 import ConfigMap

APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
ONE = "/api/v1/namespaces/default/configmaps/one"
WEB = "/apis/apps/v1/namespaces/default/deployments/web"


def config_map(**data: str) -> dict:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one"}, "data": data}


def deployment(**spec: object) -> dict:
    labels = {"app": "web"}
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": "web", "image": "web:1"}]},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {"selector": {"matchLabels": labels}, "template": template, **spec},
    }


async def patch(served, path: str, body: dict | str, *, how: str = APPLY, **query: str):
    text = body if isinstance(body, str) else json.dumps(body)
    headers = {"Content-Type": how}
    async with served.http.patch(path, data=text, params=query, headers=headers) as reply:
        return reply.status, await reply.json()


def owners(obj: dict) -> list[tuple[str, str]]:
    return [(e["manager"], e["operation"]) for e in obj["metadata"]["managedFields"]]


async def test_apply_creates_then_updates_then_rests(served):
    """201 for what was not there, 200 after; the same again makes no revision."""
    code, made = await patch(served, ONE, config_map(a="1"), fieldManager="me")
    assert (code, made["data"], owners(made)) == (201, {"a": "1"}, [("me", "Apply")])
    code, changed = await patch(served, ONE, config_map(b="2"), fieldManager="me")
    assert (code, changed["data"]) == (200, {"b": "2"})
    code, again = await patch(served, ONE, config_map(b="2"), fieldManager="me")
    assert (code, again) == (200, changed)


async def test_yaml_is_what_the_content_type_says(served):
    """A body in YAML is taken; one that is neither YAML nor an object is a 400."""
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one}\ndata:\n  a: b\n"
    assert (await patch(served, ONE, text, fieldManager="me"))[1]["data"] == {"a": "b"}
    for wrong in ("a: [", "- 1", "", "data: {}"):
        code, status = await patch(served, ONE, wrong, fieldManager="me")
        assert (code, status["reason"]) == (400, "BadRequest")


async def test_what_an_apply_must_say(served):
    """A manager, always; `force` with nothing but an apply; a manager that can be printed."""
    code, status = await patch(served, ONE, config_map())
    assert (code, status["details"]["causes"][0]["field"]) == (422, "fieldManager")
    await patch(served, ONE, config_map(), fieldManager="me")
    code, status = await patch(served, ONE, {"data": {}}, how=MERGE, force="true")
    assert (code, status["details"]["causes"][0]["field"]) == (422, "force")
    assert (await patch(served, ONE, config_map(), fieldManager="x" * 129))[0] == 422
    assert (await patch(served, ONE, config_map(), fieldManager="a\nb"))[0] == 422


async def test_unknown_fields_are_never_passed_over(served):
    """Nobody can own what does not exist."""
    code, status = await patch(served, ONE, {**config_map(), "dat": {}}, fieldManager="me")
    assert code == 400
    assert status["message"] == (
        "failed to create typed patch object (default/one; v1, Kind=ConfigMap): "
        ".dat: field not declared in schema"
    )


async def test_two_managers(served):
    """Another's field is a conflict that names it; force takes it."""
    await patch(served, ONE, config_map(a="1"), fieldManager="you")
    code, status = await patch(served, ONE, config_map(a="2"), fieldManager="me")
    assert (code, status["reason"]) == (409, "Conflict")
    assert status["details"]["causes"] == [
        {
            "reason": "FieldManagerConflict",
            "message": 'conflict with "you" using v1',
            "field": ".data.a",
        }
    ]
    code, forced = await patch(served, ONE, config_map(a="2"), fieldManager="me", force="true")
    assert (code, forced["data"]) == (200, {"a": "2"})


async def test_other_writes_are_recorded(served):
    """A patch takes the fields that it changes, under its fieldManager or its program's name."""
    await patch(served, ONE, config_map(a="1", b="1"), fieldManager="me")
    edit = {"data": {"a": "2"}}
    _, edited = await patch(served, ONE, edit, how=MERGE, fieldManager="kubectl-edit")
    assert owners(edited) == [("me", "Apply"), ("kubectl-edit", "Update")]
    code, status = await patch(served, ONE, config_map(a="1", b="1"), fieldManager="me")
    assert (code, status["message"]) == (
        409,
        'Apply failed with 1 conflict: conflict with "kubectl-edit" using v1: .data.a',
    )
    edited["data"] = {"a": "3"}
    async with served.http.put(ONE, json=edited, headers={"User-Agent": "curl/8"}) as reply:
        assert ("curl", "Update") in owners(await reply.json())


async def test_scale_owns_the_replicas(served):
    """And the next apply of another number says so."""
    await patch(served, WEB, deployment(replicas=1), fieldManager="me")
    scale = {"spec": {"replicas": 5}}
    assert (await patch(served, WEB + "/scale", scale, how=MERGE, fieldManager="kubectl"))[0] == 200
    _, status = await patch(served, WEB, deployment(replicas=1), fieldManager="me")
    assert status["message"] == (
        'Apply failed with 1 conflict: conflict with "kubectl" with subresource "scale" '
        "using apps/v1: .spec.replicas"
    )
    code, left = await patch(served, WEB, deployment(), fieldManager="me")
    assert (code, left["spec"]["replicas"]) == (200, 5)


async def test_defaults_come_back_for_what_is_dropped(served):
    """A field that is applied no more is what it would have been without."""
    await patch(served, WEB, deployment(revisionHistoryLimit=3), fieldManager="me")
    _, left = await patch(served, WEB, deployment(), fieldManager="me")
    assert left["spec"]["revisionHistoryLimit"] == 10


async def test_components_are_recorded_by_their_name(served):
    """A controller's status is its own, under the status subresource."""
    await patch(served, WEB, deployment(), fieldManager="me")
    made = await served.client.get(Deployment, "web", "default")
    status = {"status": {"replicas": 1, "readyReplicas": 1}}
    written = await served.client.patch(Deployment, "web", "default", status, subresource="status")
    entry = written.metadata.managed_fields[-1]
    assert (entry.manager, entry.operation, entry.subresource) == (
        served.client.user.username,
        "Update",
        "status",
    )
    assert written.metadata.managed_fields[:-1] == made.metadata.managed_fields


async def test_the_client_in_this_process_applies_too(served):
    """As its own program."""
    wanted = config_map(a="1")
    made = await served.client.patch(ConfigMap, "one", "default", wanted, how=PatchType.APPLY)
    assert made.data == {"a": "1"}
    assert made.metadata.managed_fields[0].operation == "Apply"


async def test_a_dry_run_shows_and_stores_nothing(served):
    """`kubectl diff --server-side` asks so."""
    code, shown = await patch(served, ONE, config_map(a="1"), fieldManager="me", dryRun="All")
    assert (code, shown["data"]) == (201, {"a": "1"})
    async with served.http.get(ONE) as reply:
        assert reply.status == 404


async def test_what_was_never_applied_has_no_record(served):
    """Heartbeats cost nothing, and a record can be thrown away."""
    await patch(served, ONE, config_map(a="1"), fieldManager="me")
    forget = {"metadata": {"managedFields": [{}]}}
    _, left = await patch(served, ONE, forget, how=MERGE)
    assert "managedFields" not in left["metadata"]
    _, changed = await patch(served, ONE, {"data": {"a": "2"}}, how=MERGE)
    assert "managedFields" not in changed["metadata"]
