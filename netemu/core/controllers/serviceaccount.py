"""ServiceAccount: every namespace has the account `default`, which Pods use by default."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from netemu.core.control.commands import Command, Create
from netemu.core.control.contract import Controller, Reader, View, Watch
from netemu.model.core_v1 import Namespace, ServiceAccount
from netemu.model.keys import ObjectKey
from netemu.model.meta_v1 import ObjectMeta

DEFAULT = "default"


def reconcile(key: ObjectKey, view: View) -> Sequence[Command]:
    namespace = view.get(Namespace, key)
    if namespace is None or namespace.metadata.deletion_timestamp:
        return ()
    if view.get(ServiceAccount, ObjectKey(key.name, DEFAULT)) is not None:
        return ()
    return [Create(ServiceAccount(metadata=ObjectMeta(name=DEFAULT, namespace=key.name)))]


def _of_account(account: ServiceAccount, _reader: Reader) -> Iterable[ObjectKey]:
    return (ObjectKey("", account.metadata.namespace),) if account.metadata.name == DEFAULT else ()


CONTROLLER: Controller[ObjectKey] = Controller(
    name="serviceaccount",
    component="serviceaccount-controller",
    watches=(
        Watch(
            Namespace,
            lambda namespace, _reader: (ObjectKey("", namespace.metadata.name),),
            matters=lambda _old, _new: False,
        ),
        Watch(ServiceAccount, _of_account, matters=lambda _old, _new: False),
    ),
    reconcile=reconcile,
)
