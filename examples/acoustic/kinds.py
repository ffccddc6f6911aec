"""The acoustic models that the example compares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["BASELINE", "KINDS", "Kind"]

BASELINE = "isotropic"


@dataclass(frozen=True)
class Kind:
    """A model, and the prior from which it starts.

    Attributes:
        description: one line for the report.
        prior: "phonemes" for the moments of each phoneme's frames, "mean" for N(μ(text), I) with a mean that
            the encoder learns, "learned" for N(μ(text), Σ(text)), "none" for N(0, I); None for no diffusion.
        model_space: what the denoiser sees and predicts; None for what the configuration says.
    """

    description: str
    prior: Literal["phonemes", "mean", "learned", "none"] | None
    model_space: str | None = None

    @property
    def is_diffusion(self) -> bool:
        """Whether frames are made from noise."""
        return self.prior is not None

    @property
    def has_prior(self) -> bool:
        """Whether that noise says something of the text."""
        return self.prior not in (None, "none")

    @property
    def learns_prior(self) -> bool:
        """Whether the encoder learns what it says, by a loss of its own."""
        return self.prior in ("mean", "learned")


KINDS = {
    "prior": Kind("noise with the mean and the standard deviation of each phoneme: PriorGrad", "phonemes"),
    "learned": Kind("noise with a mean and a standard deviation that the encoder learns", "learned"),
    "isotropic": Kind("N(0, I): the same decoder without a prior", "none"),
    "grad-tts": Kind("N(μ, I) with a mean that the encoder learns: Grad-TTS's form", "mean", "data"),
    "fastspeech2": Kind("no diffusion: FastSpeech 2, a transformer with an L1 loss", None),
}
