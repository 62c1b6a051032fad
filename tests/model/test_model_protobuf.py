"""Protobuf bodies: kubectl's own, and whatever our types can say."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model_samples import objects

from netemu.errors import ApiError
from netemu.model import codec, kinds, protobuf
from netemu.model.core_v1 import ConfigMap, EnvVarSource, Pod, Probe, Volume
from netemu.model.meta_v1 import DeleteOptions, Preconditions
from netemu.model.wire import wire_name

SENT_BY_KUBECTL = {
    "namespace": (
        "6b3873000a0f0a02763112094e616d657370616365121c0a140a0473686f7012001a0022002a00320038"
        "00420012001a020a001a002200"
    ),
    "deployment": (
        "6b3873000a150a07617070732f7631120a4465706c6f796d656e7412c1010a230a0377656212001a0473"
        "686f7022002a003200380042005a0a0a036170701203776562128b010803120c0a0a0a03617070120377"
        "65621a710a1c0a0012001a0022002a003200380042005a0a0a036170701203776562125112330a056e67"
        "696e78120a6e67696e783a312e32352a00320a0a001000185022002a0042006a00720080010088010090"
        "0100a201001a00320042004a0052005800600068008201008a01009a0100c2010022020a00280038001a"
        "0c0800100018002000280038001a002200"
    ),
    "secret": (
        "6b3873000a0c0a0276311206536563726574122e0a150a017312001a0473686f7022002a003200380042"
        "0012130a0870617373776f7264120768756e746572321a001a002200"
    ),
    "nodeport": (
        "6b3873000a0d0a027631120753657276696365126e0a230a0377656212001a0473686f7022002a003200"
        "380042005a0a0a03617070120377656212430a1d0a0738302d3830383012035443501850220708001090"
        "3f1a002880eb01120a0a0361707012037765621a0022084e6f6465506f72743a00420052005a00600068"
        "001a020a001a002200"
    ),
    "token": (
        "6b3873000a280a1861757468656e7469636174696f6e2e6b38732e696f2f7631120c546f6b656e526571"
        "7565737412200a100a0012001a0022002a0032003800420012060a017820901c1a040a0012001a002200"
    ),
}
"""Bodies of `kubectl create`, 1.33."""

MEANT_BY_KUBECTL = {
    "namespace": {
        "kind": "Namespace",
        "apiVersion": "v1",
        "metadata": {"name": "shop"},
        "spec": {},
        "status": {},
    },
    "deployment": {
        "kind": "Deployment",
        "apiVersion": "apps/v1",
        "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web"}},
        "spec": {
            "replicas": 3,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {
                    "containers": [
                        {
                            "name": "nginx",
                            "image": "nginx:1.25",
                            "ports": [{"containerPort": 80}],
                            "resources": {},
                        }
                    ]
                },
            },
            "strategy": {},
        },
        "status": {},
    },
    "secret": {
        "kind": "Secret",
        "apiVersion": "v1",
        "metadata": {"name": "s", "namespace": "shop"},
        "data": {"password": "aHVudGVyMg=="},
    },
    "nodeport": {
        "kind": "Service",
        "apiVersion": "v1",
        "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web"}},
        "spec": {
            "ports": [
                {
                    "name": "80-8080",
                    "protocol": "TCP",
                    "port": 80,
                    "targetPort": 8080,
                    "nodePort": 30080,
                }
            ],
            "selector": {"app": "web"},
            "type": "NodePort",
        },
        "status": {"loadBalancer": {}},
    },
    "token": {
        "kind": "TokenRequest",
        "apiVersion": "authentication.k8s.io/v1",
        "metadata": {},
        "spec": {"audiences": ["x"], "expirationSeconds": 3600},
        "status": {"token": ""},
    },
}


@pytest.mark.parametrize("name", SENT_BY_KUBECTL)
def test_what_kubectl_sends(name):
    """Its bodies mean what it meant, and we would have written the same bytes."""
    body = bytes.fromhex(SENT_BY_KUBECTL[name])
    decoded = codec.decode(body, content_type=codec.PROTOBUF, strict=True)
    assert codec.to_dict(decoded.obj) == MEANT_BY_KUBECTL[name]
    assert protobuf.encode(decoded.obj) == body


def test_delete_options_by_hand():
    """A body put together from the fact sheet's numbers."""
    type_meta = b"\x0a\x02v1" + b"\x12\x0dDeleteOptions"
    message = b"\x08\x05" + b"\x12\x05\x0a\x03abc" + b"\x22\x06Orphan" + b"\x2a\x03All"
    parts = (b"\x0a", len(type_meta), type_meta, b"\x12", len(message), message)
    body = b"k8s\0" + b"".join(bytes([p]) if isinstance(p, int) else p for p in parts)
    assert codec.decode(body, content_type=codec.PROTOBUF).obj == DeleteOptions(
        grace_period_seconds=5,
        preconditions=Preconditions(uid="abc"),
        propagation_policy="Orphan",
        dry_run=["All"],
    )


