"""Data-dependent Gaussian priors for any diffusion model: start from N(μ(c), Σ(c)) instead of N(0, I)."""

from typing import Any

# DiffusionPipeline.from_pretrained finds out how to load our components by looking these three up here.
from diffusers import DiffusionPipeline, ModelMixin, SchedulerMixin

from priordiff import models, pipelines
from priordiff.estimators import (
    ClassMomentsEstimator,
    MelEnergyEstimator,
    MelSpectrumEstimator,
    PriorEstimator,
)
from priordiff.losses import prior_loss
from priordiff.models import DiffWave
from priordiff.pipelines import VocoderPipeline, apply_prior
from priordiff.priors import (
    DensePrior,
    DiagonalPrior,
    GaussianPrior,
    KroneckerPrior,
    LappedPrior,
    LowRankPrior,
    MaskedPrior,
    PaddedPrior,
    SpectralPrior,
    StftPrior,
    from_distribution,
)
from priordiff.schedulers import PriorGradScheduler, min_snr_weight, p2_weight, snr, with_prior

__all__ = [
    "ClassMomentsEstimator",
    "DensePrior",
    "DiagonalPrior",
    "DiffWave",
    "DiffusionPipeline",
    "GaussianPrior",
    "KroneckerPrior",
    "LappedPrior",
    "LowRankPrior",
    "MaskedPrior",
    "MelEnergyEstimator",
    "MelSpectrumEstimator",
    "ModelMixin",
    "PaddedPrior",
    "PriorEstimator",
    "PriorGradScheduler",
    "SchedulerMixin",
    "SpectralPrior",
    "StftPrior",
    "VocoderPipeline",
    "apply_prior",
    "from_distribution",
    "min_snr_weight",
    "models",
    "p2_weight",
    "pipelines",
    "prior_loss",
    "snr",
    "with_prior",
]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """`PriorGrad<Name>` for every scheduler of diffusers that can have a prior."""
    from priordiff.schedulers import prior_scheduler_named

    return prior_scheduler_named(name)
