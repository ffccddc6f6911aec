"""Whether the sizes of a configuration fit together, told before anything is trained."""

from __future__ import annotations

import math

from diffusers import AutoencoderKL

from latent_diffusion.configuration import LatentDiffusionConfig
from latent_diffusion.tasks import TASKS
from latent_diffusion.unet import unet_arguments
from priordiff.pipelines import LatentSpace

__all__ = ["check_sizes", "sample_shape"]

Shape = tuple[int, int, int]


def sample_shape(config: LatentDiffusionConfig, vae: AutoencoderKL | None = None) -> Shape:
    """Channels, height and width of what is diffused.

    Args:
        config: of an experiment.
        vae: the autoencoder, if it is not trained here.

    Raises:
        ValueError: if the images can't be halved as often as the autoencoder does.
    """
    size = config.corpus.size
    if config.space == "pixel":
        return 3, size, size
    if vae is None:
        levels, channels = len(config.autoencoder.channels), config.autoencoder.latent_channels
        divisor, needed = 2 ** (levels - 1), f"an autoencoder of {levels} levels, autoencoder.channels, needs"
    else:
        divisor, channels = LatentSpace(vae).downsampling, vae.config.latent_channels
        needed = f"the autoencoder of initial={config.initial} needs"
        if (folder := config.autoencoder_folder) is not None:
            needed = f"autoencoder.folder={folder} needs; autoencoder.folder=null trains one"
    if size % divisor:
        raise ValueError(f"corpus.size is {size}: expected a multiple of {divisor}, as {needed}")
    return channels, size // divisor, size // divisor


def check_sizes(config: LatentDiffusionConfig, shape: Shape) -> None:
    """Refuses a network, a prior or a hole that does not fit what is diffused.

    Args:
        config: of an experiment.
        shape: channels, height and width of that.

    Raises:
        ValueError: if there is one.
    """
    _, height, width = shape
    if config.network != "dit":
        unet_arguments(config.unet, (height, width))
    elif height % config.dit.patch_size:
        raise ValueError(
            f"dit.patch_size is {config.dit.patch_size}: expected a divisor of {height}, the height and "
            "width of what is diffused"
        )
    elements, rank = math.prod(shape), config.estimator.rank
    if rank >= elements and any(name.prior == "low-rank" for name in config.names):
        raise ValueError(
            f"estimator.rank is {rank}: expected less than the {elements} elements of {_in_words(shape)}"
        )
    margin, has_holes = config.inpainting.margin, any(TASKS[name.task].has_holes for name in config.names)
    if has_holes and config.space == "latent" and margin >= height:
        raise ValueError(
            f"inpainting.margin is {margin}: expected less than {height}, the height and width of the "
            "latents: nothing would be seen"
        )


def _in_words(shape: Shape) -> str:
    return " × ".join(map(str, shape))
