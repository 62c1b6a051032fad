"""Keys for the ssl module, which reads them from files only: in files without a name.

A file in a folder for temporary ones would outlive whoever is killed in that moment, with
the key in it. Memory that has a descriptor does not.
"""

from __future__ import annotations

import os
import ssl


def load_pair(context: ssl.SSLContext, certificate_pem: bytes, key_pem: bytes) -> None:
    """Have the context show this certificate; ssl.SSLError if the key is not its own."""
    descriptor = os.memfd_create("netemu-key", os.MFD_CLOEXEC)
    try:
        with open(descriptor, "wb", closefd=False) as file:
            file.write(certificate_pem + b"\n" + key_pem)
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)
