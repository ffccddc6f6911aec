"""A prior that is learned by its likelihood, as the training loop sees it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.data import default_collate

from priordiff import PriorEstimator
from priordiff.audio import LogMelSpectrogram
from priordiff.estimators import prior_nll
from priordiff.training import Evaluation
from vocoder.configuration import VocoderConfig
from vocoder.data import Crop, CropDataset, Recordings, with_frames
from vocoder.priors import PRIORS
from vocoder.targets import evaluation_targets, prior_of

__all__ = ["PriorTask", "held_out_nll"]


class PriorTask:
    """The estimator of a run's prior, on crops of the training recordings.

    Args:
        config: of the run.
        training: recordings to learn from.
        validation: recordings to be judged on.

    Raises:
        ValueError: if the prior has nothing to train.
    """

    def __init__(self, config: VocoderConfig, training: Recordings, validation: Recordings) -> None:
        self.log_mel = LogMelSpectrogram(**asdict(config.mel))
        self.log_mel_of_crops = LogMelSpectrogram(**asdict(config.mel))  # where the estimator is
        self.dataset = CropDataset(training, self.log_mel, config.corpus.crop_frames)
        torch.manual_seed(config.estimator.training.seed)
        estimator = PRIORS[config.prior].make_estimator(config)
        if estimator is None or not any(each.requires_grad for each in estimator.parameters()):
            raise ValueError(f"the prior {config.prior!r} has nothing to train")
        self.model: PriorEstimator = estimator
        self.targets = evaluation_targets(config, validation)

    def collate(self, items: list[Crop]) -> dict[str, Tensor]:
        return default_collate(items)

    def loss_counts(self, batch: dict[str, Tensor]) -> dict[str, int]:
        return {"nll": len(batch["surrounded"]) * self.dataset.frames * self.log_mel.hop_length}

    def loss_sums(
        self, model: nn.Module, batch: dict[str, Tensor], generators: Sequence[torch.Generator]
    ) -> dict[str, Tensor]:
        waveform, log_mel = with_frames(batch["surrounded"], self.log_mel_of_crops)
        return {"nll": prior_nll(model(log_mel), waveform) * waveform.numel()}

    def evaluate(self, step: int) -> Evaluation:
        return Evaluation({"nll": held_out_nll(self.model, self.targets, self.log_mel)})

    def names(self, batch: dict[str, Tensor]) -> list[str]:
        return [self.dataset.corpus.recordings[index].name for index in batch["index"].tolist()]

    def save(self, directory: Path) -> None:
        self.model.save_pretrained(directory)


@torch.no_grad()
def held_out_nll(
    estimator: PriorEstimator | None, targets: Sequence[Tensor], log_mel: LogMelSpectrogram
) -> float:
    """How badly an estimator's priors, or N(0, I), describe waveforms (N,), in nats per sample."""
    nats = 0.0
    for target in targets:
        prior = prior_of(estimator, log_mel(target[None]))
        nats += float(prior_nll(prior, target[None, None].to(prior.mean.device))) * len(target)
    return nats / sum(map(len, targets))
