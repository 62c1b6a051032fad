"""The runs of a bench: each with a cluster of its own, each figure once in each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from netemu import plugins
from netemu.errors import UserError
from netemu.lab.bench import figures
from netemu.lab.bench.bed import Bed
from netemu.lab.bench.contract import Figure, Samples


def choose(names: Sequence[str]) -> dict[str, Figure]:
    """Return the figures of these names, all for none; UserError for one there is not."""
    there: dict[str, Figure] = plugins.load(figures, "FIGURE")
    for name in names:
        if name not in there:
            raise UserError(f'no figure "{name}"; there are: {", ".join(there)}')
    chosen = {name: figure for name, figure in there.items() if not names or name in names}
    return dict(sorted(chosen.items(), key=lambda item: item[1].order))


def measure(chosen: Mapping[str, Figure], runs: int) -> Iterator[dict[str, Samples]]:
    """Yield what each run saw."""
    for _ in range(runs):
        with Bed() as bed:
            yield {name: figure.measure(bed) for name, figure in chosen.items()}
