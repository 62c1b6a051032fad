"""What `/metrics` says: taken from the registry when it is asked for."""

from __future__ import annotations

from collections.abc import Iterator

from netemu.daemons.apiserver.registry import Registry
from netemu.daemons.supervisor import RESTARTS


def exposition(*, registry: Registry, requests: int, compacted: int) -> str:
    """Return the metrics as Prometheus text."""
    from prometheus_client import CollectorRegistry, generate_latest
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

    class _Collector:
        def collect(self) -> Iterator[Metric]:
            yield CounterMetricFamily("apiserver_request", "Requests over HTTPS.", value=requests)
            yield CounterMetricFamily("netemu_writes", "Writes stored.", value=registry.writes)
            yield GaugeMetricFamily("netemu_revision", "The store's.", value=registry.revision)
            yield GaugeMetricFamily(
                "netemu_compacted_revision", "History begins after it.", value=compacted
            )
            objects = GaugeMetricFamily(
                "apiserver_storage_objects", "Objects stored.", labels=["resource"]
            )
            watchers = GaugeMetricFamily(
                "apiserver_registered_watchers", "Open watches.", labels=["resource"]
            )
            for cache in registry.caches():
                name = cache.resource.qualified
                objects.add_metric([name], len(cache))
                watchers.add_metric([name], cache.watchers)
            yield objects
            yield watchers

    collectors = CollectorRegistry()
    collectors.register(_Collector())
    collectors.register(RESTARTS)
    return generate_latest(collectors).decode()
