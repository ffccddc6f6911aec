"""Images in the space in which they are diffused, encoded once, with what they are conditioned on."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import PartialState
from diffusers import AutoencoderKL
from torch import Tensor

from latent_diffusion.configuration import LatentDiffusionConfig
from latent_diffusion.degrading import Left, Originals
from latent_diffusion.pictures import Pictures
from latent_diffusion.references import Data
from latent_diffusion.tasks import TASKS
from priordiff.models import default_sentence_encoder
from priordiff.pipelines import Conditioning, LatentSpace, encode_seen
from priordiff.pretrained import pretrained_autoencoder

__all__ = ["PRETRAINED", "EncodedImages", "Encodings", "load_autoencoder"]

# In place of a folder.
PRETRAINED = "pretrained"

_BATCH = 64


@dataclass(frozen=True)
class EncodedImages:
    """Images of a corpus in the space of the diffusion.

    Attributes:
        samples: (N, channels, height, width).
        conditioning: of all of them.
        names: of the images.
    """

    samples: Tensor
    conditioning: Conditioning
    names: tuple[str, ...]

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


class Encodings:
    """The images of an experiment in the space of the diffusion, each encoded once for all its models.

    Args:
        config: of the experiment.
        data: its images.
        vae: None for pixels.
    """

    def __init__(self, config: LatentDiffusionConfig, data: Data, vae: AutoencoderKL | None) -> None:
        self.config, self.data, self.space = config, data, LatentSpace(vae)
        self._samples = functools.cache(self._encode_samples)
        self._conditioning = functools.cache(self._encode_conditioning)

    def training(self, task: str) -> list[EncodedImages]:
        """The training images of a task, in one or several ways: mirrored, with another hole."""
        mirrored = (False, True) if self.config.flip else (False,)
        holes = self.config.inpainting.holes if TASKS[task].has_holes else 1
        return [self._encoded(task, True, flip, seed) for flip in mirrored for seed in range(holes)]

    def held_out(self, task: str) -> EncodedImages:
        """The held-out images of a task."""
        return self._encoded(task, False, False, 0)

    def _encoded(self, task: str, training: bool, flip: bool, seed: int) -> EncodedImages:
        names = tuple(record.name for record in self._pictures(task, training).images.records)
        # Tasks with the same images share them.
        samples = self._samples(self._pictures(task, training), flip)
        return EncodedImages(samples, self._conditioning(task, training, flip, seed), names)

    def _pictures(self, task: str, training: bool) -> Pictures:
        references = self.data.of(task)
        return references.training if training else references.validation

    def _encode_samples(self, pictures: Pictures, flip: bool) -> Tensor:
        return torch.cat([self._encode(each.images) for each in _batches(pictures, flip)])

    def _encode_conditioning(self, task: str, training: bool, flip: bool, seed: int) -> Conditioning:
        pictures, kind = self._pictures(task, training), TASKS[task]
        image = None
        if kind.degrade is not None:
            parts = (kind.degrade(each, self.config, seed) for each in _batches(pictures, flip))
            image = torch.cat([self._encode_left(part) for part in parts])
        return Conditioning(
            labels=pictures.images.labels if kind.has_labels else None,
            image=image,
            text=_embed(tuple(pictures.captions)) if kind.has_text else None,
        )

    def _encode_left(self, left: Left) -> Tensor:
        if left.hidden is None:
            return self._encode(left.images)
        images, hidden = (part.to(PartialState().device) for part in (left.images, left.hidden))
        return encode_seen(self.space, images, hidden, self.config.inpainting.margin).cpu()

    def _encode(self, images: Tensor) -> Tensor:
        return self.space.encode(images.to(PartialState().device)).cpu()


def _batches(pictures: Pictures, flip: bool) -> Iterator[Originals]:
    for rows in torch.arange(len(pictures)).split(_BATCH):
        yield pictures.originals(rows.tolist(), flip)


@functools.cache
def _embed(captions: tuple[str, ...]) -> Tensor:
    return default_sentence_encoder().to(PartialState().device)(captions).cpu()
