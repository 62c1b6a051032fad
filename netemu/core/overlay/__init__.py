"""How Pods of different nodes reach each other."""
