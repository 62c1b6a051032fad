"""Text that a person wrote: read, or said why it cannot be."""

from __future__ import annotations

import os
from pathlib import Path

from netemu.errors import UserError


def read_text(path: str | os.PathLike[str]) -> str:
    """Return a file's text; UserError if there is none to be had."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror}", file=os.fspath(path)) from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise UserError("not text in UTF-8", file=os.fspath(path), line=line) from error
