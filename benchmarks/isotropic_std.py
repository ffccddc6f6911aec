"""Which isotropic noise stands in best for an anisotropic one: `python benchmarks/isotropic_std.py`.

A network that knows Gaussian data perfectly under N(0, σ² I) is shown noise N(0, Σ), for each σ that is a
mean of those along the axes of Σ; and its estimates are corrected as if the data had the covariance Σ. By how
much the errors exceed the least possible ones is exact, without any sampling.
"""

from __future__ import annotations

import torch
from diffusers import DDPMScheduler
from torch import Tensor

DIMENSIONS = 4096
SPREADS = {
    "25 %": 0.22,
    "a factor of 2": 0.69,
    "a factor of 4": 1.39,
}  # of one standard deviation, as e^spread


def means(variances: Tensor) -> dict[str, Tensor]:
    """Of variances, as one of each kind."""
    return {
        "arithmetic": variances.mean(),
        "geometric": variances.log().mean().exp(),
        "harmonic": 1 / variances.reciprocal().mean(),
    }


def excess(variances: Tensor, one: Tensor, data: Tensor, corrected: bool) -> tuple[float, float]:
    """The additional errors of the noise, whitened, and of the data, over all timesteps of a training.

    Args:
        variances: of the noise along its axes.
        one: that which the network is told.
        data: variances of the data along the same axes.
        corrected: whether what it says is corrected for data of the noise's covariance.
    """
    signal = DDPMScheduler().alphas_cumprod.double()[:, None]
    ratio = (1 - signal) / signal
    noise, told = ratio * variances, ratio * one
    removed = told / (data + told)  # of the distance from the state to the data's mean
    if corrected:
        removed = removed * noise / (variances + noise) * (variances + told) / told
    difference = removed - noise / (data + noise)
    error = difference.square() * (data + noise)  # of x₀
    return float((error / noise).mean()), float(error.mean() / data.mean())


def main() -> None:
    """Prints a table for each kind of data."""
    torch.manual_seed(0)
    white = torch.randn(DIMENSIONS).double()
    half = (torch.arange(DIMENSIONS) % 2 + 1e-9).double()
    for kind in ("white data", "data with the noise's spectrum", "data on half of the axes"):
        print(
            f"\n{kind}\n| σ differs by | mean | error of the noise | error of the data |\n|---|---|---|---|"
        )
        for name, spread in SPREADS.items():
            variances = (2 * spread * white).exp()
            data = {"white data": torch.ones_like(half), "data on half of the axes": half}.get(
                kind, variances
            )
            for mean, one in means(variances).items():
                for corrected in (False, True):
                    of_noise, of_data = excess(variances, one, data, corrected)
                    label = mean + ", corrected" * corrected
                    print(f"| {name} | {label} | {of_noise:.3f} | {of_data:.3f} |")


if __name__ == "__main__":
    main()
