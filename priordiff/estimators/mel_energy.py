"""The paper's vocoder prior: white noise as loud as each mel frame."""

from __future__ import annotations

import torch
from diffusers.configuration_utils import register_to_config
from torch import Tensor

from priordiff.estimators.arguments import check_positive
from priordiff.estimators.base import PriorEstimator
from priordiff.estimators.statistics import Minimum
from priordiff.priors import DiagonalPrior
from priordiff.value_checks import values_are_checked

__all__ = ["MelEnergyEstimator"]


class MelEnergyEstimator(PriorEstimator):
    r"""Log-mel frames to a `DiagonalPrior` whose std follows the frame energy.

    The vocoder prior of PriorGrad (Lee et al., ICLR 2022, section 4.1). The energy of a frame is $e =
    \sqrt{\sum_b \exp(\text{log-mel}_b)}$. With $e_{min}$ the smallest energy of the training set and
    $e_{max}$ the ceiling, each sample of the frame has the standard deviation
    $\max[(\min(e, e_{max}) - e_{min}) / (e_{max} - e_{min}),\ \text{floor}]$ and mean 0.

    Args:
        hop_length: samples per mel frame.
        ceiling: energy above which the standard deviation stays 1.
        floor: smallest standard deviation.

    Raises:
        ValueError: if ceiling or floor is not positive.

    Example:
        >>> estimator = MelEnergyEstimator(hop_length=256).fit([torch.randn(4, 80, 20) - 5])
        >>> estimator(torch.zeros(1, 80, 10)).std.shape
        torch.Size([1, 1, 2560])
    """

    energy_min: Tensor

    margin_frames = 0  # on either side that decide on the prior of one

    @register_to_config
    def __init__(self, hop_length: int = 256, ceiling: float = 4.0, floor: float = 0.1) -> None:
        super().__init__()
        check_positive(hop_length=hop_length, ceiling=ceiling, floor=floor)
        self.register_buffer("energy_min", torch.tensor(float("nan")))

    def forward(self, log_mel: Tensor) -> DiagonalPrior:
        """Log-mel frames (batch, n_mels, frames) to the prior of waveforms (batch, 1, frames · hop)."""
        std = self.frame_std(log_mel).repeat_interleave(self.config.hop_length, dim=1)
        return DiagonalPrior(torch.zeros((), device=std.device, dtype=std.dtype), std[:, None])

    def frame_std(self, log_mel: Tensor) -> Tensor:
        """The standard deviation of each frame (batch, frames), which a model can take as a condition."""
        if values_are_checked() and self.energy_min.isnan():
            raise ValueError(
                "this MelEnergyEstimator has not been fitted: call fit(batches of log-mel) or load one"
            )
        span = self.config.ceiling - self.energy_min
        return ((self._energy(log_mel) - self.energy_min) / span).clamp(min=self.config.floor)

    def new_statistics(self) -> Minimum:
        return Minimum()

    def observe(self, statistics: Minimum, log_mel: Tensor, waveform: Tensor | None = None) -> None:
        """Adds log-mel frames (batch, n_mels, frames); the waveform is not needed."""
        statistics.update(self._energy(log_mel.cpu().double()))

    def conclude(self, statistics: Minimum) -> None:
        if statistics.value == float("inf"):
            raise ValueError("there is no data to fit: the stream of batches was empty")
        if not statistics.value < self.config.ceiling:
            raise ValueError(
                f"the smallest frame energy is {statistics.value:g}, expected a value below ceiling="
                f"{self.config.ceiling}: are these log-mel frames of natural loudness?"
            )
        self.energy_min.fill_(statistics.value)

    def _energy(self, log_mel: Tensor) -> Tensor:
        if log_mel.dim() != 3:
            raise ValueError(f"log_mel has shape {tuple(log_mel.shape)}, expected (batch, n_mels, frames)")
        return log_mel.exp().sum(dim=1).sqrt().clamp(max=self.config.ceiling)
