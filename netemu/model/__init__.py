"""Nouns: the Kubernetes API types, netemu's own kinds, selectors, quantities, codec."""
