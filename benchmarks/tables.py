"""Tables of measurements, as text and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.plots import Plot

__all__ = ["Table"]


@dataclass(frozen=True)
class Table:
    """Measurements in rows.

    Attributes:
        title: what was measured.
        columns: how the values of each are written: a format of `str.format`.
        rows: a value for each column; None where there is none.
        plots: of the same measurements.
    """

    title: str
    columns: Mapping[str, str]
    rows: Sequence[Mapping[str, Any]] = field(default_factory=list)
    plots: Sequence[Plot] = ()

    def __str__(self) -> str:
        """The table in Markdown."""
        lines = [list(self.columns), ["---"] * len(self.columns)]
        for row in self.rows:
            values = [(row.get(name), pattern) for name, pattern in self.columns.items()]
            lines.append(["–" if value is None else pattern.format(value) for value, pattern in values])
        return "\n".join([f"{self.title}\n", *(f"| {' | '.join(cells)} |" for cells in lines)])

    @property
    def content(self) -> dict[str, Any]:
        """What a file of JSON has of it."""
        return {"title": self.title, "rows": [dict(row) for row in self.rows]}
