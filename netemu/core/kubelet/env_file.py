"""Files of environment variables, for `env.valueFrom.fileKeyRef`.

A line is `NAME='value'`; in single quotes nothing means anything else, and a value may go
on over several lines. Bare and doubly quoted values are taken, too; `#` begins a comment.
"""

from __future__ import annotations

import re

_VARIABLE = re.compile(
    r"""^[ \t]*(?:export[ \t]+)?([-._a-zA-Z][-._a-zA-Z0-9]*)[ \t]*=[ \t]*"""
    r"""(?:'([^']*)'|"([^"]*)"|([^'"\n#]*))""",
    re.MULTILINE,
)


def parse(text: str) -> dict[str, str]:
    """Return the variables of a file; the last of one name counts."""
    found: dict[str, str] = {}
    for name, single, double, bare in _VARIABLE.findall(text):
        found[name] = single or double or bare.strip()
    return found
