"""ImageLocality: prefer Nodes that have the Pod's images, the larger the better."""

from __future__ import annotations

from collections.abc import Sequence

from netemu.core.scheduling.cluster import Cluster, NodeInfo
from netemu.core.scheduling.contract import MOST, SKIP, Candidate, Score, Skip

_MEBIBYTE = 1024 * 1024
_LEAST_BYTES = 23 * _MEBIBYTE
_MOST_BYTES = 1000 * _MEBIBYTE

Worth = dict[str, dict[str, float]]
"""Bytes saved by image and Node; an image that all Nodes have is worth more than a rare one."""


def prepare(candidate: Candidate, cluster: Cluster, _feasible: Sequence[NodeInfo]) -> Worth | Skip:
    if not any(node.node.status.images for node in cluster.nodes):
        return SKIP
    wanted = {_with_tag(container.image) for container in candidate.info.pod.spec.containers}
    sizes: dict[str, dict[str, float]] = {image: {} for image in wanted}
    for node in cluster.nodes:
        for image in node.node.status.images:
            for name in wanted.intersection(image.names):
                sizes[name][node.name] = image.size_bytes
    total = len(cluster.nodes)
    return {
        image: {node: size * len(by_node) / total for node, size in by_node.items()}
        for image, by_node in sizes.items()
    }


def _with_tag(image: str) -> str:
    return image if ":" in image.rsplit("/", 1)[-1] or "@" in image else f"{image}:latest"


def score(candidate: Candidate, node: NodeInfo, worth: Worth) -> float:
    containers = candidate.info.pod.spec.containers
    saved = sum(worth[_with_tag(one.image)].get(node.name, 0.0) for one in containers)
    most = _MOST_BYTES * len(containers)
    clamped = min(max(saved, _LEAST_BYTES), most)
    return MOST * (clamped - _LEAST_BYTES) // (most - _LEAST_BYTES)


SCORE = Score(name="ImageLocality", weight=1, score=score, prepare=prepare)
