"""Scenarios: a cluster, steps, results."""
