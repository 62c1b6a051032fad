"""Netfilter rules as data: rendered, parsed back, compared, walked packet by packet."""