def test_embedded_messages():
    """What JSON shows flat stands in a message of its own: volume sources, probe handlers."""
    volume = protobuf.decode_message(b"\x0a\x01v" + b"\x12\x02\x12\x00", Volume)
    assert volume == {"name": "v", "emptyDir": {}}
    tcp = b"\x1a\x06" + b"\x0a\x04\x08\x00\x10\x50"
    probe = protobuf.decode_message(b"\x0a\x08" + tcp + b"\x10\x05", Probe)
    assert probe == {"tcpSocket": {"port": 80}, "initialDelaySeconds": 5}
    reference = protobuf.decode_message(b"\x1a\x08\x0a\x03\x0a\x01c\x12\x01k", EnvVarSource)
    assert reference == {"configMapKeyRef": {"name": "c", "key": "k"}}


def test_unknown_numbers_are_skipped():
    """Fields of a newer release do no harm, whatever their wire type."""
    extra = b"\xf8\x07\x01" + b"\xfa\x07\x02hi" + b"\xf9\x07" + bytes(8) + b"\xfd\x07" + bytes(4)
    assert protobuf.decode_message(extra + b"\x12\x06\x0a\x01a\x12\x01b", ConfigMap) == {
        "data": {"a": "b"}
    }


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_objects_survive_protobuf(data):
    """What is encoded and decoded again is the same object."""
    kind = data.draw(st.sampled_from([r.type for r in kinds.RESOURCES + kinds.REVIEWS]))
    obj = data.draw(objects(kind, protobuf=True))
    body = protobuf.encode(obj)
    assert codec.decode(body, content_type=codec.PROTOBUF, expected=kind).obj == obj


@given(st.binary(max_size=60))
@settings(deadline=None)
def test_garbage_is_a_bad_request(garbage):
    """Any bytes give an object or a clean refusal."""
    type_meta = b"\x0a\x02v1\x12\x03Pod"
    body = b"k8s\0\x0a" + bytes([len(type_meta)]) + type_meta
    body += b"\x12" + bytes([len(garbage)]) + garbage
    try:
        decoded = codec.decode(body, content_type=codec.PROTOBUF).obj
    except ApiError as error:
        decoded = error
    assert isinstance(decoded, Pod) or decoded.code == 400


def test_a_body_without_envelope_is_refused():
    """JSON under protobuf's name is a bad request."""
    with pytest.raises(ApiError, match="does not start with"):
        codec.decode(b"{}", content_type=codec.PROTOBUF, expected=Pod)


def test_names_are_json_names():
    """Decoded messages are keyed as JSON is."""
    assert protobuf.decode_message(b"\x12\x06\x0a\x01a\x12\x01b", ConfigMap).keys() == {
        wire_name("data")
    }
