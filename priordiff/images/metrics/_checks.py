"""What every measure asks of the images, features and labels that it is given."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["check_features", "check_images", "check_labels", "check_pair", "check_sets"]

_ROUNDING = 1e-5  # of a conversion from 8 bits in float32


def check_images(images: Tensor, name: str) -> None:
    """Raises a ValueError unless these are images with 1 or 3 channels of finite numbers in [-1, 1]."""
    if images.ndim != 4 or images.shape[1] not in (1, 3) or not images.numel():
        raise ValueError(
            f"{name} have shape {tuple(images.shape)}: "
            "expected (batch, channels, height, width) with 1 or 3 channels, and at least one image"
        )
    if not images.is_floating_point():
        raise ValueError(
            f"{name} have type {images.dtype}: expected floating point, images / 127.5 - 1 of 8 bits"
        )
    broken = int((~torch.isfinite(images)).sum())
    if broken:
        raise ValueError(f"{name} hold {broken} NaN or infinite values: expected finite numbers only")
    low, high = images.min().item(), images.max().item()
    if low < -1 - _ROUNDING or high > 1 + _ROUNDING:
        raise ValueError(
            f"{name} range from {low:.4g} to {high:.4g}: expected values in [-1, 1], clamp or rescale them"
        )


def check_pair(restored: Tensor, targets: Tensor) -> None:
    """Raises a ValueError unless the two can be compared image by image and pixel by pixel."""
    check_images(restored, "restored images")
    check_images(targets, "targets")
    if restored.shape != targets.shape:
        raise ValueError(
            f"restored images have shape {tuple(restored.shape)} and targets {tuple(targets.shape)}: "
            "expected equal shapes"
        )


def check_features(features: Tensor, name: str, least: int = 1, width: int | None = None) -> None:
    """Raises a ValueError unless these are finite features, (N, D), of enough images."""
    if features.ndim != 2 or not features.is_floating_point():
        raise ValueError(
            f"features of {name} have shape {tuple(features.shape)} and type {features.dtype}: "
            "expected a vector of floating-point numbers for each image, shape (N, D)"
        )
    if len(features) < least:
        raise ValueError(f"there are {len(features)} {name}: expected at least {least}")
    if width is not None and features.shape[1] != width:
        raise ValueError(
            f"features of {name} have {features.shape[1]} dimensions and those to compare with {width}: "
            "expected features of one network"
        )
    broken = int((~torch.isfinite(features)).sum())
    if broken:
        raise ValueError(
            f"features of {name} hold {broken} NaN or infinite values: expected finite numbers only"
        )


def check_sets(samples: Tensor, reference: Tensor, least: int) -> None:
    """Raises a ValueError unless these are finite features of enough images each, of one network."""
    check_features(samples, "samples", least)
    check_features(reference, "reference images", least, samples.shape[1])


def check_labels(labels: Tensor, count: int) -> None:
    """Raises a ValueError unless there is one integer class for each image."""
    if labels.shape != (count,) or labels.is_floating_point() or labels.is_complex():
        raise ValueError(
            f"labels have shape {tuple(labels.shape)} and type {labels.dtype}: "
            f"expected one integer for each of {count} images"
        )
