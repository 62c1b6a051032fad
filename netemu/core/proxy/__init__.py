"""Services and endpoints of a node, and the rules that stand for them."""
