"""Pictures that experiments learn from and are judged on."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from accelerate import PartialState

from priordiff.corpora import cache_folder
from priordiff.images import (
    ImageCorpus,
    ImageSet,
    dataset_classes,
    folder_images,
    holds_idx,
    idx_images,
    openmoji_images,
    split,
    torchvision_images,
)
from priordiff.training import ADJUSTABLE, expect

__all__ = ["ImagesConfig", "prepare_images"]


@dataclass
class ImagesConfig:
    """Where the images come from.

    Args:
        directory: A folder of images, or of IDX files as MNIST has them, or the one that holds ``dataset``;
            null for OpenMoji's drawings, or for a dataset in the cache directory.
        dataset: Name of a dataset of torchvision, which has training and test images; null for another
            source.
        download: Whether to get the dataset from the internet where it is missing.
        size: Height and width in pixels.
        style: Of OpenMoji's drawings: color or line.
        classes: Of OpenMoji's drawings: group or subgroup.
        skin_tones: Whether OpenMoji's people come in every skin tone.
        cache_directory: Where the decoded images, and datasets without a directory, are kept.
        validation_fraction: Share of the concepts that is held out, where a source has no part of its own
            for that.
        images_per_class: To learn from, at most, the first ones of each class; null for all. Those that are
            held out stay the same.
    """

    directory: str | None = None
    dataset: str | None = None
    download: bool = field(default=False, metadata=ADJUSTABLE)
    size: int = 64
    style: str = "color"
    classes: str = "group"
    skin_tones: bool = False
    cache_directory: str = field(default="data", metadata=ADJUSTABLE)
    validation_fraction: float = 0.1
    images_per_class: int | None = None

    def __post_init__(self) -> None:
        expect(self, "directory", self.directory != "", "a folder, or null for OpenMoji or a dataset")
        expect(self, "dataset", self.dataset != "", "the name of a dataset of torchvision, or null")
        expect(self, "size", 1 <= self.size <= 4096, "1 to 4096 pixels")
        expect(self, "style", self.style in ("color", "line"), "color or line")
        expect(self, "classes", self.classes in ("group", "subgroup"), "group or subgroup")
        expect(self, "validation_fraction", 0 < self.validation_fraction < 1, "a number between 0 and 1")
        most = self.images_per_class
        expect(self, "images_per_class", most is None or most >= 1, "an integer of at least 1, or null")

    @property
    def is_openmoji(self) -> bool:
        """Whether they are OpenMoji's drawings."""
        return self.directory is None and self.dataset is None


def prepare_images(config: ImagesConfig) -> tuple[ImageCorpus, ImageCorpus]:
    """Draw or decode the images on first use, in the main process.

    A dataset's own test images are the ones that are held out; of other sources, a share of the concepts.

    Args:
        config: Where they come from.

    Returns:
        The images to learn from, and those that are held out.

    Raises:
        ImportError: The extra ``images`` is not installed.
        FileNotFoundError: There is no such folder, no images in it, or the dataset is missing.
        ValueError: None of the images is usable, or there is no such dataset.
        OSError: The cache cannot be written.
    """
    state = PartialState()
    with state.main_process_first():
        parts = [
            ImageCorpus.prepare(images, _cache(config, part), config.size, progress=state.is_main_process)
            for part, images in _sets(config).items()
        ]
    training, validation = split(parts[0], config.validation_fraction) if len(parts) == 1 else parts
    if config.images_per_class is not None:
        training = training.select(_first_of_each_class(training, config.images_per_class))
    return training, validation


def _first_of_each_class(images: ImageCorpus, count: int) -> list[int]:
    seen: Counter[int] = Counter()
    rows = []
    for row, record in enumerate(images.records):
        seen[record.label] += 1
        if seen[record.label] <= count:
            rows.append(row)
    return rows


def _sets(config: ImagesConfig) -> dict[str, ImageSet]:
    """The images by the name of the part: all of them, or those of the training and of the validation."""
    if config.is_openmoji:
        return {"all": openmoji_images(config.style, config.classes, config.skin_tones)}
    root = _root(config)
    parts = {"training": True, "validation": False}
    if holds_idx(root):
        names = None if config.dataset is None else dataset_classes(config.dataset)
        return {part: idx_images(root, train, names) for part, train in parts.items()}
    if config.dataset is None:
        return {"all": folder_images(root)}
    return {
        part: torchvision_images(config.dataset, root, train, config.download)
        for part, train in parts.items()
    }


def _root(config: ImagesConfig) -> Path:
    if config.directory is not None:
        return Path(config.directory)
    return Path(config.cache_directory) / "torchvision"


def _cache(config: ImagesConfig, part: str) -> Path:
    """The folder of one part at one size; no other images share it."""
    if config.is_openmoji:
        name = "-".join(["openmoji", config.style, config.classes, *(["tones"] * config.skin_tones)])
        source = Path(config.cache_directory) / "cache" / name
    else:
        source = cache_folder(config.cache_directory, _root(config))
    return source / "-".join([config.dataset or "images", part, str(config.size)])
