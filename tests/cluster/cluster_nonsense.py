"""Objects that somebody might send by mistake, on purpose, or drunk."""

from __future__ import annotations

import random
import types
from typing import Any, Union, get_args, get_origin

from netemu.model.kinds import Resource
from netemu.model.wire import (
    ApiStruct,
    Base64,
    FieldInfo,
    FieldsV1,
    MicroTime,
    Quantity,
    Time,
    fields_of,
    struct_in,
)

Json = dict[str, Any]

WORDS = (
    *(
        "",
        "a",
        "web",
        "default",
        "kube-dns",
        "kubernetes",
        "worker-1",
        "node0",
        "x" * 63,
        "x" * 300,
    ),
    *("é☃", " ", "a\nb", "\x00", "$(X)", "..", "/", "None", "Always", "Never", "Local", "ClientIP"),
    *("ClusterIP", "NodePort", "ExternalName", "IPv4", "IPv6", "FQDN", "Exists", "In", "NoExecute"),
    *("TCP", "UDP", "SCTP", "http", "True", "Unknown", "Running", "Failed", "status.podIP"),
    *("10.0.0.1", "::1", "0.0.0.0", "127.0.0.1", "10.244.1.2", "10.96.0.10", "224.0.0.1", "1.2"),
)
NUMBERS = (0, 1, 2, -1, 3, 53, 80, 30000, 65535, 65536, 2**31 - 1, -(2**31), 2**63 - 1)
SCALARS: dict[Any, tuple[Any, ...]] = {
    str: WORDS,
    int: NUMBERS,
    bool: (True, False),
    Base64: ("", "eA=="),
    FieldsV1: ({"f:x": {}},),
    Quantity: ("0", "1", "100m", "1Gi", "-1", "9999999Ti"),
    Time: ("2026-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "2300-01-01T00:00:00Z"),
    MicroTime: ("2026-01-01T00:00:00.000000Z",),
}
_SERVERS_OWN = ("managedFields", "name", "namespace", "resourceVersion", "uid")
_LABELS = ({"app": "a"}, {"app": "b"})


class Nonsense:
    """An endless supply, the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def value(self, hint: Any, depth: int = 3) -> Any:
        """Something of that type."""
        members = get_args(hint)
        if hint in SCALARS:
            return self.random.choice(SCALARS[hint])
        match get_origin(hint):
            case found if found in (Union, types.UnionType):
                return self.value(self.random.choice([m for m in members if m is not type(None)]))
            case found if found is list:
                return [self.value(members[0], depth) for _ in range(self.random.choice((0, 1, 3)))]
            case found if found is dict:
                return {self.random.choice(WORDS): self.value(members[1], depth)}
        if depth <= 0 or not (isinstance(hint, type) and issubclass(hint, ApiStruct)):
            return {}
        chosen = (field for field in fields_of(hint) if self.random.random() < 0.25)
        return {field.wire_name: self._field(field, depth - 1) for field in chosen}

    def _field(self, field: FieldInfo, depth: int = 3) -> Any:
        # Two thousand million Pods are a full cluster, which is no crash but the end of the test.
        if field.wire_name == "replicas":
            return self.random.choice((-1, 0, 1, 3))
        return self.value(field.type, depth)

    def spoil(self, data: Json, kind: type[ApiStruct]) -> None:
        """Change one place, most likely deep within what is there."""
        fields = list(fields_of(kind))
        there = [field for field in fields if data.get(field.wire_name) and struct_in(field.type)]
        if there and self.random.random() < 0.75:
            field = self.random.choice(there)
            inner = struct_in(field.type)
            below = data[field.wire_name]
            below = self.random.choice(below) if isinstance(below, list) else below
            if inner is not None and isinstance(below, dict) and get_origin(field.type) is not dict:
                self.spoil(below, inner)
                return
        field = self.random.choice(fields)
        # Nobody in this test would ever clear a finalizer.
        if field.wire_name not in (*_SERVERS_OWN, "finalizers"):
            data[field.wire_name] = self._field(field)

    def object(self, resource: Resource, namespace: str) -> Json:
        """An object that is right, but for a few places."""
        metadata = {"name": f"f{self.random.randrange(40)}"}
        if resource.namespaced:
            metadata["namespace"] = namespace
        made = {"metadata": metadata, **self._content(resource)}
        for _ in range(self.random.choice((0, 1, 1, 2, 3))):
            self.spoil(made, resource.type)
        return made

    def _content(self, resource: Resource) -> Json:
        labels = self.random.choice(_LABELS)
        template = {"metadata": {"labels": labels}, "spec": self._pod_spec()}
        match resource.kind:
            case "Pod":
                return {"spec": self._pod_spec()}
            case "Deployment" | "ReplicaSet":
                selector = {"matchLabels": labels}
                return {"spec": {"replicas": 1, "selector": selector, "template": template}}
            case "Service":
                port = {"name": "p", "port": self.random.choice((53, 80)), "targetPort": "http"}
                return {"spec": {"selector": labels, "ports": [port]}}
            case "EndpointSlice":
                many = self.random.choice((0, 1, 1000))
                addresses = [f"10.7.{n // 250}.{n % 250 + 1}" for n in range(many)]
                listed = [{"addresses": [address]} for address in addresses]
                return {"addressType": "IPv4", "endpoints": listed, "ports": [{"port": 80}]}
            case "Endpoints":
                return {"subsets": [{"addresses": [{"ip": "10.1.1.1"}], "ports": [{"port": 80}]}]}
            case "ConfigMap":
                return {"data": {"k": "é☃" * self.random.choice((1, 100_000))}}
        return {}

    def _pod_spec(self) -> Json:
        command = self.random.choice((["sh", "-c", "exit 1"], ["sleep", "1"], []))
        container = {"name": "c", "image": "busybox", "command": command}
        return {"terminationGracePeriodSeconds": 0, "containers": [container]}
