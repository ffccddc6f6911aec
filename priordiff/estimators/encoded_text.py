"""Priors of mel frames from encoded text."""

from __future__ import annotations

from typing import Any, Literal

import torch.nn.functional as F
from diffusers.configuration_utils import register_to_config
from torch import Tensor, nn

from priordiff.estimators.base import PriorEstimator
from priordiff.estimators.class_moments import ClassMomentsEstimator
from priordiff.models import EncodedText
from priordiff.priors import DiagonalPrior

__all__ = ["EncodedTextEstimator", "PhonemeEstimator"]


class PhonemeEstimator(PriorEstimator):
    r"""Encoded text to a `DiagonalPrior` with the moments of the frames that each phoneme has in the data.

    The prior of PriorGrad's acoustic model (Lee et al., ICLR 2022, section 5):
    [`ClassMomentsEstimator`][priordiff.ClassMomentsEstimator] over mel frames by phoneme, expanded by the
    durations, with N(0, I) in the padding. Its published options are `use`, `floor` and `ceiling`.

    Args:
        num_symbols: of the encoder; index 0 is padding.
        n_mels: number of mel bands.
        floor: smallest standard deviation.
        ceiling: largest standard deviation; None for no limit.
        use: "both" moments, the "mean" alone, with a standard deviation of 1, or the "std" alone, about 0.

    Raises:
        ValueError: if an argument is out of range.

    Example:
        >>> import torch
        >>> from priordiff.models import TextEncoder
        >>> encoder = TextEncoder(num_symbols=5, channels=8, layers=1, filter_channels=16)
        >>> encoded = encoder(torch.tensor([[1, 2]]), durations=torch.tensor([[3, 4]]))
        >>> estimator = PhonemeEstimator(num_symbols=5).fit([(encoded, torch.randn(1, 80, 7))])
        >>> estimator(encoded).std.shape
        torch.Size([1, 80, 7])
    """

    @register_to_config
    def __init__(
        self,
        num_symbols: int,
        n_mels: int = 80,
        floor: float = 0.1,
        ceiling: float | None = None,
        use: Literal["both", "mean", "std"] = "both",
    ) -> None:
        super().__init__()
        if use not in ("both", "mean", "std"):
            raise ValueError(f"use={use!r}, expected 'both', 'mean' or 'std'")
        if ceiling is not None and not ceiling >= floor:
            raise ValueError(f"ceiling={ceiling} must be at least floor={floor}")
        self.moments = ClassMomentsEstimator(num_symbols + 1, (n_mels,), floor)

    def forward(self, encoded: EncodedText) -> DiagonalPrior:
        """Encoded text to the prior of its frames (batch, n_mels, frames).

        Raises:
            ValueError: if it has not been fitted.
        """
        prior, config = self.moments(encoded.symbols, encoded.mask), self.config
        std = prior.std
        if config.ceiling is not None:
            std = std.clamp(max=config.ceiling).masked_fill(~encoded.mask[:, None], 1.0)
        return DiagonalPrior(prior.mean if config.use != "std" else 0.0, std if config.use != "mean" else 1.0)

    def new_statistics(self) -> Any:
        return self.moments.new_statistics()

    def observe(self, statistics: Any, encoded: EncodedText, mel: Tensor) -> None:
        """Adds mel frames (batch, n_mels, frames) of encoded text."""
        self.moments.observe(statistics, encoded.symbols, mel, encoded.mask)

    def conclude(self, statistics: Any) -> None:
        self.moments.conclude(statistics)


class EncodedTextEstimator(PriorEstimator):
    r"""Encoded text to a `DiagonalPrior` that is linear in the encoder's output: a learned prior.

    $\mu = W c$, and $\sigma = 1$, which is Grad-TTS's form, $N(\mu(\text{text}), I)$ (Popov et al., ICML
    2021), or $\sigma = \text{floor} + \operatorname{softplus}(V c)$. Train it, and the encoder through it,
    with [`prior_nll`][priordiff.estimators.prior_nll].

    Args:
        condition_channels: width of the encoder.
        n_mels: number of mel bands.
        learn_std: whether σ is learned.
        floor: smallest standard deviation that can be learned.

    Raises:
        ValueError: if the floor is not positive.

    Example:
        >>> import torch
        >>> from priordiff.models import TextEncoder
        >>> encoder = TextEncoder(num_symbols=5, channels=8, layers=1, filter_channels=16)
        >>> encoded = encoder(torch.tensor([[1, 2]]), durations=torch.tensor([[3, 4]]))
        >>> EncodedTextEstimator(condition_channels=8)(encoded).mean.shape
        torch.Size([1, 80, 7])
    """

    @register_to_config
    def __init__(
        self, condition_channels: int = 256, n_mels: int = 80, learn_std: bool = False, floor: float = 0.1
    ) -> None:
        super().__init__()
        if not floor > 0:
            raise ValueError(f"floor={floor} must be positive")
        self.mean = nn.Conv1d(condition_channels, n_mels, 1)
        self.std = nn.Conv1d(condition_channels, n_mels, 1) if learn_std else None

    def forward(self, encoded: EncodedText) -> DiagonalPrior:
        """Encoded text to the prior of its frames (batch, n_mels, frames)."""
        padding = ~encoded.mask[:, None]
        mean = self.mean(encoded.condition).masked_fill(padding, 0.0)
        if self.std is None:
            return DiagonalPrior(mean, 1.0)
        std = self.config.floor + F.softplus(self.std(encoded.condition))
        return DiagonalPrior(mean, std.masked_fill(padding, 1.0))
