"""What N(μ, Σ) is: one class per covariance structure."""

from priordiff.priors.diagonal import DiagonalPrior
from priordiff.priors.gaussian import GaussianPrior
from priordiff.priors.lapped import LappedPrior
from priordiff.priors.lapped_transform import inverse_mdct, mdct

__all__ = ["DiagonalPrior", "GaussianPrior", "LappedPrior", "inverse_mdct", "mdct"]
