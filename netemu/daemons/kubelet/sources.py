"""What a kubelet reads besides its Pods: Services, ConfigMaps and Secrets.

Each informer starts when the first Pod needs it: a cluster whose Pods use no Secrets
watches none.
"""

from __future__ import annotations

from collections.abc import Callable

from netemu.client.informer import Informer, Informers
from netemu.core.kubelet.env import Sources
from netemu.core.kubelet.volumes import names_used
from netemu.model.core_v1 import ConfigMap, Pod, Secret, Service
from netemu.model.keys import ObjectKey

Changed = Callable[[str, ObjectKey], None]
"""Told of the kind and key of each ConfigMap or Secret that changes."""


class ObjectSources:
    """Lookups for the making of environments and volumes."""

    def __init__(self, informers: Informers, *, changed: Changed) -> None:
        self._informers = informers
        self._changed = changed
        self._services = informers.of(Service)
        self._config_maps: Informer[ConfigMap] | None = None
        self._secrets: Informer[Secret] | None = None

    async def for_pod(self, pod: Pod) -> Sources:
        """Return the lookups in the Pod's namespace, once all that it needs is listed."""
        namespace = pod.metadata.namespace
        await self._services.synced()
        config_maps, secrets = names_used(pod)
        if config_maps:
            await self._config_map_informer().synced()
        if secrets:
            await self._secret_informer().synced()
        return Sources(
            config_map=lambda name: self._config_map_informer().get(ObjectKey(namespace, name)),
            secret=lambda name: self._secret_informer().get(ObjectKey(namespace, name)),
            services=self._visible_services(namespace),
        )

    def _visible_services(self, namespace: str) -> list[Service]:
        own = self._services.list(namespace)
        if namespace == "default":
            return own
        api = self._services.get(ObjectKey("default", "kubernetes"))
        return [*own, api] if api is not None else own

    def _config_map_informer(self) -> Informer[ConfigMap]:
        if self._config_maps is None:
            self._config_maps = self._informers.of(ConfigMap)
            self._config_maps.subscribe(self._tell("ConfigMap"))
        return self._config_maps

    def _secret_informer(self) -> Informer[Secret]:
        if self._secrets is None:
            self._secrets = self._informers.of(Secret)
            self._secrets.subscribe(self._tell("Secret"))
        return self._secrets

    def _tell(
        self, kind: str
    ) -> Callable[[ConfigMap | Secret | None, ConfigMap | Secret | None], None]:
        def tell(old: ConfigMap | Secret | None, new: ConfigMap | Secret | None) -> None:
            found = new or old
            if found is not None:
                self._changed(kind, ObjectKey(found.metadata.namespace, found.metadata.name))

        return tell
