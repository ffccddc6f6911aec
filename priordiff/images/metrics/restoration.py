"""Distances of restored images to the true ones, image by image."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from priordiff._extra import require
from priordiff.images.metrics._checks import check_pair
from priordiff.images.metrics.features import FeatureNetwork

__all__ = ["perceptual_distance", "psnr", "ssim"]

_RANGE = 2.0  # from -1 to 1
_WINDOW = 11  # pixels a side


def psnr(restored: Tensor, targets: Tensor, mask: Tensor | None = None) -> Tensor:
    r"""Peak signal-to-noise ratio in dB, $10 \log_{10}(2^2 / \mathrm{MSE})$; infinite for equal images.

    Args:
        restored: (batch, channels, height, width) in [-1, 1].
        targets: the true images, of the same shape.
        mask: bool (batch, 1, height, width), True for the pixels over which the error is averaged, such as
            those that were hidden; None for all of them.

    Returns:
        (batch,)

    Raises:
        ValueError: the shapes differ, or the images have another range or hold NaN, or a mask has no pixel.

    Example:
        >>> import torch
        >>> psnr(torch.full((1, 3, 8, 8), 0.2), torch.zeros(1, 3, 8, 8))
        tensor([20.])
    """
    restored, targets = _prepared(restored, targets)
    errors = (restored - targets).square().mean(1, keepdim=True)
    if mask is None:
        mean = errors.mean((1, 2, 3))
    else:
        _check_mask(mask, errors)
        mean = torch.where(mask, errors, 0.0).sum((1, 2, 3)) / mask.sum((1, 2, 3))
    return 10 * torch.log10(_RANGE**2 / mean)


def ssim(restored: Tensor, targets: Tensor) -> Tensor:
    """Structural similarity, 1 for equal images, as the package `pytorch-msssim` computes it.

    Wang et al., "Image Quality Assessment: From Error Visibility to Structural Similarity", 2004: Gaussian
    windows of 11 pixels with a standard deviation of 1.5, those alone that lie within the image, K₁ = 0.01
    and K₂ = 0.03; averaged over channels.

    Args:
        restored: (batch, channels, height, width) in [-1, 1], at least 11 pixels a side.
        targets: the true images, of the same shape.

    Returns:
        (batch,)

    Raises:
        ImportError: the extra `image-metrics` is not installed.
        ValueError: the shapes differ, or the images are too small, have another range or hold NaN.

    Example:
        >>> import torch
        >>> ssim(torch.zeros(1, 3, 16, 16), torch.zeros(1, 3, 16, 16))
        tensor([1.])
    """
    restored, targets = _prepared(restored, targets)
    if min(targets.shape[-2:]) < _WINDOW:
        raise ValueError(
            f"images have {tuple(targets.shape[-2:])} pixels: "
            f"expected at least {_WINDOW} a side, the windows of SSIM"
        )
    package = require("pytorch_msssim", "image-metrics")
    # The constants are meant for intensities, which begin at 0: the means of its windows are multiplied.
    return package.ssim(restored + 1, targets + 1, data_range=_RANGE, size_average=False, win_size=_WINDOW)


def perceptual_distance(restored: Tensor, targets: Tensor, network: FeatureNetwork) -> Tensor:
    r"""Distance of what a network sees at the same place, from 0 to 4.

    $\frac{1}{L} \sum_l \frac{1}{H_l W_l} \sum_{h,w} \lVert \hat y^l_{hw} - \hat x^l_{hw} \rVert^2$ over the
    network's L maps, whose channels have unit norm at each place. This is the distance of Zhang et al. ("The
    Unreasonable Effectiveness of Deep Features as a Perceptual Metric", CVPR 2018) before its channels are
    weighted as people judged: not LPIPS, whose weights belong to other networks, and not comparable with it.
    Gradients reach the images through a network that lets them.

    Args:
        restored: (batch, channels, height, width) in [-1, 1].
        targets: the true images, of the same shape.
        network: with the maps.

    Returns:
        (batch,)

    Raises:
        ValueError: the shapes differ, or the images have another range or hold NaN.

    Example:
        >>> import torch
        >>> from priordiff.images.metrics import EfficientNetLite
        >>> x = torch.rand(2, 3, 64, 64) * 2 - 1
        >>> perceptual_distance(x, x, EfficientNetLite())
        tensor([0., 0.])
    """
    check_pair(restored, targets)
    pairs = zip(network.maps(restored), network.maps(targets), strict=True)
    layers = [
        (F.normalize(first) - F.normalize(second)).square().sum(1).mean((1, 2)) for first, second in pairs
    ]
    return torch.stack(layers).mean(0)


def _prepared(restored: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """In float32 or better: half precision would drown small errors."""
    check_pair(restored, targets)
    dtype = torch.promote_types(torch.promote_types(restored.dtype, targets.dtype), torch.float32)
    return restored.detach().to(dtype), targets.detach().to(dtype)


def _check_mask(mask: Tensor, errors: Tensor) -> None:
    if mask.dtype != torch.bool or mask.shape != errors.shape:
        raise ValueError(
            f"mask has shape {tuple(mask.shape)} and type {mask.dtype}: expected bool of shape "
            f"{tuple(errors.shape)}, one for each pixel"
        )
    if empty := (~mask.flatten(1).any(1)).nonzero().flatten().tolist():
        raise ValueError(f"the mask of image {empty[0]} has no pixel: expected at least one")
