"""The report of an experiment: all its models in one table, one chart and one gallery."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from pathlib import Path

import torch
from omegaconf import OmegaConf
from torch import Tensor

from priordiff import VocoderPipeline
from priordiff.audio import AudioCorpus, LogMelSpectrogram, read_audio
from priordiff.audio.metrics import SPEECH_METRICS
from priordiff.report import Figure, Report, spectrogram_png, wav_bytes
from vocoder.configuration import VocoderConfig
from vocoder.curves import curve_of
from vocoder.experiment import Run, folder_of
from vocoder.table import add_table
from vocoder.targets import evaluation_targets, prior_noise

__all__ = ["write_report"]

_MINUTES = "minutes of training, that of the prior included"
_PRECISIONS = {"no": "float32", "bf16": "bfloat16", "fp16": "float16"}


def write_report(
    path: Path,
    config: VocoderConfig,
    runs: Sequence[Run],
    corpora: tuple[AudioCorpus, AudioCorpus],
) -> None:
    """Writes the page about the finished runs of an experiment.

    Args:
        path: of the HTML file.
        config: of the experiment.
        runs: that have been trained and evaluated.
        corpora: training and validation recordings.
    """
    training, validation = corpora
    by_name: dict[str, list[Run]] = {}
    vocoders = [run for run in runs if not run.trains_prior]
    for run in vocoders:
        by_name.setdefault(run.name, []).append(run)
    report = Report(
        "A vocoder under data-dependent priors",
        "The same recordings, seeds and measures under each prior",
        models=list(by_name),
    )
    report.facts(_facts(config, vocoders, training, validation))
    add_table(report, config, by_name)
    _add_curves(report, by_name)
    _add_gallery(report, config, by_name, validation)
    report.heading("Configuration")
    report.configuration(OmegaConf.to_yaml(OmegaConf.structured(config)), "The whole configuration")
    report.write(path)


def _facts(
    config: VocoderConfig,
    runs: Sequence[Run],
    training: AudioCorpus,
    validation: AudioCorpus,
) -> dict[str, str]:
    def minutes(corpus: AudioCorpus) -> str:
        return f"{sum(r.num_samples for r in corpus.recordings) / corpus.sample_rate / 60:.1f} min"

    stored = [folder_of(run, config).stored_config() for run in runs]
    precisions = dict.fromkeys(_PRECISIONS[each.training.mixed_precision] for each in stored if each)
    return {
        "training data": f"{len(training)} recordings, {minutes(training)}",
        "held out": f"{len(validation)} recordings, {minutes(validation)}",
        "precision": ", ".join(precisions),
        "sampling steps": str(config.evaluation.num_inference_steps),
        "consistency steps": str(config.evaluation.num_consistency_steps),
        "machine": f"{platform.machine()}, {torch.get_num_threads()} CPU threads"
        + (f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""),
    }


def _add_curves(report: Report, by_name: dict[str, list[Run]]) -> None:
    report.heading("Convergence")
    for name in ("log_mel_mae", "mr_stft"):
        metric = SPEECH_METRICS[name]
        series = {
            model: [curve_of(run, "evaluation", name) for run in runs] for model, runs in by_name.items()
        }
        report.curves(f"{metric.label} on held-out recordings", series, _MINUTES, metric.unit or metric.label)
    losses = {model: [curve_of(run, "train", "loss") for run in runs] for model, runs in by_name.items()}
    report.curves("Training loss: squared error in white space", losses, _MINUTES, "loss")


def _add_gallery(
    report: Report, config: VocoderConfig, by_name: dict[str, list[Run]], validation: AudioCorpus
) -> None:
    shown = evaluation_targets(config, validation)[: config.evaluation.report_utterances]
    if not shown:
        return
    report.heading("To see and to hear")
    report.paragraph(
        "Log-mel spectrograms of held-out recordings: the target, the noise from which the first model "
        "starts, and what each model makes of it."
    )
    first_runs = [runs[0] for runs in by_name.values()]
    pipeline = VocoderPipeline.from_pretrained(first_runs[0].directory / "model")
    log_mel = LogMelSpectrogram(**pipeline.config.mel)
    rows = {}
    for index, target in enumerate(shown):
        recording = validation.recordings[index]
        condition = log_mel(target[None])
        low, high = float(condition.min()), float(condition.max())

        def figure(
            caption: str, waveform: Tensor, note: str = "", low: float = low, high: float = high
        ) -> Figure:
            frames = log_mel(waveform[None])[0]
            picture = spectrogram_png(frames, low, high)
            sound = wav_bytes(waveform, pipeline.sample_rate)
            return Figure(caption, picture, f"log-mel spectrogram, {caption}", note, sound)

        figures = [figure("target", target)]
        if pipeline.estimator is not None:
            noise = prior_noise(pipeline, condition, seed=index)
            figures.append(figure(f"{first_runs[0].prior} prior noise", noise))
        for run in first_runs:
            waveform = read_audio(
                run.directory / "evaluation" / f"{recording.name}.wav", pipeline.sample_rate
            )
            error = float((log_mel(waveform[None]) - condition).abs().mean())
            figures.append(figure(run.name, waveform, f"log-mel MAE {error:.3f}"))
        rows[recording.text or recording.name] = figures
    report.gallery(rows)
