"""Sets of labelled images that are still to be read: what folders, datasets and drawings have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

__all__ = ["ImageRecord", "ImageSet", "ImageSource", "in_order"]


@dataclass(frozen=True)
class ImageRecord:
    """What is known of one image.

    Attributes:
        name: its file's path in the folder, the drawing's code, or its number.
        label: index of its class.
        concept: what it shows; a split keeps images of one concept on one side.
        caption: a text that describes it, if there is one.
    """

    name: str
    label: int
    concept: str
    caption: str | None = None


@dataclass(frozen=True)
class ImageSource:
    """An image that can be read.

    Attributes:
        record: what is known of it.
        read: from a size in pixels to a uint8 tensor (3, size, size). A `ValueError` or `OSError` says why
            the image is not usable.
    """

    record: ImageRecord
    read: Callable[[int], Tensor]


@dataclass(frozen=True)
class ImageSet:
    """Labelled images of one origin.

    [`ImageCorpus.prepare`][priordiff.images.ImageCorpus.prepare] reads them.

    Attributes:
        origin: where they come from.
        kind: what they are, in the plural.
        sources: the images, in order.
        class_names: of the labels, in order.
        version: anything that JSON can hold and that changes when the images do.
        problems: a line for each that was expected but can't be read.
    """

    origin: str
    kind: str
    sources: list[ImageSource]
    class_names: tuple[str, ...]
    version: Any
    problems: list[str] = field(default_factory=list)


def in_order(names: set[str]) -> tuple[str, ...]:
    """Names of classes in the order of their labels: by value if all are integers, else by alphabet.

    Example:
        >>> in_order({"10", "9"}), in_order({"wren", "robin"})
        (('9', '10'), ('robin', 'wren'))
    """
    if all(name.isascii() and name.isdecimal() for name in names):
        return tuple(sorted(names, key=lambda name: (int(name), name)))
    return tuple(sorted(names))
