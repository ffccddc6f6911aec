"""Sheets of pictures: rows and columns that have names, so that pictures can be compared along both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from priordiff.report.media import heatmap_png

__all__ = ["ColourScale", "Picture", "Sheet"]


@dataclass(frozen=True)
class Picture:
    """A picture of a sheet.

    Attributes:
        png: a PNG file, as `image_png` or `heatmap_png` make it.
        note: a line of small print beneath it, such as a distance.
    """

    png: bytes
    note: str = ""


@dataclass(frozen=True)
class ColourScale:
    """What the colours of `heatmap_png` stand for.

    Attributes:
        label: the quantity, with its unit.
        low: the value drawn black, as text.
        high: the value drawn lightest.
    """

    label: str
    low: str
    high: str

    @property
    def png(self) -> bytes:
        """All colours from left to right."""
        return heatmap_png(np.linspace(0, 1, 256)[None])


@dataclass(frozen=True)
class Sheet:
    """Pictures in groups of rows.

    Attributes:
        title: what it shows, such as a model's name.
        columns: their names.
        groups: by name, which may be empty, the rows by name, each with a picture, or None, for every column.
        corner: heading of the rows' names.
        scale: that of its heat maps, if it has any.

    Raises:
        ValueError: a row has more or fewer pictures than there are columns.

    Example:
        >>> from priordiff.report import image_png
        >>> picture = Picture(image_png(np.zeros((8, 8))), note="0.31")
        >>> sheet = Sheet("a model", ["one", "two"], {"evaluations": {"2": [picture, None]}})
    """

    title: str
    columns: Sequence[str]
    groups: Mapping[str, Mapping[str, Sequence[Picture | None]]]
    corner: str = ""
    scale: ColourScale | None = None

    def __post_init__(self) -> None:
        for rows in self.groups.values():
            for name, row in rows.items():
                if len(row) != len(self.columns):
                    raise ValueError(
                        f"row {name!r} of the sheet {self.title!r} has {len(row)} pictures: expected "
                        f"{len(self.columns)}, one per column"
                    )
