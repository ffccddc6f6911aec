"""Judges the acoustic model of a run on the held-out recordings, and the prior from which it starts."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from torch import Tensor

from acoustic.configuration import AcousticConfig
from acoustic.data import AcousticDataset, UtteranceItem
from priordiff import TextToSpeechPipeline
from priordiff.audio.metrics import average_scores, warped_distances
from priordiff.experiments import EVALUATION, write_scores
from priordiff.files import atomic_path
from priordiff.models.frames import log_mel_of_standardized

__all__ = ["PRIOR_SCORES", "Spoken", "evaluate_run", "prior_alone", "scores_at", "speak", "spoken_mels"]

# What `priordiff.experiments.read_scores` finds it under.
PRIOR_SCORES = "prior"


def scores_at(num_inference_steps: int) -> str:
    """The name of the scores of so many evaluations."""
    return f"scores-{num_inference_steps}"


@dataclass(frozen=True)
class Spoken:
    """A sentence that a model has spoken: log-mel frames (n_mels, frames), and how long each phoneme is."""

    mel: Tensor
    durations: Tensor


def speak(
    pipeline: TextToSpeechPipeline, symbols: Sequence[str], item: UtteranceItem, steps: int | None = None
) -> Spoken:
    """What a model makes of the phonemes of a held-out recording, with the noise of its index."""
    options: dict[str, Any] = {"speaker": item["speaker"], "seed": item["index"]}
    output: Any = pipeline(phonemes=symbols, num_inference_steps=steps, **options)
    durations = torch.tensor([duration for _, duration in output.phonemes[0]])
    return Spoken(output.mels[0].cpu(), durations)


@torch.no_grad()
def prior_alone(pipeline: TextToSpeechPipeline, item: UtteranceItem) -> dict[str, Tensor]:
    """Log-mel frames (n_mels, frames) of the prior over the recording's own durations: mean, and a sample."""
    device = pipeline.encoder.device
    many = pipeline.encoder.config.num_speakers > 1
    encoded = pipeline.encoder(
        item["symbols"][None].to(device),
        torch.tensor([item["speaker"]], device=device) if many else None,
        durations=item["durations"][None].to(device),
    )
    prior = pipeline.estimator(encoded)
    shape = (1, pipeline.decoder.config.n_mels, encoded.mask.shape[1])
    generator = torch.Generator().manual_seed(item["index"])
    frames = {"mean": torch.as_tensor(prior.mean).expand(shape), "sample": prior.sample(shape, generator)}
    return {name: log_mel_of_standardized(value)[0].cpu() for name, value in frames.items()}


def evaluate_run(directory: Path, config: AcousticConfig, validation: AcousticDataset) -> dict[str, float]:
    """Scores of a run's exported model, stored in its folder `evaluation/` with the frames of the report.

    For each number of evaluations: `log_mel_mae` in nats and `mcd` in dB after dynamic time warping,
    `duration_error`, the mean error of a phoneme in milliseconds, `real_time_factor` and `parameters`. Where
    there is a prior, a sample of it gets the first two.

    Args:
        directory: of the run.
        config: of the run.
        validation: held-out recordings.
    """
    pipeline = TextToSpeechPipeline.from_pretrained(directory / "model").to(PartialState().device)
    pipeline.set_progress_bar_config(disable=True)
    evaluation, mel = config.evaluation, config.mel
    items = validation.items[: evaluation.final_utterances]
    targets = [log_mel_of_standardized(item["mel"]) for item in items]
    frame = mel.hop_length / mel.sample_rate
    result: dict[str, float] = {}
    main = evaluation.num_inference_steps
    more = evaluation.more_inference_steps if pipeline.scheduler is not None else []
    for steps in (*sorted({*more} - {main}), main):  # the main one is what is returned and shown
        started = time.perf_counter()
        spoken = [speak(pipeline, validation.phonemes(item), item, steps) for item in items]
        computing = time.perf_counter() - started
        result = _warped([each.mel for each in spoken], targets)
        errors = [
            (each.durations - item["durations"]).abs().float().mean()
            for each, item in zip(spoken, items, strict=True)
        ]
        result["duration_error"] = float(torch.stack(errors).mean()) * frame * 1000
        result["real_time_factor"] = computing / (sum(each.mel.shape[1] for each in spoken) * frame)
        parts = (pipeline.encoder, pipeline.decoder)
        result["parameters"] = sum(p.numel() for part in parts for p in part.parameters())
        write_scores(directory, scores_at(steps), result)
    shown = spoken[: evaluation.report_utterances]
    with atomic_path(directory / EVALUATION / "mels.pt") as file:
        torch.save([each.mel for each in shown], file)
    if pipeline.estimator is not None:
        samples = [prior_alone(pipeline, item)["sample"] for item in items]
        write_scores(directory, PRIOR_SCORES, _warped(samples, targets))
    return result


def spoken_mels(directory: Path) -> list[Tensor]:
    """The frames (n_mels, frames) of the report's recordings that `evaluate_run` has stored."""
    return torch.load(directory / EVALUATION / "mels.pt", weights_only=True)


def _warped(frames: Sequence[Tensor], targets: Sequence[Tensor]) -> dict[str, float]:
    pairs = zip(frames, targets, strict=True)
    return average_scores(warped_distances(prediction, target) for prediction, target in pairs)
