"""Stage 1: an autoencoder, as the training loop sees it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from accelerate import PartialState
from diffusers import AutoencoderKL
from torch import Tensor, nn

from latent_diffusion.configuration import LatentDiffusionConfig
from latent_diffusion.perceptual import PerceptualTerm
from priordiff.estimators.statistics import Moments
from priordiff.images import ImageCorpus
from priordiff.images.metrics import psnr
from priordiff.pipelines import LatentSpace
from priordiff.training import Draw, Evaluation

__all__ = ["AutoencoderTask", "in_8_bits", "make_autoencoder", "pixels", "standardize"]

_BATCH = 64


def make_autoencoder(config: LatentDiffusionConfig) -> AutoencoderKL:
    """The autoencoder of a configuration, not trained."""
    channels = config.autoencoder.channels
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * len(channels),
        up_block_types=("UpDecoderBlock2D",) * len(channels),
        block_out_channels=tuple(channels),
        layers_per_block=config.autoencoder.layers,
        latent_channels=config.autoencoder.latent_channels,
        norm_num_groups=config.autoencoder.norm_groups,
        sample_size=config.corpus.size,
        mid_block_add_attention=False,
    )


def pixels(images: Tensor) -> Tensor:
    """8-bit images as numbers in [−1, 1]."""
    return images.float() / 127.5 - 1


def in_8_bits(images: Tensor) -> Tensor:
    """Numbers in [−1, 1] as 8-bit images, the inverse of `pixels`; what lies beyond is clipped."""
    return ((images + 1) * 127.5).round().clamp(0, 255).byte()


class _Images:
    """Images by draw, mirrored at random if they may be."""

    def __init__(self, corpus: ImageCorpus, flip: bool) -> None:
        self.corpus, self.flip = corpus, flip

    def __len__(self) -> int:
        return len(self.corpus)

    def __getitem__(self, draw: Draw) -> tuple[int, Tensor]:
        image = pixels(self.corpus.images([draw.index])[0])
        mirrored = self.flip and bool(torch.randint(2, (), generator=draw.generator("flip")))
        return draw.index, image.flip(-1) if mirrored else image


class _Reconstruction(nn.Module):
    """What an autoencoder makes of images, and how much its latents tell."""

    def __init__(self, vae: AutoencoderKL) -> None:
        super().__init__()
        self.vae = vae

    def forward(self, images: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        posterior = self.vae.encode(images).latent_dist
        decoded = self.vae.decode(posterior.mean + posterior.std * noise).sample
        return decoded.float(), posterior.kl().sum()


class AutoencoderTask:
    """The autoencoder of a configuration, on the training images.

    Args:
        config: of the experiment.
        training: images to learn from.
        validation: images to be judged on.
    """

    def __init__(self, config: LatentDiffusionConfig, training: ImageCorpus, validation: ImageCorpus) -> None:
        self.config, self.training = config, training
        self.dataset = _Images(training, config.flip)
        torch.manual_seed(config.autoencoder.training.seed)
        self.model = _Reconstruction(make_autoencoder(config))
        weight = config.autoencoder.perceptual_weight
        self.perceptual = PerceptualTerm(config.corpus.size) if weight else None
        count = config.evaluation.curve_images
        self.held_out = pixels(validation.images(range(min(count, len(validation)))))

    def collate(self, items: list[tuple[int, Tensor]]) -> dict[str, Tensor]:
        indices, images = zip(*items, strict=True)
        return {"index": torch.tensor(indices), "images": torch.stack(images)}

    def loss_counts(self, batch: dict[str, Tensor]) -> dict[str, int]:
        elements = batch["images"].numel()
        counts = {"reconstruction": elements, "kl": elements}
        return counts if self.perceptual is None else {**counts, "perceptual": len(batch["images"])}

    def loss_sums(
        self, model: nn.Module, batch: dict[str, Tensor], generators: Sequence[torch.Generator]
    ) -> dict[str, Tensor]:
        images, settings = batch["images"], self.config.autoencoder
        shape = self._latent_shape
        noise = torch.stack([torch.randn(shape, generator=each) for each in generators])
        noise = noise.to(images.device, non_blocking=True)
        decoded, kl = model(images, noise)
        reconstruction = F.l1_loss(decoded, images, reduction="sum")
        sums = {"reconstruction": reconstruction, "kl": settings.kl_weight * kl}
        if self.perceptual is not None:
            sums["perceptual"] = (settings.perceptual_weight or 0.0) * self.perceptual(decoded, images).sum()
        return sums

    def evaluate(self, step: int) -> Evaluation:
        space = LatentSpace(self.model.vae)
        images = self.held_out.to(self.model.vae.device)
        decoded = torch.cat([space.decode(space.encode(batch)) for batch in images.split(_BATCH)])
        metrics = {"psnr": float(psnr(decoded, images).mean())}
        if self.perceptual is not None:
            pairs = zip(decoded.split(_BATCH), images.split(_BATCH), strict=True)
            metrics["perceptual"] = float(torch.cat([self.perceptual(*pair) for pair in pairs]).mean())
        return Evaluation(metrics)

    def names(self, batch: dict[str, Tensor]) -> list[str]:
        return [self.training.records[index].name for index in batch["index"].tolist()]

    def save(self, directory: Path) -> None:
        standardize(self.model.vae, self.training)
        self.model.vae.save_pretrained(directory)

    @property
    def _latent_shape(self) -> tuple[int, int, int]:
        size = self.config.corpus.size // LatentSpace(self.model.vae).downsampling
        return self.config.autoencoder.latent_channels, size, size


@torch.no_grad()
def standardize(vae: AutoencoderKL, corpus: ImageCorpus) -> None:
    """Sets an autoencoder's `shift_factor` and `scaling_factor` so that the latents of images are standard.

    Args:
        vae: in place.
        corpus: images whose latents then have a mean of 0 and a variance of 1 over all elements.
    """
    vae.register_to_config(shift_factor=0.0, scaling_factor=1.0)
    space, device, moments = LatentSpace(vae), PartialState().device, Moments()
    vae.to(device)
    for rows in torch.arange(len(corpus)).split(_BATCH):
        moments.update(space.encode(pixels(corpus.images(rows)).to(device)).reshape(-1, 1))
    scale = float(moments.variance()) ** -0.5
    vae.register_to_config(shift_factor=float(moments.mean), scaling_factor=scale)
