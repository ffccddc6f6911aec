"""A corpus of images behind one memory-mapped file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from priordiff.corpora import CorpusCache, MappedArray, decode_into, fingerprint
from priordiff.images.sets import ImageRecord, ImageSet, ImageSource

__all__ = ["ImageCorpus"]

_VERSION = 1


class ImageCorpus:
    """Labelled images of one size, made by [`ImageCorpus.prepare`][priordiff.images.ImageCorpus.prepare].

    The pixels stay on disk until they are asked for. A corpus can be pickled: a worker process maps the file
    again.

    Attributes:
        records: name, label, concept and caption of each image.
        class_names: of the labels, in order.
        size: height and width in pixels.
    """

    def __init__(
        self,
        images_path: str | os.PathLike[str],
        size: int,
        records: Iterable[ImageRecord],
        class_names: Iterable[str],
    ) -> None:
        self.records = tuple(records)
        self.class_names = tuple(class_names)
        self.size = size
        self._rows = list(range(len(self.records)))
        self._images = MappedArray(images_path, "uint8", (3, size, size))

    @classmethod
    def prepare(
        cls, images: ImageSet, cache_dir: str | os.PathLike[str], size: int, progress: bool = False
    ) -> ImageCorpus:
        """Reads all images of a set once, at one size, into a cache.

        Those that are not usable are skipped; a warning counts them and `skipped.txt` in the cache names them
        with the reasons. The cache is used again as long as neither the set nor the size has changed.
        Processes may prepare the same cache at the same time: each file appears whole, so the work is
        redundant but right.

        Args:
            images: such as [`folder_images`][priordiff.images.folder_images] lists.
            cache_dir: a folder for this corpus's cache; created if missing.
            size: height and width in pixels.
            progress: whether to show a progress bar, if there is a terminal.

        Raises:
            ValueError: the size is not positive, or none of the images is usable.
            OSError: the cache cannot be written; nothing is half-written.

        Example:
            >>> import tempfile
            >>> from PIL import Image
            >>> from priordiff.images import folder_images
            >>> folder = Path(tempfile.mkdtemp())
            >>> for colour in ("red", "blue"):
            ...     (folder / colour).mkdir()
            ...     Image.new("RGB", (40, 30), colour).save(folder / colour / "plain.png")
            >>> corpus = ImageCorpus.prepare(folder_images(folder), folder / "cache", size=16)
            >>> corpus.class_names, corpus.labels
            (('blue', 'red'), tensor([0, 1]))
            >>> corpus.images([0, 1]).shape
            torch.Size([2, 3, 16, 16])
        """
        if size < 1:
            raise ValueError(f"size is {size}, expected a positive number of pixels")
        records = [asdict(source.record) for source in images.sources]
        key = fingerprint(_VERSION, size, records, images.class_names, images.version, images.problems)
        cache = CorpusCache(Path(cache_dir), key, "images.u8")
        content = cache.read()
        if content is None:
            content = _decode(images, cache, size, progress)
        usable = [ImageRecord(**record) for record in content["records"]]
        cache.report_skipped(len(usable), content["skipped"], images.kind, images.origin)
        return cls(cache.data_path, size, usable, images.class_names)

    def __len__(self) -> int:
        return len(self.records)

    def images(self, indices: Sequence[int] | None = None) -> Tensor:
        """Images by their indices, or all of them: uint8 (B, 3, size, size)."""
        rows = self._rows if indices is None else [self._rows[index] for index in indices]
        return torch.from_numpy(np.array(self._images.items[rows]))

    @property
    def identity(self) -> str:
        """A hash of which images these are: what is made of them can be kept under it."""
        # The name of the file holds the key of its content.
        return fingerprint(self._images.path.name, self._rows)

    @property
    def labels(self) -> Tensor:
        """The class of each image, int64 (N,)."""
        return torch.tensor([record.label for record in self.records])

    def select(self, indices: Iterable[int]) -> ImageCorpus:
        """A corpus of some of the images, which shares this one's file."""
        chosen = list(indices)
        selection = ImageCorpus.__new__(ImageCorpus)
        selection.__dict__.update(
            self.__dict__,
            records=tuple(self.records[index] for index in chosen),
            _rows=[self._rows[index] for index in chosen],
        )
        return selection


def _decode(images: ImageSet, cache: CorpusCache, size: int, progress: bool) -> dict[str, Any]:
    """Fills the cache; returns which images are usable, and why others are not."""
    records: list[dict[str, Any]] = []

    def decode(source: ImageSource) -> bytes:
        pixels = source.read(size).numpy().tobytes()
        records.append(asdict(source.record))
        return pixels

    skipped = images.problems + decode_into(cache, images.sources, decode, "reading images", progress)
    content = {"records": records, "skipped": skipped}
    cache.write_index(content, skipped)
    return content
