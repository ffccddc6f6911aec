"""What N(μ, Σ) is: one class per covariance structure."""

from priordiff.priors.dense import DensePrior
from priordiff.priors.diagonal import DiagonalPrior
from priordiff.priors.distributions import from_distribution
from priordiff.priors.gaussian import GaussianPrior
from priordiff.priors.kronecker import KroneckerPrior
from priordiff.priors.lapped import LappedPrior
from priordiff.priors.lapped_transform import inverse_mdct, mdct
from priordiff.priors.low_rank import LowRankPrior
from priordiff.priors.spectral import SpectralPrior

__all__ = [
    "DensePrior",
    "DiagonalPrior",
    "GaussianPrior",
    "KroneckerPrior",
    "LappedPrior",
    "LowRankPrior",
    "SpectralPrior",
    "from_distribution",
    "inverse_mdct",
    "mdct",
]
