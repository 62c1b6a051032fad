"""Root CA publisher: every namespace has the ConfigMap by which its Pods trust the API server."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from netemu.core.control.commands import Command, Create, Update
from netemu.core.control.contract import Controller, Reader, View, Watch
from netemu.model.core_v1 import ConfigMap, Namespace
from netemu.model.keys import ObjectKey
from netemu.model.meta_v1 import ObjectMeta
from netemu.model.schema import copy_of

NAME = "kube-root-ca.crt"
_DESCRIPTION = {
    "kubernetes.io/description": (
        "Contains a CA bundle that can be used to verify the kube-apiserver when using internal "
        "endpoints such as the internal service IP or kubernetes.default.svc. No other usage is "
        "guaranteed across distributions of Kubernetes clusters."
    )
}


def reconcile(key: ObjectKey, view: View) -> Sequence[Command]:
    namespace = view.get(Namespace, key)
    if namespace is None or namespace.metadata.deletion_timestamp:
        return ()
    data = {"ca.crt": view.environment.ca_certificate}
    current = view.get(ConfigMap, ObjectKey(key.name, NAME))
    if current is None:
        meta = ObjectMeta(name=NAME, namespace=key.name, annotations=dict(_DESCRIPTION))
        return [Create(ConfigMap(metadata=meta, data=data))]
    if current.data == data or current.metadata.deletion_timestamp:
        return ()
    changed = copy_of(current)
    changed.data = data
    return [Update(changed)]


def _of_config_map(config_map: ConfigMap, _reader: Reader) -> Iterable[ObjectKey]:
    meta = config_map.metadata
    return (ObjectKey("", meta.namespace),) if meta.name == NAME else ()


CONTROLLER: Controller[ObjectKey] = Controller(
    name="root-ca-certificate-publisher",
    component="root-ca-certificate-publisher",
    watches=(
        Watch(
            Namespace,
            lambda namespace, _reader: (ObjectKey("", namespace.metadata.name),),
            matters=lambda _old, _new: False,
        ),
        Watch(ConfigMap, _of_config_map, matters=lambda old, new: old.data != new.data),
    ),
    reconcile=reconcile,
)
