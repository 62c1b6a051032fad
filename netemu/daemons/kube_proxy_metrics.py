"""kube-proxy's metrics, under kube-proxy's names: one registry a node."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_DURATION_BUCKETS = tuple(0.001 * 2**n for n in range(15))


class ProxyMetrics:
    def __init__(self, mode: str) -> None:
        self.registry = CollectorRegistry()
        self.sync_duration = self._histogram(
            "sync_proxy_rules_duration_seconds", "How long a sync took"
        )
        self.full_sync_duration = self._histogram(
            "sync_full_proxy_rules_duration_seconds", "How long a full sync took"
        )
        self.partial_sync_duration = self._histogram(
            "sync_partial_proxy_rules_duration_seconds", "How long a partial sync took"
        )
        self.last_sync = self._gauge(
            "sync_proxy_rules_last_timestamp_seconds", "When rules were last synced"
        )
        self.last_queued = self._gauge(
            "sync_proxy_rules_last_queued_timestamp_seconds", "When a sync was last asked for"
        )
        self.changes = self._counter(
            "sync_proxy_rules_service_changes_total", "Changes of Services and endpoints"
        )
        self.failures = self._counter(
            f"sync_proxy_rules_{mode}_restore_failures_total", "Loads that the kernel refused"
        )
        self.partial_failures = self._counter(
            f"sync_proxy_rules_{mode}_partial_restore_failures_total",
            "Loads of a partial sync that the kernel refused",
        )
        self.rules = self._gauge(
            f"sync_proxy_rules_{mode}_total", "Rules that the node should hold", "table"
        )
        self.no_local_endpoints = self._gauge(
            "sync_proxy_rules_no_local_endpoints_total",
            "Services with a Local policy and no endpoint here",
            "traffic_policy",
        )
        self.healthz = Counter(
            "proxy_healthz_total", "Answers of /healthz", ["code"], registry=self.registry
        )
        self.livez = Counter(
            "proxy_livez_total", "Answers of /livez", ["code"], registry=self.registry
        )
        self.flows_deleted = self._counter(
            "conntrack_reconciler_deleted_entries_total", "Stale UDP flows forgotten"
        )
        self.repairs = Counter(
            "netemu_proxy_drift_repairs_total",
            "Times that somebody else's change of rules was undone",
            registry=self.registry,
        )

    def _histogram(self, name: str, text: str) -> Histogram:
        return Histogram(
            f"kubeproxy_{name}", text, registry=self.registry, buckets=_DURATION_BUCKETS
        )

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"kubeproxy_{name}", text, labels, registry=self.registry)

    def _counter(self, name: str, text: str) -> Counter:
        return Counter(f"kubeproxy_{name}", text, registry=self.registry)
