"""Header blocks: names and values, compressed by one zlib stream a direction.

Both ends begin with the same dictionary (SPDY/3, 2.6.10.1), and the stream goes on over
all frames of a connection: a block that is skipped makes all later ones unreadable.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping

_WORDS = (
    "options head post put delete trace accept accept-charset accept-encoding accept-language "
    "accept-ranges age allow authorization cache-control connection content-base "
    "content-encoding content-language content-length content-location content-md5 "
    "content-range content-type date etag expect expires from host if-match "
    "if-modified-since if-none-match if-range if-unmodified-since last-modified location "
    "max-forwards pragma proxy-authenticate proxy-authorization range referer retry-after "
    "server te trailer transfer-encoding upgrade user-agent vary via warning "
    "www-authenticate method get status"
).split()
_MORE_WORDS = (
    "200 OK",
    "version",
    "HTTP/1.1",
    "url",
    "public",
    "set-cookie",
    "keep-alive",
    "origin",
)
_TEXT = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request"
    "401 Unauthorized403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented"
    "503 Service UnavailableJan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 "
    "Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,"
    "application/xml,application/xhtml+xml,text/plain,text/javascript,publicprivatemax-age="
    "gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)
_NUMBER = struct.Struct(">I")
_LARGEST_BLOCK = 64 * 1024

DICTIONARY = (
    b"".join(_NUMBER.pack(len(word)) + word.encode() for word in (*_WORDS, *_MORE_WORDS))
    + _TEXT.encode()
)


class HeaderError(ValueError):
    """What came is no header block; nothing that follows can be read."""


class Compressor:
    """One direction's header blocks, as they are sent."""

    def __init__(self) -> None:
        self._stream = zlib.compressobj(zdict=DICTIONARY)

    def block(self, headers: Mapping[str, str]) -> bytes:
        parts = [_NUMBER.pack(len(headers))]
        for name, value in headers.items():
            for text in (name.lower(), value):
                data = text.encode()
                parts += (_NUMBER.pack(len(data)), data)
        packed = self._stream.compress(b"".join(parts))
        return packed + self._stream.flush(zlib.Z_SYNC_FLUSH)


class Decompressor:
    """One direction's header blocks, as they arrive."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(zdict=DICTIONARY)

    def headers(self, block: bytes) -> dict[str, str]:
        """Return names in lower case and their values; HeaderError."""
        try:
            plain = self._stream.decompress(block, _LARGEST_BLOCK)
        except zlib.error as error:
            raise HeaderError(f"header block: {error}") from error
        if self._stream.unconsumed_tail:
            raise HeaderError(f"header block of more than {_LARGEST_BLOCK} bytes")
        return _parse(plain)


def _parse(plain: bytes) -> dict[str, str]:
    try:
        (count,) = _NUMBER.unpack_from(plain)
        found: dict[str, str] = {}
        at = _NUMBER.size
        for _ in range(count):
            name, at = _text(plain, at)
            found[name.lower()], at = _text(plain, at)
    except (struct.error, UnicodeDecodeError) as error:
        raise HeaderError(f"header block: {error}") from error
    return found


def _text(plain: bytes, at: int) -> tuple[str, int]:
    (length,) = _NUMBER.unpack_from(plain, at)
    at += _NUMBER.size
    if length > len(plain) - at:
        raise HeaderError("header block is cut off")
    return plain[at : at + length].decode(), at + length
