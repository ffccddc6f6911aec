"""Data-dependent Gaussian priors for any diffusion model: start from N(μ(c), Σ(c)) instead of N(0, I)."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from priordiff._diffusers import add_pipelines

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline, ModelMixin, SchedulerMixin

    from priordiff import (
        estimators,
        fine_tuning,
        lapped_transform,
        losses,
        models,
        pipelines,
        pretrained,
        priors,
        schedulers,
        search,
    )
    from priordiff.estimators import (
        AxisCovarianceEstimator,
        ClassMomentsEstimator,
        EncodedTextEstimator,
        FourierPowerEstimator,
        InpaintingEstimator,
        LearnedDiagonalEstimator,
        LearnedImageEstimator,
        LearnedMelSpectrumEstimator,
        LocalRegressionEstimator,
        LowRankEstimator,
        MeanEstimator,
        MelEnergyEstimator,
        MelSpectrumEstimator,
        MomentsEstimator,
        OffsetNoiseEstimator,
        PhonemeEstimator,
        PriorEstimator,
        ResidualEstimator,
        SpecGradEstimator,
        VideoNoiseEstimator,
    )
    from priordiff.fine_tuning import adapt_to_prior
    from priordiff.losses import prior_loss
    from priordiff.models import (
        DiffWave,
        LappedConvNeXt,
        MelConvNeXt,
        MelDiffWave,
        MelTransformer,
        TextEncoder,
    )
    from priordiff.pipelines import ImagePipeline, TextToSpeechPipeline, VocoderPipeline, apply_prior
    from priordiff.pretrained import (
        pretrained_autoencoder,
        pretrained_images,
        pretrained_vocoder,
        pretrained_voice,
    )
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
    from priordiff.schedulers import (
        FractionalDDPMScheduler,
        PriorGradScheduler,
        min_snr_weight,
        p2_weight,
        snr,
        with_prior,
    )

__all__ = [
    "AxisCovarianceEstimator",
    "ClassMomentsEstimator",
    "DensePrior",
    "DiagonalPrior",
    "DiffWave",
    "DiffusionPipeline",
    "EncodedTextEstimator",
    "FourierPowerEstimator",
    "FractionalDDPMScheduler",
    "GaussianPrior",
    "ImagePipeline",
    "InpaintingEstimator",
    "KroneckerPrior",
    "LappedConvNeXt",
    "LappedPrior",
    "LearnedDiagonalEstimator",
    "LearnedImageEstimator",
    "LearnedMelSpectrumEstimator",
    "LocalRegressionEstimator",
    "LowRankEstimator",
    "LowRankPrior",
    "MaskedPrior",
    "MeanEstimator",
    "MelConvNeXt",
    "MelDiffWave",
    "MelEnergyEstimator",
    "MelSpectrumEstimator",
    "MelTransformer",
    "ModelMixin",
    "MomentsEstimator",
    "OffsetNoiseEstimator",
    "PaddedPrior",
    "PhonemeEstimator",
    "PriorEstimator",
    "PriorGradScheduler",
    "ResidualEstimator",
    "SchedulerMixin",
    "SpecGradEstimator",
    "SpectralPrior",
    "StftPrior",
    "TextEncoder",
    "TextToSpeechPipeline",
    "VideoNoiseEstimator",
    "VocoderPipeline",
    "adapt_to_prior",
    "apply_prior",
    "estimators",
    "fine_tuning",
    "from_distribution",
    "lapped_transform",
    "losses",
    "min_snr_weight",
    "models",
    "p2_weight",
    "pipelines",
    "pretrained",
    "pretrained_autoencoder",
    "pretrained_images",
    "pretrained_vocoder",
    "pretrained_voice",
    "prior_loss",
    "priors",
    "schedulers",
    "search",
    "snr",
    "with_prior",
]
__version__ = "0.1.0"

# Each name is loaded when it is asked for, so that the package costs no more than what is used of it.
# DiffusionPipeline.from_pretrained finds out how to load our components by looking the first three up here.
_BORROWED = ("DiffusionPipeline", "ModelMixin", "SchedulerMixin")
_ROOMS = (
    "priors",
    "lapped_transform",
    "losses",
    "schedulers",
    "fine_tuning",
    "models",
    "estimators",
    "pipelines",
    "pretrained",
    "search",
    "audio",
    "files",
)


def __getattr__(name: str) -> Any:
    """Also finds `PriorGrad<Name>` for schedulers of diffusers, `PriorAdapted<Name>` for its networks."""
    if name in _ROOMS:
        return import_module(f"{__name__}.{name}")
    if name in _BORROWED:
        return getattr(import_module("diffusers"), name)
    if name in __all__:
        # The rooms are listed from the cheapest to the dearest.
        rooms = (import_module(f"{__name__}.{room}") for room in _ROOMS)
        return next(getattr(room, name) for room in rooms if name in room.__all__)
    if name.startswith("PriorAdapted"):
        from priordiff.fine_tuning import prior_adapter_named

        return prior_adapter_named(name)
    from priordiff.schedulers import prior_scheduler_named

    return prior_scheduler_named(name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_ROOMS})


add_pipelines()
