"""Ages as kubectl users read them."""

import pytest

from netemu.core.apiserver.ages import age

M, H, D, Y = 60, 3600, 86400, 365 * 86400

AGES = [
    (-5, "<invalid>"), (-1, "0s"), (0, "0s"), (119.9, "119s"), (120, "2m"), (150, "2m30s"),
    (9 * M + 59, "9m59s"), (10 * M, "10m"), (179 * M, "179m"), (3 * H, "3h"),
    (3 * H + 15 * M, "3h15m"), (8 * H, "8h"), (47 * H, "47h"), (48 * H, "2d"),
    (2 * D + 4 * H, "2d4h"), (8 * D, "8d"), (729 * D, "729d"), (2 * Y, "2y"),
    (2 * Y + 5 * D, "2y5d"), (9 * Y + 5 * D, "9y"),
]  # fmt: skip


@pytest.mark.parametrize(("seconds", "expected"), AGES)
def test_age(seconds, expected):
    """The older, the coarser."""
    assert age(seconds) == expected
