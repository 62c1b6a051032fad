"""An API server on the loopback, and what a test needs to talk to it."""

from served_api import kubeconfig, pki, served

__all__ = ["kubeconfig", "pki", "served"]
