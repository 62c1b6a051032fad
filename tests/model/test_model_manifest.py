"""Manifests: every object knows its line, every mistake says where and what would be right."""

import textwrap

import pytest

from netemu.errors import UserError
from netemu.model.apps_v1 import Deployment
from netemu.model.codec import decode_manifest
from netemu.model.core_v1 import ConfigMap, Pod, Service
from netemu.model.documents import read_documents
from netemu.model.schema import ApiObject

WEB = textwrap.dedent("""\
    # A web server.
    apiVersion: v1
    kind: Service
    metadata:
      name: web
      labels:
        app.kubernetes.io/name: web
    spec:
      ports:
      - port: 80
        targetPort: http
      - port: 443
    ---
    ---
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: web}
    spec:
      replicas: 3
      template:
        spec:
          containers:
          - name: web
            image: nginx
""")


def refuse(text: str, **more) -> UserError:
    with pytest.raises(UserError) as caught:
        decode_manifest(textwrap.dedent(text), "web.yaml", **more)
    return caught.value


def test_documents_become_objects_with_their_lines():
    """Empty documents are left out; a field's line is found by its path."""
    service, deployment = decode_manifest(WEB, "web.yaml")
    assert isinstance(service.obj, Service)
    assert isinstance(deployment.obj, Deployment)
    assert (service.file, service.line, deployment.line) == ("web.yaml", 2, 15)
    assert service.obj.spec.ports[0].target_port == "http"
    assert service.line_of("spec.ports[1].port") == 12
    assert service.line_of("metadata.labels.app.kubernetes.io/name") == 7
    assert deployment.line_of("spec.template.spec.containers[0].image") == 24
    assert deployment.line_of("spec.selector") == 18


def test_lists_are_unfolded():
    """A `kind: List` is its items, each with a line of its own."""
    text = "kind: List\napiVersion: v1\nitems:\n" + "".join(
        f"- {{kind: ConfigMap, apiVersion: v1, metadata: {{name: {name}}}}}\n" for name in "ab"
    )
    found = decode_manifest(text, "list.yaml")
    assert [(item.obj.metadata.name, item.line) for item in found] == [("a", 4), ("b", 5)]
    assert isinstance(found[0].obj, ConfigMap)


def test_json_is_yaml():
    """A manifest may be JSON."""
    (found,) = decode_manifest('{"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "a"}}')
    assert isinstance(found.obj, Pod)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("replicas: 3", "replica: 3", 'web.yaml:19: unknown field "spec.replica" (did you mean "replicas"?)'),
        ("replicas: 3", "replicas: many", 'web.yaml:19: spec.replicas: expected a whole number, got "many"'),
        (
            "image: nginx",
            "imag: nginx",
            'web.yaml:24: unknown field "spec.template.spec.containers[0].imag" (did you mean "image"?)',
        ),
        ("kind: Deployment", "kind: Deploymnt", 'web.yaml:16: unknown kind "Deploymnt" in apiVersion "apps/v1" (did you mean "Deployment"?)'),
        ("apps/v1", "v1", 'web.yaml:15: no kind "Deployment" in apiVersion "v1" (did you mean apiVersion "apps/v1"?)'),
        ("kind: Deployment\n", "", "web.yaml:15: kind is missing"),
        ("replicas: 3", "replicas: 3\n  replicas: 4", 'web.yaml:19: duplicate field "spec.replicas"'),
        ("replicas: 3", "replicas: [3", "web.yaml:20: not YAML: did not find expected ',' or ']'"),
        ("containers:", "containers: 1\n      a:", "web.yaml:22: spec.template.spec.containers: expected a list, got a whole number"),
    ],
)  # fmt: skip
def test_mistakes_say_where_and_what_would_be_right(old, new, message):
    """One sentence, with file and line."""
    assert str(refuse(WEB.replace(old, new))) == message


def test_what_is_no_object():
    """A text or a list where an object should be."""
    assert str(refuse("- a\n")) == (
        "web.yaml:1: expected an object with apiVersion and kind, got ['a']"
    )
    assert "expected a list of objects" in str(refuse("kind: PodList\nitems: 3\n"))
    assert decode_manifest("# nothing\n---\n", "empty.yaml") == []


def test_far_fetched_kinds_are_answered_with_what_there_is():
    """Without a near match, the kinds are listed."""
    assert "netemu knows ConfigMap, Deployment" in str(refuse("kind: Zebra\napiVersion: v1\n"))


def test_kinds_of_others():
    """Whoever has kinds of its own names them."""

    class Zebra(ApiObject):
        API_VERSION, KIND = "zoo/v1", "Zebra"

        stripes: int = 0

    (found,) = decode_manifest("kind: Zebra\napiVersion: zoo/v1\nstripes: 7\n", also=[Zebra])
    assert found.obj == Zebra(stripes=7)
    assert '(did you mean "stripes"?)' in str(
        refuse("kind: Zebra\napiVersion: zoo/v1\nstripe: 7\n", also=[Zebra])
    )


@pytest.mark.parametrize("text", ["[" * 100_000, "- " * 100_000, '{"a":' * 50_000])
def test_bottomless_documents_are_refused(text: str):
    """The fast loader would end the process: it never gets so far."""
    assert "more than 200 levels deep" in str(refuse(text))


def test_aliases_cannot_blow_up():
    """Neither an alias that contains itself nor nine levels of ten aliases do harm."""
    assert "alias contains itself" in str(refuse("a: &a [*a]\n"))
    levels = ["a: &a [1,1,1,1,1,1,1,1,1,1]"]
    levels += [f"{k}: &{k} [{','.join([f'*{chr(ord(k) - 1)}'] * 10)}]" for k in "bcdefghi"]
    assert "too large" in str(refuse("\n".join(levels)))


def test_yaml_as_kubernetes_reads_it():
    """Octal and `yes` are what they were in YAML 1.1; times and dates are text; keys are text."""
    text = (
        "mode: 0644\nflag: yes\ntime: 12:30\ndate: 2020-01-01\n1: one\nx: 1_000\ny: 1.5\nz: 0x10\n"
    )
    (document,) = read_documents(text)
    assert document.obj == {
        "mode": 420,
        "flag": True,
        "time": "12:30",
        "date": "2020-01-01",
        "1": "one",
        "x": 1000,
        "y": 1.5,
        "z": 16,
    }


def test_merge_keys_and_anchors():
    """Anchors, aliases and `<<` work as people expect."""
    text = "base: &base {a: 1, b: 2}\nmine:\n  <<: *base\n  b: 3\n"
    (document,) = read_documents(text)
    assert document.obj["mine"] == {"a": 1, "b": 3}


def test_parts_of_documents():
    """A part knows its line, and says it when it does not fit."""
    (document,) = read_documents("steps:\n- say: hi\n- kind: x\n  metdata: {}\n", "s.yaml")
    step = document.at("steps[1]")
    assert (step.obj, step.line) == ({"kind": "x", "metdata": {}}, 3)
    assert document.at("steps[7]").obj is None
    assert str(document.error("too few", "steps")) == "s.yaml:1: too few"
    step.obj.pop("kind")
    with pytest.raises(
        UserError, match=r's.yaml:4: unknown field "metdata" \(did you mean "metadata"'
    ):
        step.into(Pod)
    with pytest.raises(UserError, match="expected the fields of a Pod, got None"):
        document.at("steps[7]").into(Pod)
