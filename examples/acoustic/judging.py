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
from acoustic.data import UtteranceItem
from acoustic.listening import Listener
from priordiff import TextToSpeechPipeline
from priordiff.audio import write_audio
from priordiff.experiments import EVALUATION, write_scores
from priordiff.files import atomic_path
from priordiff.models.frames import log_mel_of_standardized

__all__ = [
    "NOISE_SCORES",
    "RECORDING_SCORES",
    "Spoken",
    "evaluate_run",
    "prior_alone",
    "scores_at",
    "speak",
    "spoken_mels",
    "spoken_wav",
]

# What `priordiff.experiments.read_scores` finds them under.
NOISE_SCORES = "noise"
RECORDING_SCORES = "recordings"


def scores_at(num_inference_steps: int) -> str:
    """The name of the scores of so many evaluations."""
    return f"scores-{num_inference_steps}"


@dataclass(frozen=True)
class Spoken:
    """A sentence that a model has spoken: log-mel frames (n_mels, frames), and how long each phoneme is."""

    mel: Tensor
    durations: Tensor


def speak(
    pipeline: TextToSpeechPipeline,
    symbols: Sequence[str],
    item: UtteranceItem,
    steps: int | None = None,
    solver: str | None = None,
) -> Spoken:
    """What a model makes of the phonemes of a held-out recording, with the noise of its index."""
    options: dict[str, Any] = {"speaker": item["speaker"], "seed": item["index"]}
    output: Any = pipeline(phonemes=symbols, num_inference_steps=steps, solver=solver, **options)
    durations = torch.tensor([duration for _, duration in output.phonemes[0]])
    return Spoken(output.mels[0].cpu(), durations)


@torch.no_grad()
def prior_alone(pipeline: TextToSpeechPipeline, item: UtteranceItem) -> dict[str, Tensor]:
    """The prior of a recording's phonemes over their own durations: frames (n_mels, frames).

    Returns:
        The log-mel frames of its `mean` and of a `sample`, and its `std`, in nats.
    """
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
    mean, std = (torch.as_tensor(moment).expand(shape) for moment in (prior.mean, prior.std))
    frames = {
        "mean": log_mel_of_standardized(mean),
        "sample": log_mel_of_standardized(prior.sample(shape, generator)),
        "std": log_mel_of_standardized(std) - log_mel_of_standardized(torch.zeros(())),  # no offset
    }
    return {name: value[0].cpu() for name, value in frames.items()}


def evaluate_run(directory: Path, config: AcousticConfig, listener: Listener) -> dict[str, float]:
    """Scores of a run's exported model, stored in its folder `evaluation/` with what the report shows.

    For each number of evaluations the measures of `Listener.scores`, `duration_error`, the mean error of a
    phoneme in milliseconds, `real_time_factor`, without the vocoder, and `parameters`. Where there is a
    prior, a sample of it over the recordings' own durations gets the measures, and so do the recordings,
    through the vocoder.

    Args:
        directory: of the run.
        config: of the run.
        listener: to the held-out recordings.

    Returns:
        The scores in as many evaluations as the configuration says.
    """
    pipeline = TextToSpeechPipeline.from_pretrained(directory / "model").to(PartialState().device)
    pipeline.set_progress_bar_config(disable=True)
    evaluation, main = config.evaluation, config.evaluation.num_inference_steps
    if pipeline.scheduler is not None:
        for steps in sorted({*evaluation.more_inference_steps} - {main}):
            write_scores(directory, scores_at(steps), _judge(pipeline, config, listener, steps)[0])
    scores, mels, sounds = _judge(pipeline, config, listener, main)
    write_scores(directory, scores_at(main), scores)
    _store(directory, mels[: evaluation.report_utterances], sounds, config.mel.sample_rate)
    write_scores(directory, RECORDING_SCORES, listener.scores_of_recordings)
    if pipeline.estimator is not None:
        noises = [prior_alone(pipeline, item)["sample"] for item in listener.items]
        write_scores(directory, NOISE_SCORES, listener.scores(noises, listener.sounds(noises)))
    return scores


def _judge(
    pipeline: TextToSpeechPipeline, config: AcousticConfig, listener: Listener, steps: int
) -> tuple[dict[str, float], list[Tensor], list[Tensor]]:
    """Scores of what a model says in so many evaluations, its mel frames and their sounds."""
    # By this solver, even if other schedules have been searched for.
    solver = config.evaluation.solver if pipeline.scheduler is not None else None
    pairs = list(zip(listener.phonemes, listener.items, strict=True))
    started = time.perf_counter()
    spoken = [speak(pipeline, symbols, item, steps, solver) for symbols, item in pairs]
    computing = time.perf_counter() - started
    mels = [each.mel for each in spoken]
    sounds = listener.sounds(mels)
    errors = [
        (each.durations - item["durations"]).abs().float().mean()
        for each, item in zip(spoken, listener.items, strict=True)
    ]
    frame = config.mel.hop_length / config.mel.sample_rate
    parts = (pipeline.encoder, pipeline.decoder)
    costs = {
        "duration_error": float(torch.stack(errors).mean()) * frame * 1000,
        "real_time_factor": computing / (sum(mel.shape[1] for mel in mels) * frame),
        "parameters": sum(parameter.numel() for part in parts for parameter in part.parameters()),
    }
    return {**listener.scores(mels, sounds), **costs}, mels, sounds


def _store(directory: Path, mels: list[Tensor], sounds: Sequence[Tensor], sample_rate: int) -> None:
    """What the report shows and plays: the frames, and their sounds where there is a vocoder."""
    with atomic_path(directory / EVALUATION / "mels.pt") as file:
        torch.save(mels, file)
    for index, sound in enumerate(sounds[: len(mels)]):
        write_audio(_wav(directory, index), sound, sample_rate)


def spoken_mels(directory: Path) -> list[Tensor]:
    """The frames (n_mels, frames) of the report's recordings that `evaluate_run` has stored."""
    return torch.load(directory / EVALUATION / "mels.pt", weights_only=True)


def spoken_wav(directory: Path, index: int) -> bytes | None:
    """The sound of one of them; None where there is no vocoder."""
    file = _wav(directory, index)
    return file.read_bytes() if file.exists() else None


def _wav(directory: Path, index: int) -> Path:
    return directory / EVALUATION / f"{index}.wav"
