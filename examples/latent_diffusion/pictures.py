"""The images of an experiment, and their line drawings."""

from __future__ import annotations

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from latent_diffusion.autoencoding import pixels
from latent_diffusion.degrading import Originals
from priordiff.experiments.pictures import ImagesConfig, prepare_images
from priordiff.images import ImageCorpus

__all__ = ["Pictures", "prepare_pictures", "with_telling_lines"]

_logger = logging.getLogger(__name__)

# Lines that more drawings share tell nothing of them: those of the flags are one frame.
_SHARED_BY = 20
# Images whose pixels a fingerprint is made of, at most: it takes less than a second.
_COMPARED = 10_000
_BATCH = 64


@dataclass(frozen=True)
class Pictures:
    """Images of a corpus, and the line drawing of each where there are such.

    Attributes:
        images: of the corpus.
        lines: the same in outline, in the same order.
    """

    images: ImageCorpus
    lines: ImageCorpus | None = None

    def __len__(self) -> int:
        return len(self.images)

    @property
    def identity(self) -> list[str]:
        """What changes when they do."""
        return [corpus.identity for corpus in (self.images, self.lines) if corpus is not None]

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the images themselves, wherever their files lie and however old these are.

        Names, classes and pixels count; of many images, the pixels of some.
        """
        corpus, digest = self.images, hashlib.sha256()
        records = [(record.name, record.label) for record in corpus.records]
        digest.update(json.dumps([corpus.size, corpus.class_names, records]).encode())
        seen = range(0, len(corpus), -(-len(corpus) // _COMPARED))
        for rows in torch.tensor(seen).split(_BATCH):
            digest.update(corpus.images(rows.tolist()).numpy())
        return digest.hexdigest()

    def select(self, rows: Sequence[int]) -> Pictures:
        """Some of them, by their indices."""
        return Pictures(self.images.select(rows), None if self.lines is None else self.lines.select(rows))

    def originals(self, rows: Sequence[int], flip: bool = False) -> Originals:
        """Some of them as numbers, mirrored if need be."""

        def read(corpus: ImageCorpus) -> Tensor:
            images = pixels(corpus.images(rows))
            return images.flip(-1) if flip else images

        names = tuple(self.images.records[row].name for row in rows)
        return Originals(read(self.images), names, None if self.lines is None else read(self.lines))

    @property
    def captions(self) -> list[str]:
        """A text for each; its class where the corpus has none."""
        return [record.caption or self.images.class_names[record.label] for record in self.images.records]


def prepare_pictures(config: ImagesConfig, with_lines: bool) -> tuple[Pictures, Pictures]:
    """Those to learn from, and those that are held out.

    Args:
        config: where the images come from.
        with_lines: whether line drawings are needed. OpenMoji's coloured drawings have them.
    """
    images = prepare_images(config)
    if not (with_lines and config.is_openmoji and config.style == "color"):
        return Pictures(images[0]), Pictures(images[1])
    lines = prepare_images(replace(config, style="line"))
    return Pictures(images[0], lines[0]), Pictures(images[1], lines[1])


def with_telling_lines(training: Pictures, validation: Pictures) -> tuple[Pictures, Pictures]:
    """Those whose line drawing says what they are: it is not blank, nor that of many others."""
    parts = (training, validation)
    drawings = [
        [] if part.lines is None else [each.numpy().tobytes() for each in part.lines.images()]
        for part in parts
    ]
    shared = Counter(drawing for part in drawings for drawing in part)
    if not shared:
        return training, validation

    def tells(drawing: bytes) -> bool:
        return shared[drawing] <= _SHARED_BY and any(value != 255 for value in drawing)

    kept = [[row for row, drawing in enumerate(part) if tells(drawing)] for part in drawings]
    _logger.info(
        "%d of %d line drawings are blank or those of more than %d drawings, and left out of colouring",
        sum(map(len, parts)) - sum(map(len, kept)),
        sum(map(len, parts)),
        _SHARED_BY,
    )
    return training.select(kept[0]), validation.select(kept[1])
