"""The page itself: blocks are added in the order in which they are read, and written as one file."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from priordiff.files import write_text
from priordiff.report.chart import Run, draw, merge_runs
from priordiff.report.media import data_uri
from priordiff.report.sheet import Sheet
from priordiff.report.table import Cell, Column, lay_out

__all__ = ["MOST_MODELS", "Figure", "Report"]

MOST_MODELS = 8
"""How many models a page tells apart: the style sheet defines this many colours and marks."""

# A drawing for each width of screen, so that its text keeps the page's size; the style sheet shows one.
_CHART_SIZES = {"wide": (1130, 360), "medium": (720, 340), "narrow": (350, 300)}


@dataclass(frozen=True)
class Figure:
    """A picture in a gallery.

    Attributes:
        caption: what it shows, such as a model's name.
        png: the picture, as `spectrogram_png` or `image_png` make it.
        alt: the picture in words, for those who cannot see it.
        note: a line of small print, such as its error.
        wav: sound to play beneath it, as `wav_bytes` makes it.
    """

    caption: str
    png: bytes
    alt: str
    note: str = ""
    wav: bytes | None = None


class Report:
    """One self-contained HTML page, readable offline on a desktop and a phone, light and dark.

    Every text is plain text: nothing in it is read as HTML. A model has the same colour in every table, chart
    and gallery.

    Args:
        title: of the page.
        subtitle: a sentence beneath it.
        models: names of the models that are compared, in the order of their colours.

    Raises:
        ValueError: there are more models than colours.

    Example:
        >>> report = Report("Two vocoders", models=["spectral", "isotropic"])
        >>> columns = [Column("log-mel MAE", "nats", better="lower")]
        >>> rows = {"spectral": [[0.71, 0.73]], "isotropic": [[1.60, 1.62]]}
        >>> report.table(columns, rows, baseline="isotropic")
        >>> report.curves("log-mel MAE", {"spectral": [[(100, 0.9), (200, 0.7)]]}, "step", "nats")
        >>> "−0.890 (−55 %)" in report.html()
        True
    """

    def __init__(self, title: str, subtitle: str = "", models: Sequence[str] = ()) -> None:
        self.title = title
        self.subtitle = subtitle
        self._styles: dict[str, int] = {}
        self._blocks: list[Markup] = []
        self._charts = 0
        for model in models:
            self._style(model)
        self._templates = Environment(
            loader=PackageLoader("priordiff.report"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def heading(self, text: str) -> None:
        """Begins a section."""
        self._add("heading", text=text)

    def paragraph(self, text: str) -> None:
        """Adds a paragraph of plain text."""
        self._add("paragraph", text=text)

    def facts(self, facts: Mapping[str, str]) -> None:
        """Adds short facts, such as the sizes of a network and a corpus.

        Args:
            facts: what is stated, by its name.
        """
        self._add("facts", facts=facts)

    def table(
        self,
        columns: Sequence[Column],
        rows: Mapping[str, Sequence[Cell]],
        baseline: str | None = None,
        caption: str = "",
        corner: str = "model",
    ) -> None:
        """Adds a table; several numbers in a cell become mean ± standard deviation, the best ones are bold.

        Args:
            columns: what the values of each row mean.
            rows: by name, one value per column.
            baseline: the row to which the others' differences are given.
            caption: a sentence that says how to read it.
            corner: heading of the rows' names.

        Raises:
            ValueError: a row has more or fewer values than there are columns, or the baseline is not a row.
        """
        cells = lay_out(columns, rows, baseline, self._styles)
        self._add("table", columns=columns, cells=cells, baseline=baseline, caption=caption, corner=corner)

    def curves(
        self,
        title: str,
        series: Mapping[str, Sequence[Run]],
        x_label: str,
        y_label: str,
        log_x: bool = False,
        log_y: bool = False,
    ) -> None:
        """Adds a chart; several runs of a model become their mean in a band from the least to the greatest.

        Args:
            title: what the chart shows.
            series: by model, its runs, each a list of (x, y); values that are not finite, and on a
                logarithmic axis those that are not positive, are left out.
            x_label: of the horizontal axis, with its unit.
            y_label: of the vertical axis, with its unit.
            log_x: a logarithmic horizontal axis.
            log_y: a logarithmic vertical axis.

        Raises:
            ValueError: there is nothing to draw, or there are more names than colours.
        """
        curves = merge_runs(series, log_x, log_y)
        for name in series:
            self._style(name)
        self._charts += 1
        self._add(
            "curves",
            title=title,
            curves=curves,
            drawings={name: draw(curves, *size, log_x, log_y) for name, size in _CHART_SIZES.items()},
            x_label=x_label,
            y_label=y_label,
            steps=sorted({point[0] for curve in curves for point in curve.points}),
            number=self._charts,
        )

    def gallery(self, rows: Mapping[str, Sequence[Figure]]) -> None:
        """Adds rows of pictures, each with a caption and, if it has sound, a player.

        Args:
            rows: by heading, such as the text that is spoken, the pictures to compare.
        """
        self._add("gallery", rows=rows, data_uri=data_uri)

    def sheets(self, heading: str, sheets: Sequence[Sheet], note: str = "") -> None:
        """Adds sheets of pictures, beside each other where there is room.

        Args:
            heading: what they show, such as the samples of each model.
            sheets: to be compared, such as one for each model.
            note: sentences that say how to read them.

        Raises:
            ValueError: there are none.
        """
        if not sheets:
            raise ValueError(f"no sheet is given for {heading!r}: expected at least one")
        self._add("sheets", heading=heading, sheets=sheets, note=note, data_uri=data_uri)

    def configuration(self, text: str, title: str = "Configuration") -> None:
        """Adds preformatted text, such as a YAML file, that a reader may unfold."""
        self._add("configuration", text=text, title=title)

    def html(self) -> str:
        """Returns the page."""
        return self._templates.get_template("page.html").render(
            title=self.title, subtitle=self.subtitle, blocks=self._blocks
        )

    def write(self, path: str | os.PathLike[str]) -> None:
        """Writes the page; a reader of the file sees the old page or the new one, never a part.

        Args:
            path: of the HTML file; its folder is made if need be.

        Raises:
            OSError: the folder cannot be written, or the disk is full.
        """
        write_text(Path(path), self.html())

    def _add(self, template: str, **values: object) -> None:
        rendered = self._templates.get_template(f"{template}.html").render(styles=self._styles, **values)
        self._blocks.append(Markup(rendered))

    def _style(self, name: str) -> int:
        if name not in self._styles and len(self._styles) == MOST_MODELS:
            raise ValueError(
                f"no colour is left for {name!r}: a page tells at most {MOST_MODELS} models apart"
            )
        return self._styles.setdefault(name, len(self._styles))
