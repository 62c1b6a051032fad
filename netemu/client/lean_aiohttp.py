"""aiohttp, imported without the host's certificate authorities.

It makes a TLS context with all of them while it is imported, which takes 25 ms and a
megabyte. Everything here that speaks TLS brings the one authority that it trusts, and
what a kubeconfig without one needs is read when it is needed.
"""

from __future__ import annotations

import os

_SOURCES = ("SSL_CERT_FILE", "SSL_CERT_DIR")

_before = {name: os.environ.get(name) for name in _SOURCES}
os.environ.update(dict.fromkeys(_SOURCES, os.devnull))
try:
    import aiohttp
finally:
    for _name, _value in _before.items():
        if _value is None:
            del os.environ[_name]
        else:
            os.environ[_name] = _value

__all__ = ["aiohttp"]
