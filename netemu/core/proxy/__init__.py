"""Services and endpoints of a node, and the rules that stand for them.

`services` and `endpoints` are the nouns, `tracker` keeps them up to date from API
objects, `choice` decides which endpoints a packet entering on a node may reach, and
a file in `modes/` turns that into what the node's kernel should hold.
"""
