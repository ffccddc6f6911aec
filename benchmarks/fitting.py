"""How costs grow: exponents of power laws."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["PowerLaw", "fit_power_law"]


@dataclass(frozen=True)
class PowerLaw:
    """y = c · x^exponent.

    Attributes:
        exponent: the slope of log y over log x.
        error: its standard error; None for two points, which have none.
    """

    exponent: float
    error: float | None


def fit_power_law(sizes: Sequence[float], costs: Sequence[float]) -> PowerLaw:
    """Least squares of log costs over log sizes.

    Raises:
        ValueError: for fewer than two different sizes, or a value that is not positive.
    """
    if len(sizes) != len(costs) or len(set(sizes)) < 2:
        raise ValueError(f"sizes={sizes} with {len(costs)} costs, expected as many, two of them different")
    if min(*sizes, *costs) <= 0:
        raise ValueError(f"sizes={sizes}, costs={costs}, expected positive numbers")
    x, y = ([math.log(value) for value in values] for values in (sizes, costs))
    x_mean, y_mean = sum(x) / len(x), sum(y) / len(y)
    spread = sum((each - x_mean) ** 2 for each in x)
    slope = sum((a - x_mean) * (b - y_mean) for a, b in zip(x, y, strict=True)) / spread
    if len(x) == 2:
        return PowerLaw(slope, None)
    rest = sum((b - y_mean - slope * (a - x_mean)) ** 2 for a, b in zip(x, y, strict=True))
    return PowerLaw(slope, math.sqrt(rest / (len(x) - 2) / spread))
