"""An acoustic model as the training loop sees it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from torch import Tensor, nn

from acoustic.configuration import AcousticConfig
from acoustic.corpus import SpokenCorpus
from acoustic.data import NoisyUtteranceItem, collate_utterances
from acoustic.judging import speak
from acoustic.model import AcousticModel
from acoustic.starting import start_from
from priordiff import PhonemeEstimator, TextToSpeechPipeline
from priordiff.audio.metrics import average_scores, warped_distances
from priordiff.models.frames import log_mel_of_standardized
from priordiff.models.length_regulator import to_frames
from priordiff.training import Evaluation

__all__ = ["AcousticTask"]


class AcousticTask:
    """An acoustic model of one of `KINDS`, on the training recordings.

    Args:
        config: of the run.
        corpus: recordings with alignments, to learn from and held out.
    """

    def __init__(self, config: AcousticConfig, corpus: SpokenCorpus) -> None:
        self.config, self.corpus = config, corpus
        self.dataset = corpus.training
        torch.manual_seed(config.training.seed)
        self.model = AcousticModel(config, len(corpus.table), len(corpus.speakers))
        if isinstance(self.model.estimator, PhonemeEstimator):
            state = PartialState()
            self.model.estimator.moments.fit(
                (to_frames(item["symbols"][None], item["durations"][None]), item["mel"][None])
                for item in self.dataset.items[state.process_index :: state.num_processes]
            )
        if config.initial is not None:
            present = {int(symbol) for item in self.dataset.items for symbol in item["symbols"]}
            start_from(self.model, config.initial, corpus.table.symbols, corpus.speakers, present)

    def collate(self, items: list[NoisyUtteranceItem]) -> dict[str, Any]:
        return collate_utterances(items)

    def loss_counts(self, batch: dict[str, Tensor]) -> dict[str, int]:
        phonemes = int((batch["symbols"] > 0).sum())
        frames = (batch["durations"].sum(dim=1) - batch["start"]).clamp(max=self.config.crop_frames)
        elements = int(frames.sum()) * self.config.mel.n_mels
        counts = {"duration": phonemes, "pitch": phonemes, "energy": phonemes}
        if self.model.kind.learns_prior:
            counts["prior"] = elements
        return {**counts, "mel": elements}

    def loss_sums(
        self, model: nn.Module, batch: dict[str, Tensor], generators: Sequence[torch.Generator]
    ) -> dict[str, Tensor]:
        return model(batch)

    def evaluate(self, step: int) -> Evaluation:
        pipeline = self.pipeline()
        validation = self.corpus.validation
        items = validation.items[: self.config.evaluation.curve_utterances]
        mels = [speak(pipeline, validation.phonemes(item), item).mel for item in items]
        targets = [log_mel_of_standardized(item["mel"]) for item in items]
        return Evaluation(average_scores(map(warped_distances, mels, targets)))

    def names(self, batch: dict[str, Tensor]) -> list[str]:
        recordings = self.dataset.corpus.audio.recordings
        return [recordings[index].name for index in batch["index"].tolist()]

    def save(self, directory: Path) -> None:
        self.pipeline().save_pretrained(directory)

    def pipeline(self) -> TextToSpeechPipeline:
        """Text to mel frames, with the weights of this moment."""
        model, evaluation = self.model, self.config.evaluation
        speakers = self.corpus.speakers
        pipeline = TextToSpeechPipeline(
            model.encoder,
            model.decoder,
            model.scheduler,
            model.estimator,
            symbols=self.corpus.table.symbols,
            speakers=speakers if len(speakers) > 1 else None,
            pitch_std=self.dataset.prosody.pitch_std,
            mel=asdict(self.config.mel),
            num_inference_steps=evaluation.num_inference_steps,
            solver=evaluation.solver if model.scheduler is not None else None,
        )
        pipeline.set_progress_bar_config(disable=True)
        return pipeline
