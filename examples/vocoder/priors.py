"""The priors that the example compares."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from priordiff import MelEnergyEstimator, MelSpectrumEstimator, PriorEstimator

if TYPE_CHECKING:
    from vocoder.configuration import MelConfig

__all__ = ["BASELINE", "PRIORS", "PriorChoice"]

BASELINE = "isotropic"


@dataclass(frozen=True)
class PriorChoice:
    """A prior and the parametrisation that suits it.

    Attributes:
        description: one line for the report.
        make_estimator: the estimator, not yet fitted; None for N(0, I).
        model_space: what the network sees and predicts.
        variance_type: variance of the sampler's noise; "fixed_large" where the prior almost is the data's
            distribution, else the published "fixed_small".
    """

    description: str
    make_estimator: Callable[[MelConfig], PriorEstimator | None]
    model_space: str
    variance_type: str = "fixed_small"


PRIORS = {
    BASELINE: PriorChoice("N(0, I) with the plain loss: DiffWave", lambda mel: None, "centered"),
    "energy": PriorChoice(
        "white noise as loud as each mel frame: PriorGrad",
        lambda mel: MelEnergyEstimator(hop_length=mel.hop_length),
        "centered",
    ),
    "spectral": PriorChoice(
        "noise with the spectrum of each mel frame, in white space",
        lambda mel: MelSpectrumEstimator(n_mels=mel.n_mels, hop_length=mel.hop_length),
        "white",
        "fixed_large",
    ),
}
