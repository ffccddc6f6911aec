"""One batch of waveforms of one length, as a vocoder samples it from log-mel frames."""

from __future__ import annotations

from itertools import chain
from typing import Any

from torch import Tensor

__all__ = ["Vocoding", "prior_condition"]


def prior_condition(model: Any) -> str:
    """How a network is told of the prior's standard deviation, in the terms of `DiffWave`."""
    return getattr(model.config, "prior_condition", "none")


class Vocoding:
    """The sampling of a batch of waveforms of one length.

    Args:
        model: the denoiser.
        scheduler: with its timesteps; it has the batch's prior from now on.
        estimator: log-mel frames to prior; None for N(0, I).
        log_mel: frames (batch, n_mels, frames).
    """

    def __init__(self, model: Any, scheduler: Any, estimator: Any, log_mel: Tensor) -> None:
        self._model, self._scheduler = model, scheduler
        self._condition = {"log_mel": log_mel.to(model.dtype)}
        self.shape = (len(log_mel), 1, log_mel.shape[-1] * model.config.hop_length)
        if estimator is not None:
            tensors = chain(estimator.parameters(), estimator.buffers())
            conditioning = log_mel.to(next((tensor.dtype for tensor in tensors), log_mel.dtype))
            scheduler.set_prior(estimator(conditioning).to(log_mel.dtype))
            if prior_condition(model) != "none":
                self._condition["prior_std"] = estimator.frame_std(conditioning).to(model.dtype)

    def begin(self, white_noise: Tensor) -> Tensor:
        """The first state x_T (batch, 1, samples)."""
        return white_noise * self._scheduler.init_noise_sigma

    def advance(self, x: Tensor, timestep: Tensor, **noise: Any) -> Tensor:
        """The next state.

        Args:
            x: the state at the timestep.
            timestep: one of the scheduler's.
            **noise: source of the step's noise, or the noise, as `scheduler.step` takes it.
        """
        model_input = self._scheduler.scale_model_input(x, timestep).to(self._model.dtype)
        model_output = self._model(model_input, timestep, **self._condition).to(x.dtype)
        return self._scheduler.step(model_output, timestep, x, **noise).prev_sample
