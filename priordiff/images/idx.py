"""Folders of IDX files: MNIST, Fashion-MNIST and the datasets that took over their format."""

from __future__ import annotations

import gzip
import math
import os
import zlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from priordiff.corpora import check_readable, size_and_time
from priordiff.images.files import to_square
from priordiff.images.sets import ImageRecord, ImageSet, ImageSource

__all__ = ["holds_idx", "idx_images"]

_PARTS = {True: "train", False: "t10k"}
_IMAGES, _LABELS = "{}-images-idx3-ubyte", "{}-labels-idx1-ubyte"
_UNSIGNED_BYTES = 0x08


def holds_idx(directory: str | os.PathLike[str]) -> bool:
    """Whether a folder holds images as MNIST has them.

    Example:
        >>> holds_idx("/no/such/folder")
        False
    """
    return any(_find(Path(directory), _IMAGES, train).is_file() for train in _PARTS)


def idx_images(
    directory: str | os.PathLike[str], train: bool = True, class_names: Sequence[str] | None = None
) -> ImageSet:
    """Lists the images of a folder with `train-images-idx3-ubyte`, `t10k-labels-idx1-ubyte` and so on.

    The files may end in `.gz`. The format is that of http://yann.lecun.com/exdb/mnist: two zero bytes, one
    that says the type (8: unsigned bytes), one with the number of axes, their sizes as big-endian integers of
    32 bits, and the values.

    Args:
        directory: the folder.
        train: whether to list the training images, or those of the test.
        class_names: of the labels; by default, their numbers.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file is cut off or no IDX file of bytes, or the two do not fit each other or the names.
    """
    directory = Path(directory)
    images_path, labels_path = (_find(directory, name, train) for name in (_IMAGES, _LABELS))
    pixels, labels = _read(images_path, num_axes=3), _read(labels_path, num_axes=1).tolist()
    if len(pixels) != len(labels):
        raise ValueError(
            f"{images_path} has {len(pixels)} images, but {labels_path} has {len(labels)} labels: "
            "get both anew"
        )
    num_classes = max(labels, default=-1) + 1
    if class_names is None:
        class_names = [str(label) for label in range(num_classes)]
    if num_classes > len(class_names):
        raise ValueError(
            f"{labels_path} has the label {num_classes - 1}, but there are {len(class_names)} names"
        )
    sources = [
        ImageSource(ImageRecord(str(index), label, str(index)), partial(_square, pixels[index]))
        for index, label in enumerate(labels)
    ]
    version = [[str(path), size_and_time(path)] for path in (images_path, labels_path)]
    return ImageSet(str(directory), f"{_PARTS[train]} images", sources, tuple(class_names), version)


def _find(directory: Path, name: str, train: bool) -> Path:
    plain = directory / name.format(_PARTS[train])
    packed = plain.with_name(f"{plain.name}.gz")
    return plain if plain.is_file() else packed


def _read(path: Path, num_axes: int) -> np.ndarray:
    check_readable(path, "IDX")
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (EOFError, OSError, zlib.error) as error:
        raise ValueError(f"{path} can't be unpacked ({error}): get it anew") from error
    start = 4 * (1 + num_axes)
    if content[:4] != bytes([0, 0, _UNSIGNED_BYTES, num_axes]) or len(content) < start:
        raise ValueError(f"{path} is no IDX file of bytes with {num_axes} axes")
    shape = np.frombuffer(content[4:start], dtype=">u4").tolist()
    if len(content) - start != math.prod(shape):
        raise ValueError(
            f"{path} has {len(content) - start} values, but its header says {math.prod(shape)}: get it anew"
        )
    return np.frombuffer(content[start:], dtype=np.uint8).reshape(shape)


def _square(pixels: np.ndarray, size: int) -> Tensor:
    return to_square(Image.fromarray(pixels), size)
