"""Labelled images in shards: only those that are asked for are read, from a disk or a remote store."""

from __future__ import annotations

import functools
import io
import json
import logging
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from priordiff._extra import require
from priordiff.corpora import Shards, ShardTable, ShardWriter, sample_key, sample_name
from priordiff.files import write_text
from priordiff.images.sets import ImageRecord, ImageSet

__all__ = ["ImageShards", "make_image_shards"]

_logger = logging.getLogger(__name__)


class ImageShards:
    """Labelled images of one size, in shards of [`make_image_shards`][priordiff.images.make_image_shards].

    In memory are numbers of each shard alone. It can be pickled: a worker process opens the shards again.

    Args:
        folder: its path, or an address such as `s3://bucket/pictures`.
        size: height and width in pixels.

    Attributes:
        class_names: of the labels, in order.
        size: height and width in pixels.
        shard_sizes: images of each shard, which are numbered shard by shard.

    Raises:
        FileNotFoundError: there is no such folder, no shard in it, or one that has no table.
        ValueError: the images have another size.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> from priordiff.images import folder_images, make_image_shards
        >>> folder = Path(tempfile.mkdtemp())
        >>> for colour in ("red", "blue"):
        ...     (folder / colour).mkdir()
        ...     Image.new("RGB", (40, 30), colour).save(folder / colour / "plain.png")
        >>> make_image_shards(folder_images(folder), folder / "shards", size=16)
        2
        >>> shards = ImageShards(folder / "shards", size=16)
        >>> shards.class_names, shards.record(1).label, shards.images([0, 1]).shape
        (('blue', 'red'), 1, torch.Size([2, 3, 16, 16]))
    """

    def __init__(self, folder: str | os.PathLike[str], size: int) -> None:
        self.size = size
        self._shards = Shards(folder, functools.partial(_of_size, size))
        self.class_names = tuple(self._shards.table(0).about["class_names"])

    def __len__(self) -> int:
        return len(self._shards)

    @property
    def shard_sizes(self) -> tuple[int, ...]:
        """Images of each shard."""
        return self._shards.sizes

    def record(self, index: int) -> ImageRecord:
        """Name, label, concept and caption of an image."""
        about = json.loads(self._shards.read(index, ("json",))["json"])
        return ImageRecord(sample_name(self._shards.key(index)), **about)

    def images(self, indices: Sequence[int]) -> Tensor:
        """Images by their indices: uint8 (B, 3, size, size).

        Raises:
            ValueError: one can't be decoded; the message names the shard.
        """
        return torch.stack([self._image(index) for index in indices])

    def _image(self, index: int) -> Tensor:
        image = require("PIL.Image", "images")
        where = self._shards.where(index)
        try:
            pixels = np.array(image.open(io.BytesIO(self._shards.read(index, ("png",))["png"])))
        except (OSError, SyntaxError, KeyError) as error:
            # Of what it doesn't know, Pillow has but the address in memory to tell.
            unknown = isinstance(error, image.UnidentifiedImageError)
            reason = "it is of no known format" if unknown else " ".join(str(error).split())
            raise ValueError(f"{where} cannot be decoded as an image: {reason}") from error
        if pixels.shape != (self.size, self.size, 3):
            raise ValueError(f"{where} has shape {pixels.shape}, expected {(self.size, self.size, 3)}")
        return torch.from_numpy(pixels).movedim(-1, 0)


def make_image_shards(
    images: ImageSet,
    output: str | os.PathLike[str],
    size: int,
    max_bytes: int = 1_000_000_000,
    progress: bool = False,
) -> int:
    """Writes the images of a set into shards, at one size: PNG, with label, concept and caption as JSON.

    Those that are not usable are skipped, counted in a warning and named in `skipped.txt`. An interrupted
    call goes on behind the last whole shard. Needs the extra `shards`.

    Args:
        images: such as [`folder_images`][priordiff.images.folder_images] lists.
        output: folder of the shards; made where it is missing.
        size: height and width in pixels.
        max_bytes: size of a shard.
        progress: whether to show a progress bar, if there is a terminal.

    Returns:
        How many images the folder's shards hold.

    Raises:
        ValueError: the size is not positive, the output has shards of other settings, or none of the images
            is usable.
        OSError: a shard can't be written; those before it are kept.
    """
    if size < 1:
        raise ValueError(f"size is {size}, expected a positive number of pixels")
    image = require("PIL.Image", "images")
    skipped = [*images.problems]
    about = {"size": size, "class_names": [*images.class_names]}
    with ShardWriter(output, about, max_bytes) as writer:
        for source in tqdm(images.sources, "writing shards", disable=None if progress else True):
            record = asdict(source.record)
            key = sample_key(record.pop("name"))
            if key in writer.keys:
                continue
            try:
                pixels = source.read(size).movedim(0, -1).contiguous().numpy()
            except (OSError, ValueError) as error:
                skipped.append(" ".join(str(error).split()))
                continue
            encoded = io.BytesIO()
            image.fromarray(pixels).save(encoded, "PNG")
            writer.write(key, {"png": encoded.getvalue(), "json": json.dumps(record).encode()})
        total = len(writer.keys)
    listed = Path(output) / "skipped.txt"
    write_text(listed, "".join(f"{line}\n" for line in skipped))
    if not total:
        first = f"; the first: {skipped[0]}" if skipped else ""
        raise ValueError(f"none of the {images.kind} in {images.origin} can be used{first}")
    if skipped:
        _logger.warning("skipped %d %s, named with the reasons in %s", len(skipped), images.kind, listed)
    return total


def _of_size(size: int, table: ShardTable) -> np.ndarray:
    if table.about.get("size") != size:
        raise ValueError(
            f"the images have size {table.about.get('size')}, but {size} is wanted: make shards of that size"
        )
    return np.ones(len(table), bool)
