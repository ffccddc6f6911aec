"""What tables need to know about measures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Metric"]


@dataclass(frozen=True)
class Metric:
    """What a table needs to know about a measure.

    Attributes:
        label: its name for people.
        unit: of its values, empty if it has none.
        better: which values are better ones.
    """

    label: str
    unit: str
    better: Literal["lower", "higher"]
