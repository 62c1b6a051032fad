"""The kubelet: one node's Pods, from what the API server asks for to what runs."""

from netemu.daemons.kubelet.kubelet import Kubelet

__all__ = ["Kubelet"]
