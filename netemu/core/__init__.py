"""Verbs: decisions, as pure functions from objects to data."""
