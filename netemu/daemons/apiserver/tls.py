"""The server's side of TLS: client certificates are asked for, and never demanded.

A client with a certificate that we do not trust must get a 401 that it can read, not a
broken handshake. OpenSSL can be told to accept any certificate and leave the judgement
to us, Python's ssl module cannot: its one switch either asks for none or breaks the
connection. So the verification callback is set through ctypes; `ClusterPki.verify_client`
judges afterwards.
"""

from __future__ import annotations

import _ssl
import ctypes
import ssl

from netemu.client.certificates import load_pair
from netemu.host.pki import KeyPair

_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)


def _accept(_store_context: int, _argument: int) -> int:
    return 1


_accept_any = _Callback(_accept)  # OpenSSL keeps its address: it lives as long as the process.


def serving_context(pair: KeyPair) -> ssl.SSLContext:
    """Return a context that serves `pair` over HTTP/1.1."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    load_pair(context, pair.certificate_pem, pair.key_pem)
    context.verify_mode = ssl.CERT_OPTIONAL
    # A resumed session does not show its certificate again.
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    _leave_verification_to_us(context)
    return context


def _leave_verification_to_us(context: ssl.SSLContext) -> None:
    # The extension module is linked with the very libssl whose structures it holds.
    openssl = ctypes.CDLL(getattr(_ssl, "__file__", None))
    set_callback = openssl.SSL_CTX_set_cert_verify_callback
    set_callback.argtypes = (ctypes.c_void_p, _Callback, ctypes.c_void_p)
    set_callback.restype = None
    # PySSLContext begins, behind the object's head, with its SSL_CTX*.
    native = ctypes.c_void_p.from_address(id(context) + object.__basicsize__)
    set_callback(native, _accept_any, None)
