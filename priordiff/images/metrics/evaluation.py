"""All measures of a kind at once."""

from __future__ import annotations

import torch
from torch import Tensor

from priordiff._metric import Metric
from priordiff.images.metrics._checks import check_pair
from priordiff.images.metrics.distances import frechet_distance, kernel_distance
from priordiff.images.metrics.features import FeatureNetwork, ImageFeatures
from priordiff.images.metrics.manifold import precision_recall
from priordiff.images.metrics.restoration import perceptual_distance, psnr, ssim

__all__ = ["IMAGE_METRICS", "distribution_scores", "restoration_scores"]

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


def distribution_scores(samples: ImageFeatures, reference: ImageFeatures) -> dict[str, float]:
    """Compares generated images with real ones as two sets.

    `frechet` and `kernel` are distances, `precision` and `recall` shares. They are comparable at equal
    numbers of images alone: name both numbers, and the network, beside the scores. Scores of held-out real
    images are what a perfect model would have.

    Args:
        samples: of M generated images.
        reference: of N real images.

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
    shares = precision_recall(samples.values, reference.values)
    return {
        "frechet": frechet_distance(samples.values, reference.values),
        "kernel": kernel_distance(samples.values, reference.values),
        "precision": shares.precision,
        "recall": shares.recall,
    }


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
