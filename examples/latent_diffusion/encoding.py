"""Images in the space in which they are diffused, encoded once, with what they are conditioned on."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from diffusers import AutoencoderKL
from torch import Tensor

from latent_diffusion.configuration import LatentDiffusionConfig
from latent_diffusion.degrading import Left
from latent_diffusion.pictures import Pictures
from latent_diffusion.references import Data
from latent_diffusion.sections import PRETRAINED
from latent_diffusion.storing import Store, as_tensor
from latent_diffusion.tasks import TASKS
from priordiff.corpora import MappedArray
from priordiff.models import SentenceEncoder, default_sentence_encoder
from priordiff.pipelines import Conditioning, LatentSpace, encode_seen
from priordiff.pretrained import pretrained_autoencoder

__all__ = ["EncodedImages", "Encodings", "load_autoencoder", "sentence_encoder"]


@dataclass(frozen=True)
class EncodedImages:
    """Images of a corpus in the space of the diffusion.

    Attributes:
        samples: (N, channels, height, width).
        conditioning: of all of them.
        names: of the images.
        files: that hold the samples and the conditioning's image, if these are mapped.
    """

    samples: Tensor
    conditioning: Conditioning
    names: tuple[str, ...]
    files: tuple[MappedArray, ...] = ()

    @classmethod
    def mapped(
        cls, files: tuple[MappedArray, ...], conditioning: Conditioning, names: tuple[str, ...]
    ) -> EncodedImages:
        """Those of files, of which no more is read than is asked for.

        Args:
            files: of the samples, and of the conditioning's image if there is one.
            conditioning: without that image.
            names: of the images.
        """
        samples, *images = map(as_tensor, files)
        return cls(samples, replace(conditioning, image=images[0] if images else None), names, files)

    def __reduce__(self) -> tuple[Any, ...]:
        if not self.files:
            return EncodedImages, (self.samples, self.conditioning, self.names)
        # A worker process maps the files again: pickled tensors would carry all their numbers.
        return EncodedImages.mapped, (self.files, replace(self.conditioning, image=None), self.names)

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def sample_shape(self) -> torch.Size:
        """Channels, height and width."""
        return self.samples.shape[1:]

    @property
    def conditioning_channels(self) -> int:
        """Of the conditioning image; 0 if there is none."""
        return 0 if self.conditioning.image is None else self.conditioning.image.shape[1]

    @property
    def text_features(self) -> int:
        """Of a text's embedding; 0 if there is none."""
        return 0 if self.conditioning.text is None else self.conditioning.text.shape[1]

    def select(self, rows: Tensor) -> EncodedImages:
        """Some of them, by their indices."""
        names = tuple(self.names[row] for row in rows.tolist())
        return EncodedImages(self.samples[rows], self.conditioning.map(lambda part: part[rows]), names)

    def batches(self, size: int) -> list[tuple[Tensor, ...]]:
        """(*conditioning, samples) as estimators are fitted on them."""
        parts = (*self.conditioning.arguments, self.samples)
        return list(zip(*(part.split(size) for part in parts), strict=True))


def load_autoencoder(folder: Path | str) -> AutoencoderKL:
    """A saved autoencoder, on the device of this process, not to be trained.

    Args:
        folder: in which it was saved; "pretrained" for the one that comes with the package.

    Raises:
        ValueError: if there is none.
    """
    try:
        if folder == PRETRAINED:
            vae = pretrained_autoencoder()
        else:
            vae = AutoencoderKL.from_pretrained(folder, low_cpu_mem_usage=False, local_files_only=True)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{folder} holds no AutoencoderKL ({str(error).splitlines()[0]}): choose another"
        ) from error
    return vae.eval().requires_grad_(False).to(PartialState().device)


def sentence_encoder() -> SentenceEncoder:
    """That of the captions, on the device of this process.

    Raises:
        ImportError: if the extra `captions` is not installed.
    """
    return default_sentence_encoder().to(PartialState().device)


class Encodings:
    """The images of an experiment in the space of the diffusion, each encoded once for all its models.

    They lie in files, and are encoded anew when the images, what is left of them, or the autoencoder change.

    Args:
        config: of the experiment.
        data: its images.
        vae: None for pixels.
        folder: of the files.
    """

    def __init__(
        self, config: LatentDiffusionConfig, data: Data, vae: AutoencoderKL | None, folder: Path
    ) -> None:
        self.config, self.data, self.space = config, data, LatentSpace(vae)
        self._store = Store(folder, vae)
        self._samples = functools.cache(self._stored_samples)
        self._left = functools.cache(self._stored_left)

    def training(self, task: str) -> list[EncodedImages]:
        """The training images of a task, in one or several ways: mirrored, with another hole."""
        mirrored = (False, True) if self.config.flip else (False,)
        holes = self.config.inpainting.holes if TASKS[task].has_holes else 1
        return [self._encoded(task, True, flip, seed) for flip in mirrored for seed in range(holes)]

    def held_out(self, task: str) -> EncodedImages:
        """The held-out images of a task."""
        return self._encoded(task, False, False, 0)

    def _encoded(self, task: str, training: bool, flip: bool, seed: int) -> EncodedImages:
        pictures, kind = self._pictures(task, training), TASKS[task]
        conditioning = Conditioning(
            labels=pictures.images.labels if kind.has_labels else None,
            text=_embed(tuple(pictures.captions)) if kind.has_text else None,
        )
        part = f"{'training' if training else 'held-out'}{'-mirrored' if flip else ''}"
        # Tasks with the same images share them.
        selected = "" if self.data.of(task) is self.data.all else "-with-lines"
        files = [self._samples(part + selected, pictures, flip)]
        if kind.has_image:
            hole = f"-{seed}" if kind.has_holes else ""
            files.append(self._left(f"{part}-{task}{hole}", task, training, flip, seed))
        names = tuple(record.name for record in pictures.images.records)
        return EncodedImages.mapped(tuple(files), conditioning, names)

    def _pictures(self, task: str, training: bool) -> Pictures:
        references = self.data.of(task)
        return references.training if training else references.validation

    def _stored_samples(self, name: str, pictures: Pictures, flip: bool) -> MappedArray:
        def encode(rows: list[int]) -> Tensor:
            return self._encode(Left(pictures.originals(rows, flip).images))

        return self._store.array(name, [pictures.images.identity, flip], len(pictures), encode)

    def _stored_left(self, name: str, task: str, training: bool, flip: bool, seed: int) -> MappedArray:
        pictures, degrade, config = self._pictures(task, training), TASKS[task].degrade, self.config
        assert degrade is not None

        def encode(rows: list[int]) -> Tensor:
            return self._encode(degrade(pictures.originals(rows, flip), config, seed))

        settings = [config.factor, config.inpainting.fill, config.inpainting.margin]
        made_from = [pictures.identity, flip, task, seed, settings]
        return self._store.array(name, made_from, len(pictures), encode)

    def _encode(self, left: Left) -> Tensor:
        device = PartialState().device
        images = left.images.to(device)
        if left.hidden is None:
            return self.space.encode(images).cpu()
        margin = self.config.inpainting.margin
        return encode_seen(self.space, images, left.hidden.to(device), margin).cpu()


@functools.cache
def _embed(captions: tuple[str, ...]) -> Tensor:
    return sentence_encoder()(captions).cpu()
