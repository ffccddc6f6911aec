"""Curves of measurements as files of SVG, laid out by `priordiff.report.chart`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from priordiff.report.chart import draw, merge_runs

__all__ = ["Plot"]

WIDTH, HEIGHT, LINE = 640, 360, 16
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#7f7f7f", "#8c564b")


@dataclass(frozen=True)
class Plot:
    """Curves over logarithmic axes.

    Attributes:
        title: of the plot.
        x_label: of the horizontal axis.
        y_label: of the vertical one.
        curves: by name, pairs of x and y, both positive.
    """

    title: str
    x_label: str
    y_label: str
    curves: Mapping[str, Sequence[tuple[float, float]]]

    @property
    def svg(self) -> str:
        """The file's content."""
        merged = merge_runs({name: [points] for name, points in self.curves.items()}, True, True)
        drawing = draw(merged, WIDTH, HEIGHT, True, True)
        x, y = drawing.x, drawing.y
        parts = [_text(8, 16, self.title, "start", 13), _text(8, 34, self.y_label, "start")]
        for at, label in drawing.y_ticks:
            parts.append(f'<path d="M{x.start} {at}H{x.stop}" stroke="#ddd"/>')
            parts.append(_text(x.start - 8, at + 4, label, "end"))
        for at, label in drawing.x_ticks:
            parts.append(f'<path d="M{at} {y.start}v5" stroke="#333"/>')
            parts.append(_text(at, y.start + 18, label, "middle"))
        parts.append(f'<path d="M{x.start} {y.start}H{x.stop}" stroke="#333"/>')
        parts.append(_text(x.stop, HEIGHT - 4, self.x_label, "end"))
        for number, line in enumerate(drawing.lines):
            colour, below = COLOURS[number % len(COLOURS)], HEIGHT + LINE * (number + 1)
            parts.append(f'<path d="{line.path}" fill="none" stroke="{colour}" stroke-width="2"/>')
            parts += [f'<circle cx="{a}" cy="{b}" r="3" fill="{colour}"/>' for a, b in line.marks]
            parts.append(f'<path d="M{x.start} {below - 4}h20" stroke="{colour}" stroke-width="2"/>')
            parts.append(_text(x.start + 28, below, line.name, "start"))
        height = 40 + HEIGHT + LINE * (len(drawing.lines) + 1)
        # What is laid out begins below the title and the label of the vertical axis.
        head, rest = "".join(parts[:2]), "".join(parts[2:])
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">'
            f"<title>{escape(self.title)}</title>"
            f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>{head}'
            f'<g transform="translate(0 40)">{rest}</g></svg>'
        )


def _text(x: float, y: float, text: str, anchor: str, size: int = 11) -> str:
    style = f'font-family="sans-serif" font-size="{size}" text-anchor="{anchor}"'
    return f'<text x="{x:g}" y="{y:g}" {style}>{escape(text)}</text>'
