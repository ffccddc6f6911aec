"""Data-dependent Gaussian priors for any diffusion model."""

from priordiff.priors import DiagonalPrior, GaussianPrior, LappedPrior

__all__ = ["DiagonalPrior", "GaussianPrior", "LappedPrior"]
__version__ = "0.1.0"
