"""Bytes between clients and containers: exec, attach and port-forward, on any protocol."""
