"""The vocoder as the training loop sees it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import fmean

import numpy as np
import torch
from accelerate import PartialState
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import default_collate

from priordiff import (
    GaussianPrior,
    LappedPrior,
    LearnedMelSpectrumEstimator,
    PriorEstimator,
    VocoderPipeline,
    prior_loss,
)
from priordiff.audio import AudioCorpus, LogMelSpectrogram
from priordiff.audio.metrics import log_mel_mae, multi_resolution_stft
from priordiff.report import spectrogram_png
from priordiff.training import Evaluation
from vocoder.configuration import VocoderConfig
from vocoder.data import (
    MARGIN_FRAMES,
    NoisyCrop,
    NoisyCropDataset,
    Recordings,
    with_frames,
    without_surroundings,
)
from vocoder.kept import KeptFrames
from vocoder.parts import make_parts, make_pipeline
from vocoder.targets import evaluation_targets, synthesize

__all__ = ["VocoderTask"]


class VocoderTask:
    """A denoiser under one of `PRIORS`, on crops of the training recordings.

    Args:
        config: of the run.
        training: recordings to learn from.
        validation: recordings to be judged on.
        estimator: of the prior, where it has been learned; others are fitted here.
        kept: folder for what a learned estimator finds in the recordings, if the configuration keeps that.
    """

    def __init__(
        self,
        config: VocoderConfig,
        training: Recordings,
        validation: Recordings,
        estimator: LearnedMelSpectrumEstimator | None = None,
        kept: Path | None = None,
    ) -> None:
        self.config = config
        self.log_mel = LogMelSpectrogram(**asdict(config.mel))
        self.log_mel_of_crops = LogMelSpectrogram(**asdict(config.mel))  # where the model is
        self.dataset = NoisyCropDataset(
            training, self.log_mel, config.corpus.crop_frames, config.scheduler.num_train_timesteps
        )
        torch.manual_seed(config.training.seed)
        self.model, self.scheduler, unfitted = make_parts(config)
        self.estimator: PriorEstimator | None = estimator
        if estimator is None and unfitted is not None:
            process = PartialState()
            shares = process.process_index, process.num_processes
            self.estimator = unfitted.fit(self.dataset.whole_recordings(*shares))
        elif estimator and kept and config.estimator.keep_priors and isinstance(training, AudioCorpus):
            whole = self.dataset.whole_recording
            self.dataset.kept = KeptFrames(training, whole, config.mel, estimator, kept)
        self.targets = evaluation_targets(config, validation)[: config.evaluation.curve_utterances]

    def collate(self, items: list[NoisyCrop]) -> dict[str, Tensor]:
        return default_collate(items)

    def loss_counts(self, batch: dict[str, Tensor]) -> dict[str, int]:
        return {"diffusion": len(batch["noise"]) * self.config.corpus.crop_frames * self.log_mel.hop_length}

    def loss_sums(
        self, model: nn.Module, batch: dict[str, Tensor], generators: Sequence[torch.Generator]
    ) -> dict[str, Tensor]:
        (waveform, log_mel, prior), timesteps = self._seen(batch), batch["timestep"]
        self.scheduler.set_prior(prior)
        noisy, target = self.scheduler.training_pair(waveform, batch["noise"], timesteps)

        margin = MARGIN_FRAMES * self.log_mel.hop_length
        noisy, target = noisy[..., margin:-margin], target[..., margin:-margin]
        log_mel = log_mel[..., MARGIN_FRAMES:-MARGIN_FRAMES]
        condition = {"log_mel": log_mel}
        if self.estimator and getattr(self.model.config, "prior_condition", "none") != "none":
            condition["prior_std"] = self.estimator.frame_std(log_mel)
        prediction = model(noisy, timesteps, **condition).float()
        return {"diffusion": prior_loss(prediction, target, self._weighting(prior, log_mel), reduction="sum")}

    def evaluate(self, step: int) -> Evaluation:
        pipeline = self.pipeline()
        scores: dict[str, list[float]] = {"log_mel_mae": [], "mr_stft": []}
        audio: dict[str, Tensor] = {}
        images: dict[str, np.ndarray] = {}
        sample_rate = self.config.mel.sample_rate
        for index, target in enumerate(self.targets):
            prediction = synthesize(pipeline, target, seed=index, num_consistency_steps=0)
            scores["log_mel_mae"].append(log_mel_mae(prediction, target, sample_rate, self.log_mel))
            scores["mr_stft"].append(multi_resolution_stft(prediction, target, sample_rate))
            if index < self.config.evaluation.report_utterances:
                audio[f"utterance {index}"] = prediction
                picture = Image.open(io.BytesIO(spectrogram_png(self.log_mel(prediction[None])[0])))
                images[f"utterance {index}"] = np.asarray(picture.convert("RGB"))
        metrics = {name: fmean(values) for name, values in scores.items()}
        return Evaluation(metrics, audio, sample_rate, images)

    def names(self, batch: dict[str, Tensor]) -> list[str]:
        return [self.dataset.corpus.recordings[index].name for index in batch["index"].tolist()]

    def save(self, directory: Path) -> None:
        self.pipeline().save_pretrained(directory)

    def pipeline(self) -> VocoderPipeline:
        """The vocoder with the weights of this moment."""
        return make_pipeline(self.config, self.model, self.scheduler, self.estimator)

    def _weighting(self, prior: GaussianPrior | None, log_mel: Tensor) -> GaussianPrior | None:
        """The covariance that weights the loss; in white space that of the prior is there already.

        Args:
            prior: of a crop with its margins.
            log_mel: of the crop without them.
        """
        if self.scheduler.model_space != "white":
            return self._prior(log_mel)
        exponent = self.config.loudness_exponent
        if not exponent or not isinstance(prior, LappedPrior):
            return None
        weight = prior.std[..., MARGIN_FRAMES:-MARGIN_FRAMES, :] ** exponent
        mean_square = weight.square().mean(dim=(1, 2, 3), keepdim=True)
        return LappedPrior(0.0, mean_square.sqrt() / weight, prior.hop_length)

    def _seen(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor, GaussianPrior | None]:
        """Crops with their margins, their log-mel frames and their prior, found now or cropped as well."""
        if "prior_std" in batch:
            waveform = without_surroundings(batch["surrounded"], self.log_mel)
            return waveform, batch["log_mel"], LappedPrior(0.0, batch["prior_std"], self.log_mel.hop_length)
        waveform, log_mel = with_frames(batch["surrounded"], self.log_mel_of_crops)
        return waveform, log_mel, self._prior(log_mel)

    def _prior(self, log_mel: Tensor) -> GaussianPrior | None:
        if self.estimator is None:
            return None
        with torch.no_grad():  # what was learned before is not learned on
            return self.estimator.to(log_mel.device)(log_mel)
