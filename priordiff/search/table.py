"""Quality against evaluations, as a table of Markdown."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["quality_table"]


def quality_table(head: str, rows: Mapping[str, Mapping[int, float | None]], digits: int = 3) -> str:
    """A table with a column for each number of evaluations; the lowest value of each is bold.

    Args:
        head: of the first column.
        rows: name to number of evaluations to value; what is missing or None is a dash.
        digits: after the point.

    Example:
        >>> print(quality_table("sampler", {"DDIM": {4: 0.81, 6: 0.62}, "UniPC": {4: 0.7}}, digits=2))
        | sampler | 4 | 6 |
        |---|---|---|
        | DDIM | 0.81 | **0.62** |
        | UniPC | **0.70** | – |
    """
    columns = sorted({number for values in rows.values() for number in values})
    lowest = {
        number: min((v for row in rows.values() if (v := row.get(number)) is not None), default=None)
        for number in columns
    }

    def cell(value: float | None, number: int) -> str:
        if value is None:
            return "–"
        return f"**{value:.{digits}f}**" if value == lowest[number] else f"{value:.{digits}f}"

    lines = [[head, *map(str, columns)]]
    lines += [[name, *(cell(row.get(number), number) for number in columns)] for name, row in rows.items()]
    written = [f"| {' | '.join(line)} |" for line in lines]
    return "\n".join([written[0], "|---" * (len(columns) + 1) + "|", *written[1:]])
