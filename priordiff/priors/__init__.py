"""What N(μ, Σ) is: one class per covariance structure."""

from priordiff.priors.dense import DensePrior
from priordiff.priors.diagonal import DiagonalPrior
from priordiff.priors.distributions import from_distribution
from priordiff.priors.gaussian import GaussianPrior
from priordiff.priors.kronecker import KroneckerPrior
from priordiff.priors.lapped import LappedPrior
from priordiff.priors.low_rank import LowRankPrior
from priordiff.priors.masked import MaskedPrior
from priordiff.priors.padded import PaddedPrior
from priordiff.priors.spectral import SpectralPrior
from priordiff.priors.stft import StftPrior
from priordiff.priors.stft_transform import inverse_tight_stft, tight_stft

__all__ = [
    "DensePrior",
    "DiagonalPrior",
    "GaussianPrior",
    "KroneckerPrior",
    "LappedPrior",
    "LowRankPrior",
    "MaskedPrior",
    "PaddedPrior",
    "SpectralPrior",
    "StftPrior",
    "from_distribution",
    "inverse_tight_stft",
    "tight_stft",
]
