"""Judges the vocoder of a run on the held-out recordings, and the noise that it starts from."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from accelerate import PartialState
from torch import Tensor

from priordiff import VocoderPipeline
from priordiff.audio import LogMelSpectrogram, mel_consistent, write_audio
from priordiff.audio.metrics import average_scores, evaluate_speech
from priordiff.experiments import EVALUATION, write_scores
from vocoder.configuration import VocoderConfig
from vocoder.data import Recordings
from vocoder.prior_task import held_out_nll
from vocoder.targets import evaluation_targets, prior_noise, synthesize, whole_texts

__all__ = [
    "CONSISTENT_NOISE_SCORES",
    "NOISE_SCORES",
    "RECORDING_SCORES",
    "SAMPLE_SCORES",
    "SCORES",
    "evaluate_run",
    "mean_scores",
]

# What `priordiff.experiments.read_scores` finds them under.
SCORES = "scores"
SAMPLE_SCORES = "samples"
NOISE_SCORES = "noise"
CONSISTENT_NOISE_SCORES = "consistent_noise"
RECORDING_SCORES = "recordings"


def evaluate_run(directory: Path, config: VocoderConfig, validation: Recordings) -> dict[str, float]:
    """Scores of a run's exported model, stored in its folder `evaluation/` with the audio.

    Beside the keys of `priordiff.audio.metrics.evaluate_speech`: `real_time_factor`, seconds of computing per
    second of audio, and `parameters`. The noise of the prior alone, with no denoiser, gets the same scores,
    and `nll`, the negative log-likelihood that the prior gives to a sample of the recordings. The recordings
    get them too: how well a recogniser follows what was said in the first place. Where what is sampled is
    made consistent with its mel, the samples as they were get scores, and the noise that is made consistent.

    Args:
        directory: of the run.
        config: of the run.
        validation: held-out recordings.
    """
    pipeline = VocoderPipeline.from_pretrained(directory / "model").to(PartialState().device)
    pipeline.set_progress_bar_config(disable=True)
    log_mel = LogMelSpectrogram(**pipeline.config.mel)
    targets = evaluation_targets(config, validation)
    started = time.perf_counter()
    predictions = [synthesize(pipeline, target, seed) for seed, target in enumerate(targets)]
    computing = time.perf_counter() - started
    texts = whole_texts(config, validation)

    def scores_of(waveforms: Sequence[Tensor]) -> dict[str, float]:
        return mean_scores(waveforms, targets, log_mel, pipeline.sample_rate, texts)

    result = scores_of(predictions)
    result["real_time_factor"] = computing * pipeline.sample_rate / sum(map(len, targets))
    result["parameters"] = sum(parameter.numel() for parameter in pipeline.model.parameters())
    mels = [log_mel(target[None]) for target in targets]
    noises = [prior_noise(pipeline, mel, seed) for seed, mel in enumerate(mels)]
    nll = held_out_nll(pipeline.estimator, targets, log_mel)
    write_scores(directory, NOISE_SCORES, {**scores_of(noises), "nll": nll})
    write_scores(directory, RECORDING_SCORES, scores_of(targets))
    if num_steps := config.evaluation.num_consistency_steps:
        samples = [
            synthesize(pipeline, target, seed, num_consistency_steps=0) for seed, target in enumerate(targets)
        ]
        write_scores(directory, SAMPLE_SCORES, scores_of(samples))
        pairs = zip(noises, mels, strict=True)
        better = [mel_consistent(noise[None], mel, log_mel, num_steps)[0] for noise, mel in pairs]
        write_scores(directory, CONSISTENT_NOISE_SCORES, {**scores_of(better), "nll": nll})
    shown = zip(validation.recordings, predictions[: config.evaluation.report_utterances], strict=False)
    for recording, prediction in shown:
        file = directory / EVALUATION / f"{recording.name}.wav"
        file.parent.mkdir(parents=True, exist_ok=True)  # names hold the folders that recordings lie in
        write_audio(file, prediction, pipeline.sample_rate)
    write_scores(directory, SCORES, result)  # at last: it says that the rest is there
    return result


def mean_scores(
    predictions: Sequence[Tensor],
    targets: Sequence[Tensor],
    log_mel: LogMelSpectrogram,
    sample_rate: int,
    texts: Sequence[str],
) -> dict[str, float]:
    """The measures of `evaluate_speech`, averaged over utterances."""
    triples = zip(predictions, targets, texts, strict=True)
    return average_scores(
        evaluate_speech(prediction, target, sample_rate, log_mel, text)
        for prediction, target, text in triples
    )
