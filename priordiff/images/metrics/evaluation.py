"""All measures of a kind at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

import torch
from torch import Tensor

from priordiff._metric import Metric
from priordiff.images.metrics._checks import check_pair, check_sets
from priordiff.images.metrics.distances import frechet_between, kernel_between
from priordiff.images.metrics.features import FeatureNetwork, ImageFeatures
from priordiff.images.metrics.manifold import NEIGHBOURS, share_within
from priordiff.images.metrics.restoration import perceptual_distance, psnr, ssim

__all__ = ["FEWEST_IMAGES", "IMAGE_METRICS", "distribution_scores", "restoration_scores"]

FEWEST_IMAGES = NEIGHBOURS + 1
"""On either side of `distribution_scores`."""

IMAGE_METRICS = {
    "frechet": Metric("Fréchet distance", "", "lower"),
    "kernel": Metric("kernel distance", "", "lower"),
    "precision": Metric("precision", "share of samples", "higher"),
    "recall": Metric("recall", "share of real images", "higher"),
    "class_accuracy": Metric("class accuracy", "share of samples", "higher"),
    "near_training": Metric("near training images", "share of samples", "lower"),
    "psnr": Metric("PSNR", "dB", "higher"),
    "psnr_hidden": Metric("PSNR of the hidden part", "dB", "higher"),
    "ssim": Metric("SSIM", "-1 to 1", "higher"),
    "perceptual": Metric("perceptual distance", "0 to 4", "lower"),
}
"""The keys of `distribution_scores` and `restoration_scores`, with those for `LinearProbe.accuracy` and
`share_near_training`."""


_OF_SETS: Mapping[str, Callable[[ImageFeatures, ImageFeatures], float]] = MappingProxyType(
    {
        "frechet": lambda samples, reference: frechet_between(samples.spread, reference.spread),
        "kernel": lambda samples, reference: kernel_between(
            samples.values, reference.values, samples.mean_kernel, reference.mean_kernel
        ),
        "precision": lambda samples, reference: share_within(
            samples.values, reference.values, reference.radii
        ),
        "recall": lambda samples, reference: share_within(reference.values, samples.values, samples.radii),
    }
)


def distribution_scores(
    samples: ImageFeatures, reference: ImageFeatures, names: Iterable[str] = tuple(_OF_SETS)
) -> dict[str, float]:
    """Compares generated images with real ones as two sets.

    `frechet` and `kernel` are distances, `precision` and `recall` shares. They are comparable at equal
    numbers of images alone: name both numbers, and the network, beside the scores. Scores of held-out real
    images are what a perfect model would have.

    Args:
        samples: of M generated images.
        reference: of N real images.
        names: which of the four; all by default.

    Raises:
        ValueError: fewer than four images on one side, or features of different networks.

    Example:
        >>> import torch
        >>> real, made = (ImageFeatures(torch.randn(200, 8), "a network") for _ in range(2))
        >>> list(distribution_scores(made, real))
        ['frechet', 'kernel', 'precision', 'recall']
    """
    if samples.network != reference.network:
        raise ValueError(
            f"features are of {samples.network!r} and {reference.network!r}: expected those of one network"
        )
    check_sets(samples.values, reference.values, least=FEWEST_IMAGES)
    return {name: _OF_SETS[name](samples, reference) for name in names}


def restoration_scores(
    restored: Tensor,
    targets: Tensor,
    network: FeatureNetwork,
    batch_size: int = 16,
    hidden: Tensor | None = None,
) -> dict[str, float]:
    """Compares restored images with the true ones, image by image, and averages over the images.

    Where a part was given, it hides in averages over whole images how well the rest was restored:
    `psnr_hidden` is over the hidden pixels alone.

    Args:
        restored: (N, channels, height, width) in [-1, 1], at least 11 pixels a side.
        targets: the true images, of the same shape.
        network: for the perceptual distance.
        batch_size: images at once. It changes memory and speed alone.
        hidden: bool (N, 1, height, width), True where nothing was given; None if nothing was hidden.

    Returns:
        `psnr` in dB, infinite if an image is restored exactly; `psnr_hidden`, if something was hidden;
        `ssim`; `perceptual`.

    Raises:
        ImportError: the extra `image-metrics` is not installed.
        ValueError: the shapes differ, or the images are too small, have another range or hold NaN, or of one
            nothing is hidden.

    Example:
        >>> import torch
        >>> from priordiff.images.metrics import EfficientNetLite
        >>> x = torch.rand(2, 3, 64, 64) * 2 - 1
        >>> restoration_scores(0.9 * x, x, EfficientNetLite()).keys()
        dict_keys(['psnr', 'ssim', 'perceptual'])
    """
    check_pair(restored, targets)
    pairs = list(zip(restored.split(batch_size), targets.split(batch_size), strict=True))
    values = {
        "psnr": torch.cat([psnr(*pair) for pair in pairs]),
        **({} if hidden is None else {"psnr_hidden": psnr(restored, targets, hidden)}),
        "ssim": torch.cat([ssim(*pair) for pair in pairs]),
        "perceptual": torch.cat([perceptual_distance(*pair, network) for pair in pairs]),
    }
    return {name: value.mean().item() for name, value in values.items()}
