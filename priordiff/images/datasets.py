"""The labelled datasets of torchvision, by name."""

from __future__ import annotations

import inspect
import os
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image
from torch import Tensor

from priordiff._extra import require
from priordiff.images.files import to_square
from priordiff.images.sets import ImageRecord, ImageSet, ImageSource

__all__ = ["dataset_classes", "torchvision_images"]

# What the parts are called in datasets that have the argument `split`.
_SPLITS = {True: ("train", "trainval"), False: ("test", "val")}
_LABELS = ("targets", "labels", "_labels")


def torchvision_images(
    name: str, root: str | os.PathLike[str], train: bool = True, download: bool = False
) -> ImageSet:
    """Lists one part of a dataset of torchvision.

    Args:
        name: of a class in `torchvision.datasets` whose items are an image and its label, and which is split
            by `train=` or `split=`: `MNIST`, `FashionMNIST`, `CIFAR10`, `SVHN`, `Flowers102` and others.
        root: the folder that holds the dataset's files, as torchvision has them.
        train: whether to list its training images, or those of its test, or validation if it has no test.
        download: whether to get the dataset from the internet where it is missing.

    Raises:
        ImportError: `priordiff[images]` is not installed.
        ValueError: there is no such dataset, or it is none of labelled images in two parts.
        FileNotFoundError: its files are not there.
        OSError: it can't be downloaded.
    """
    dataset = _open(name, Path(root), train, download)
    labels = _labels(dataset, name)
    class_names = getattr(dataset, "classes", None) or [str(label) for label in range(max(labels) + 1)]
    sources = [
        ImageSource(ImageRecord(str(index), label, str(index)), partial(_item, dataset, index))
        for index, label in enumerate(labels)
    ]
    version = [name, train, os.path.realpath(root)]
    return ImageSet(f"{name} in {root}", "images", sources, tuple(map(str, class_names)), version)


def dataset_classes(name: str) -> tuple[str, ...] | None:
    """The classes that a dataset of torchvision has by itself; None: its files tell them.

    Args:
        name: as for [`torchvision_images`][priordiff.images.torchvision_images].

    Raises:
        ValueError: there is no such dataset.

    Example:
        >>> dataset_classes("FashionMNIST")[:2]
        ('T-shirt/top', 'Trouser')
    """
    classes = getattr(_class_of(name), "classes", None)
    return tuple(classes) if isinstance(classes, list) else None


def _open(name: str, root: Path, train: bool, download: bool) -> Any:
    dataset_class = _class_of(name)
    try:
        return _part(dataset_class, root, train, {"download": True} if download else {})
    except (OSError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        if download:
            raise OSError(f"{name} could not be downloaded to {root} ({reason})") from error
        raise FileNotFoundError(
            f"{name} is not in {root} ({reason}): ask for its download, or put its files there as "
            "torchvision does"
        ) from error


def _class_of(name: str) -> Any:
    dataset_class = getattr(require("torchvision.datasets", "images"), name, None)
    parameters = inspect.signature(dataset_class).parameters if inspect.isclass(dataset_class) else {}
    if not {"train", "split"}.intersection(parameters):
        raise ValueError(
            f"dataset is {name!r}, expected one of torchvision's that is split by train= or split=, such as "
            "MNIST, FashionMNIST or CIFAR10"
        )
    return dataset_class


def _part(dataset_class: Any, root: Path, train: bool, settings: dict[str, bool]) -> Any:
    name = dataset_class.__name__
    try:
        if "train" in inspect.signature(dataset_class).parameters:
            return dataset_class(root, train=train, **settings)
        first, second = _SPLITS[train]
        try:
            return dataset_class(root, split=first, **settings)
        except ValueError:  # it has no part of that name
            return dataset_class(root, split=second, **settings)
    except (TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(
            f"dataset is {name!r}, which needs more than a folder and a part: {reason}"
        ) from error


def _labels(dataset: Any, name: str) -> list[int]:
    try:
        image, label = dataset[0]
        if not isinstance(image, Image.Image):
            raise TypeError(f"its first image is a {type(image).__name__}")
        int(label)
    except (IndexError, TypeError, ValueError, RuntimeError) as error:
        raise ValueError(
            f"dataset is {name!r}, expected one whose items are an image and an integer ({error})"
        ) from error
    # Decoding every image for its label would take minutes.
    for attribute in _LABELS:
        if hasattr(dataset, attribute):
            return [int(label) for label in getattr(dataset, attribute)]
    return [int(dataset[index][1]) for index in range(len(dataset))]


def _item(dataset: Any, index: int, size: int) -> Tensor:
    return to_square(dataset[index][0], size)
