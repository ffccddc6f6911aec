"""The priors that the example compares."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from priordiff import LearnedMelSpectrumEstimator, MelEnergyEstimator, MelSpectrumEstimator, PriorEstimator

if TYPE_CHECKING:
    from vocoder.configuration import VocoderConfig

__all__ = ["BASELINE", "PRIORS", "PriorChoice"]

BASELINE = "isotropic"


@dataclass(frozen=True)
class PriorChoice:
    """A prior and the parametrisation that suits it.

    Attributes:
        description: one line for the report.
        make_estimator: the estimator, not yet fitted or trained; None for N(0, I).
        model_space: what the network sees and predicts.
        variance_type: variance of the noise of the solver "ddpm"; "fixed_large" where the prior almost is the
            data's distribution, else the published "fixed_small".
        solver: that samples best from it, by `benchmarks/samplers.py`.
        is_learned: whether the estimator is trained, before the denoiser, where others are fitted.
    """

    description: str
    make_estimator: Callable[[VocoderConfig], PriorEstimator | None]
    model_space: str
    variance_type: str = "fixed_small"
    solver: str = "ddpm"
    is_learned: bool = False


def _fitted_spectrum(config: VocoderConfig) -> PriorEstimator:
    return MelSpectrumEstimator(n_mels=config.mel.n_mels, hop_length=config.mel.hop_length)


def _learned_spectrum(config: VocoderConfig) -> PriorEstimator:
    mel, estimator = config.mel, config.estimator
    return LearnedMelSpectrumEstimator(estimator.channels, estimator.layers, mel.n_mels, mel.hop_length)


PRIORS = {
    BASELINE: PriorChoice("N(0, I) with the plain loss: DiffWave", lambda config: None, "centered"),
    "energy": PriorChoice(
        "white noise as loud as each mel frame: PriorGrad",
        lambda config: MelEnergyEstimator(hop_length=config.mel.hop_length),
        "centered",
    ),
    "spectral-fit": PriorChoice(
        "noise with the spectrum of each mel frame by a linear fit, in white space",
        _fitted_spectrum,
        "white",
        variance_type="fixed_large",
        solver="sde-dpm++",
    ),
    "spectral": PriorChoice(
        "noise with the spectrum of each mel frame by a network that learned it, in white space",
        _learned_spectrum,
        "white",
        variance_type="fixed_large",
        solver="sde-dpm++",
        is_learned=True,
    ),
}
