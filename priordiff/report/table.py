"""Tables of measurements: means with their spread, differences to a baseline, the best of each column."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Literal

__all__ = ["Cell", "CellText", "Column", "cells_of", "lay_out"]

Cell = float | str | None | Sequence[float | None]
"""A number, several (one per seed; None where there is none), a text, or None where nothing was measured."""


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        label: its heading.
        unit: of its numbers, empty if they have none.
        better: which numbers are better, or None if neither is.
        digits: decimal places.
    """

    label: str
    unit: str = ""
    better: Literal["lower", "higher"] | None = None
    digits: int = 3

    def format(self, number: float) -> str:
        """Writes a number with the column's decimal places and a true minus sign."""
        if math.isnan(number):
            return "NaN"
        if math.isinf(number):
            return "∞" if number > 0 else "−∞"
        return f"{number:,.{self.digits}f}".replace("-", "−")


def cells_of(scores: Sequence[Mapping[str, float]], keys: Sequence[str]) -> list[Cell]:
    """A cell for each measure, with its value in every run; None in one where it was not taken.

    Args:
        scores: of each run, by the names of the measures.
        keys: those names.

    Example:
        >>> cells_of([{"mae": 0.5}, {"mae": 0.7, "mcd": 3.0}], ["mae", "mcd"])
        [[0.5, 0.7], [None, 3.0]]
    """
    return [[score.get(key) for score in scores] for key in keys]


@dataclass(frozen=True)
class CellText:
    """A cell as it is printed.

    Attributes:
        value: the text, or the mean.
        spread: standard deviation over the seeds, if there are several.
        difference: to the baseline, absolute and in percent.
        verdict: whether the difference is an improvement.
        best: whether no model has a better value.
        note: the values behind the mean.
    """

    value: str
    spread: str = ""
    difference: str = ""
    verdict: Literal["better", "worse", ""] = ""
    best: bool = False
    note: str = ""


def lay_out(
    columns: Sequence[Column],
    rows: Mapping[str, Sequence[Cell]],
    baseline: str | None,
    models: Collection[str],
) -> dict[str, list[CellText]]:
    """Works out every cell of a table.

    Args:
        columns: what the values of each row mean.
        rows: by name, one value per column.
        baseline: the row to which the others are compared.
        models: the rows that compete with the baseline and for the best value; all if none of them is a row.

    Raises:
        ValueError: a row has more or fewer values than there are columns, or the baseline is not a row.

    Example:
        >>> columns = [Column("MAE", better="lower", digits=1)]
        >>> cells = lay_out(columns, {"new": [[1.0, 2.0, 3.0]], "old": [4.0]}, "old", ())
        >>> cells["new"][0].value, cells["new"][0].spread, cells["new"][0].difference, cells["new"][0].best
        ('2.0', '1.0', '−2.0 (−50 %)', True)
    """
    for name, row in rows.items():
        if len(row) != len(columns):
            raise ValueError(f"row {name!r} has {len(row)} values: expected {len(columns)}, one per column")
    if baseline is not None and baseline not in rows:
        raise ValueError(f"baseline {baseline!r} is not a row: expected one of {', '.join(map(repr, rows))}")
    competitors = [name for name in rows if name in models] or list(rows)
    cells: dict[str, list[CellText]] = {name: [] for name in rows}
    for index, column in enumerate(columns):
        means = {name: _mean(row[index]) for name, row in rows.items()}
        best = _best(column, [means[name] for name in competitors])
        reference = means[baseline] if baseline is not None else None
        for name, row in rows.items():
            is_best = best is not None and name in competitors and means[name] == best
            other = reference if name in competitors and name != baseline else None
            cells[name].append(_cell(column, row[index], other, is_best))
    return cells


def _numbers(cell: Cell) -> list[float]:
    if cell is None or isinstance(cell, str):
        return []
    values = cell if isinstance(cell, Sequence) else [cell]
    return [float(value) for value in values if value is not None]


def _mean(cell: Cell) -> float | None:
    numbers = _numbers(cell)
    return fmean(numbers) if numbers else None


def _best(column: Column, means: Sequence[float | None]) -> float | None:
    finite = [mean for mean in means if mean is not None and math.isfinite(mean)]
    if column.better is None or len(finite) < 2:
        return None
    return min(finite) if column.better == "lower" else max(finite)


def _cell(column: Column, cell: Cell, reference: float | None, best: bool) -> CellText:
    if isinstance(cell, str):
        return CellText(cell)
    numbers = _numbers(cell)
    if not numbers:
        return CellText("–", note="not measured")
    mean = fmean(numbers)
    spread = note = ""
    if len(numbers) > 1:
        spread = column.format(stdev(numbers)) if all(map(math.isfinite, numbers)) else ""
        note = f"{len(numbers)} runs: " + ", ".join(map(column.format, numbers))
    difference, verdict = _compare(column, mean, reference)
    return CellText(column.format(mean), spread, difference, verdict, best, note)


def _compare(
    column: Column, mean: float, reference: float | None
) -> tuple[str, Literal["better", "worse", ""]]:
    if reference is None or not (math.isfinite(mean) and math.isfinite(reference)):
        return "", ""
    change = mean - reference
    text = ("+" if change > 0 else "") + column.format(change)
    if reference:
        text += f" ({change / abs(reference):+.0%})".replace("-", "−").replace("%", " %")
    if column.better is None or not any(digit in text.split(" ")[0] for digit in "123456789"):
        return text, ""
    return text, "better" if (change < 0) == (column.better == "lower") else "worse"
