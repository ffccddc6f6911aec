"""Line charts: where ticks, lines and bands lie in a drawing of a given size."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

__all__ = ["Axis", "Curve", "Drawing", "Line", "draw", "merge_runs"]

Run = Sequence[tuple[float, float]]
"""One curve: pairs of x (such as a step) and y."""


@dataclass(frozen=True)
class Curve:
    """The runs of one model merged.

    Attributes:
        name: of the model.
        points: x, mean, least and greatest y over the runs, in the order of x.
        runs: how many runs there are.
    """

    name: str
    points: list[tuple[float, float, float, float]]
    runs: int


@dataclass(frozen=True)
class Axis:
    """One axis of a chart.

    Attributes:
        low: the value at its beginning.
        high: the value at its end.
        log: whether equal ratios take equal space.
        start: the coordinate of `low`.
        stop: the coordinate of `high`.
    """

    low: float
    high: float
    log: bool
    start: float
    stop: float

    def __call__(self, value: float) -> float:
        """The coordinate of a value."""
        scale: Callable[[float], float] = math.log10 if self.log else float
        fraction = (scale(value) - scale(self.low)) / (scale(self.high) - scale(self.low))
        return round(self.start + fraction * (self.stop - self.start), 2)

    def ticks(self, count: int) -> list[tuple[float, str]]:
        """Coordinates and labels of about `count` round values."""
        choose = _log_ticks if self.log else _linear_ticks
        return [(self(value), _label(value)) for value in choose(self.low, self.high, count)]


@dataclass(frozen=True)
class Line:
    """One curve as it is drawn: SVG paths of the mean and the band, and the points to mark."""

    name: str
    path: str
    band: str
    marks: list[tuple[float, float]]


@dataclass(frozen=True)
class Drawing:
    """A chart at one size, in pixels."""

    width: int
    height: int
    x: Axis
    y: Axis
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]
    lines: list[Line]


def merge_runs(series: Mapping[str, Sequence[Run]], log_x: bool, log_y: bool) -> list[Curve]:
    """Merges the runs of each model to mean and range; values that are not finite are left out.

    Args:
        series: by model, its runs.
        log_x: leave out points with x ≤ 0, such as step 0.
        log_y: leave out points with y ≤ 0.

    Raises:
        ValueError: no model has a single point to draw.

    Example:
        >>> merge_runs({"a": [[(1, 2.0), (2, 1.0)], [(1, 4.0)]]}, log_x=False, log_y=False)[0].points
        [(1, 3.0, 2.0, 4.0), (2, 1.0, 1.0, 1.0)]
    """
    curves = []
    for name, runs in series.items():
        at: dict[float, list[float]] = {}
        for x, y in (point for run in runs for point in run):
            if math.isfinite(x) and math.isfinite(y) and not (log_x and x <= 0) and not (log_y and y <= 0):
                at.setdefault(x, []).append(y)
        points = [(x, sum(ys) / len(ys), min(ys), max(ys)) for x, ys in sorted(at.items())]
        curves.append(Curve(name, points, len(runs)))
    if not any(curve.points for curve in curves):
        raise ValueError(f"no finite point to draw in the curves {', '.join(series) or '(none)'}")
    return curves


def draw(curves: Sequence[Curve], width: int, height: int, log_x: bool, log_y: bool) -> Drawing:
    """Lays a chart out for one size.

    Args:
        curves: what to draw.
        width: of the drawing, in pixels.
        height: of the drawing, in pixels.
        log_x: a logarithmic horizontal axis.
        log_y: a logarithmic vertical axis.
    """
    points = [point for curve in curves for point in curve.points]
    x_low, x_high = _padded(min(p[0] for p in points), max(p[0] for p in points), log_x, 0.0)
    y_low, y_high = _padded(min(p[2] for p in points), max(p[3] for p in points), log_y, 0.06)
    x = Axis(x_low, x_high, log_x, 52, width - 14)
    y = Axis(y_low, y_high, log_y, height - 40, 10)
    lines = [_line(curve, x, y) for curve in curves if curve.points]
    return Drawing(width, height, x, y, x.ticks(max(3, width // 120)), y.ticks(5), lines)


def _line(curve: Curve, x: Axis, y: Axis) -> Line:
    middle = [(x(p[0]), y(p[1])) for p in curve.points]
    path = "M" + "L".join(f"{a} {b}" for a, b in middle)
    band = ""
    if curve.runs > 1:
        above = [(x(p[0]), y(p[3])) for p in curve.points]
        below = [(x(p[0]), y(p[2])) for p in reversed(curve.points)]
        band = "M" + "L".join(f"{a} {b}" for a, b in above + below) + "Z"
    return Line(curve.name, path, band, middle if len(middle) <= 40 else [])


def _padded(low: float, high: float, log: bool, margin: float) -> tuple[float, float]:
    if low == high:
        return (low / 2, high * 2) if log else (low - 0.5, high + 0.5)
    if log:
        factor = (high / low) ** margin
        return low / factor, high * factor
    return low - margin * (high - low), high + margin * (high - low)


def _linear_ticks(low: float, high: float, count: int) -> list[float]:
    rough = (high - low) / count
    power = 10 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= 0.75 * rough)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [index * step for index in range(first, last + 1)]


def _log_ticks(low: float, high: float, count: int) -> list[float]:
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in ((1,), (1, 2, 5), (1, 1.5, 2, 3, 4, 5, 7)):
        ticks = [factor * 10.0**decade for decade in decades for factor in factors]
        ticks = [tick for tick in ticks if low * (1 - 1e-9) <= tick <= high * (1 + 1e-9)]
        if len(ticks) >= min(count, 3):
            return ticks
    return _linear_ticks(low, high, count)


def _label(value: float) -> str:
    if value and not 1e-3 <= abs(value) < 1e6:
        return f"{value:.0e}".replace("-", "−")
    return f"{value:,.6g}".replace("-", "−")
