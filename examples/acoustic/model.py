"""An acoustic model of any kind, and what it loses on a batch."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import torch
from einops import rearrange
from torch import Tensor, nn

from acoustic.configuration import AcousticConfig
from acoustic.kinds import KINDS
from priordiff import (
    EncodedTextEstimator,
    MelConvNeXt,
    MelDiffWave,
    MelTransformer,
    PhonemeEstimator,
    PriorEstimator,
    PriorGradScheduler,
    TextEncoder,
    prior_loss,
)
from priordiff.estimators import prior_nll
from priordiff.models import EncodedText
from priordiff.pipelines.mel_sampling import told_of_prior

__all__ = ["AcousticModel", "cut"]


class AcousticModel(nn.Module):
    """Text encoder, prior and decoder, trained together.

    Args:
        config: of the run.
        num_symbols: of the corpus.
        num_speakers: likewise.
    """

    def __init__(self, config: AcousticConfig, num_symbols: int, num_speakers: int) -> None:
        super().__init__()
        self.kind = KINDS[config.kind]
        self.encoder = TextEncoder(num_symbols, num_speakers, **asdict(config.encoder))
        self.estimator = self._make_estimator(config, num_symbols)
        self.decoder = self._make_decoder(config)
        space = self.kind.model_space or config.prior.model_space
        self.scheduler = (
            PriorGradScheduler(**asdict(config.scheduler), model_space=space)
            if self.kind.is_diffusion
            else None
        )

    def _make_estimator(self, config: AcousticConfig, num_symbols: int) -> PriorEstimator | None:
        n_mels, floor = config.mel.n_mels, config.prior.floor
        if self.kind.prior == "phonemes":
            prior = config.prior
            return PhonemeEstimator(num_symbols, n_mels, floor, prior.ceiling, prior.use)
        if self.kind.learns_prior:
            learns_std = self.kind.prior == "learned"
            return EncodedTextEstimator(config.encoder.channels, n_mels, learns_std, floor)
        return None

    def _make_decoder(self, config: AcousticConfig) -> MelTransformer | MelDiffWave | MelConvNeXt:
        sizes = config.mel.n_mels, config.encoder.channels
        if not self.kind.is_diffusion:
            return MelTransformer(*sizes, **asdict(config.transformer))
        condition = "channels" if config.prior.condition and self.kind.has_prior else "none"
        if config.network == "diffwave":
            return MelDiffWave(*sizes, **asdict(config.decoder), prior_condition=condition)
        return MelConvNeXt(*sizes, **asdict(config.convnext), prior_condition=condition)

    def forward(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """The losses, each summed over its elements.

        Args:
            batch: of `collate_utterances`.
        """
        encoded = self.encoder(
            batch["symbols"],
            batch["speaker"] if self.encoder.speakers is not None else None,
            durations=batch["durations"],
            pitch=batch["pitch"],
            energy=batch["energy"],
            num_frames=batch["num_frames"],
        )
        is_phoneme = batch["symbols"] > 0
        log_durations = torch.log1p(batch["durations"].float())
        losses = {
            name: ((predicted.float() - target).square() * is_phoneme).sum()
            for name, predicted, target in (
                ("duration", encoded.log_durations, log_durations),
                ("pitch", encoded.pitch, batch["pitch"]),
                ("energy", encoded.energy, batch["energy"]),
            )
        }
        window = cut(encoded, batch["start"], batch["mel"].shape[-1])
        if self.scheduler is None:
            prediction = self.decoder(window.condition, window.mask, batch["start"]).float()
            error = (prediction - batch["mel"]).abs() * window.mask[:, None]
            return {**losses, "mel": error.sum()}
        return {**losses, **self._denoise(window, batch)}

    def _denoise(self, encoded: EncodedText, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        mel, noise, timesteps = batch["mel"], batch["noise"], batch["timestep"]
        mask, losses = encoded.mask[:, None], {}
        prior = None if self.estimator is None else self.estimator(encoded)
        if self.kind.learns_prior and prior is not None:
            losses["prior"] = prior_nll(prior, mel, mask) * mask.sum() * mel.shape[1]
            prior = prior.detach()
        assert self.scheduler is not None
        self.scheduler.set_prior(prior)
        noisy, target = self.scheduler.training_pair(mel, noise, timesteps)
        told = told_of_prior(self.decoder, prior, mel.shape, mel.dtype)
        prediction = self.decoder(noisy, timesteps, encoded.condition, mask=encoded.mask, **told).float()
        weighting = None if self.scheduler.config.model_space == "white" else prior
        losses["mel"] = prior_loss(prediction, target, weighting, mask=mask, reduction="sum")
        return losses


def cut(encoded: EncodedText, start: Tensor, frames: int) -> EncodedText:
    """A window of so many frames from each item, from where it starts on; padded where an item ends before.

    Args:
        encoded: of whole utterances.
        start: of each window, int64 (batch,).
        frames: of the windows.
    """
    positions = start[:, None] + torch.arange(frames, device=start.device)
    longest = encoded.mask.shape[1]
    inside = positions < longest
    positions = positions.clamp(max=longest - 1)
    mask = encoded.mask.gather(1, positions) & inside
    condition = encoded.condition.gather(
        2, rearrange(positions, "b f -> b 1 f").expand(-1, encoded.condition.shape[1], -1)
    )
    return replace(
        encoded,
        condition=condition * mask[:, None],
        mask=mask,
        symbols=encoded.symbols.gather(1, positions) * mask,
    )
