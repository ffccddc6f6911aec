"""The report of an experiment: all its models in one table, one chart and one gallery."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

import torch
from omegaconf import OmegaConf
from torch import Tensor

from priordiff import VocoderPipeline
from priordiff.audio import AudioCorpus, LogMelSpectrogram, read_audio
from priordiff.audio.metrics import SPEECH_METRICS
from priordiff.report import Cell, Column, Figure, Report, spectrogram_png, wav_bytes
from priordiff.training import read_metrics
from vocoder.configuration import VocoderConfig
from vocoder.experiment import Run, config_of, folder_of
from vocoder.judging import NOISE_SCORES, RECORDING_SCORES, read_scores
from vocoder.priors import BASELINE, PRIORS
from vocoder.targets import evaluation_targets, prior_noise

__all__ = ["first_reached", "write_report"]

Curve = list[tuple[float, float]]

_NETWORKS = {"frames": "ConvNeXt on MDCT coefficients", "diffwave": "DiffWave"}
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
    _add_table(report, config, by_name)
    _add_curves(report, by_name)
    _add_gallery(report, config, by_name, validation)
    report.heading("Configuration")
    report.configuration(OmegaConf.to_yaml(OmegaConf.structured(config)), "The whole configuration")
    report.write(path)


def first_reached(curve: Curve, value: float) -> float | None:
    """When a falling curve first reaches a value, None if it never does.

    Between its points the curve is a straight line.

    Example:
        >>> first_reached([(1.0, 2.0), (2.0, 1.0)], 1.25)
        1.75
    """
    for index, (moment, reached) in enumerate(curve):
        if reached <= value:
            if index == 0:
                return moment
            before, last = curve[index - 1]
            return before + (moment - before) * (last - value) / (last - reached)
    return None


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
        "machine": f"{platform.machine()}, {torch.get_num_threads()} CPU threads"
        + (f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""),
    }


def _add_table(report: Report, config: VocoderConfig, by_name: dict[str, list[Run]]) -> None:
    scores = {run: read_scores(run.directory) for runs in by_name.values() for run in runs}
    noise = {run: read_scores(run.directory, NOISE_SCORES) for run in scores}
    measured = [name for name in SPEECH_METRICS if any(name in score for score in scores.values())]
    columns = [
        Column(metric.label, metric.unit, better=metric.better)
        for metric in (SPEECH_METRICS[name] for name in measured)
    ]
    columns += [
        Column("−log p of the prior", "nats a sample", better="lower"),
        Column("real-time factor", "s/s", better="lower"),
        Column("training", "min", digits=1),
        Column("isotropic minutes for its log-mel MAE"),
    ]
    isotropic = [runs for runs in by_name.values() if runs[0].prior == BASELINE]
    baseline = (
        _mean_curve(max(isotropic, key=lambda runs: runs[0].num_steps), "log_mel_mae") if isotropic else []
    )
    rows: dict[str, list[Cell]] = {}
    for name, runs in by_name.items():
        rows[name] = [
            *([scores[run].get(key) for run in runs] for key in measured),
            None,
            [scores[run]["real_time_factor"] for run in runs],
            [_minutes(run) for run in runs],
            None if runs in isotropic else _cost(baseline, _mean_curve(runs, "log_mel_mae")[-1][1]),
        ]
    for prior, runs in {runs[0].prior: runs for runs in reversed(by_name.values())}.items():
        rows[f"{prior}: noise alone"] = [
            *([noise[run].get(key) for run in runs] for key in [*measured, "nll"]),
            None,
            [_minutes(run, of_prior=True) for run in runs] if runs[0].learned_prior else None,
            None,
        ]
    recordings = read_scores(next(iter(scores)).directory, RECORDING_SCORES)
    rows["the recordings"] = [*(recordings.get(key) for key in measured), None, None, None, None]
    report.heading("All models on held-out recordings")
    report.table(
        columns,
        rows,
        baseline=BASELINE if BASELINE in by_name else None,
        caption=". ".join(f"{name}: {_described(runs[0], config)}" for name, runs in by_name.items())
        + ". Noise alone: a sample of the prior, no network. With several seeds: mean ± standard deviation.",
    )


def _described(run: Run, config: VocoderConfig) -> str:
    choice, evaluation, training = PRIORS[run.prior], config.evaluation, config_of(run, config).training
    network = _NETWORKS[config_of(run, config).network]
    parameters = read_scores(run.directory)["parameters"]
    solver = evaluation.solver or choice.solver
    return (
        f"{choice.description}; {network} of {parameters:,} parameters, {training.num_steps:,} steps of "
        f"{training.batch_size} crops; {evaluation.num_inference_steps} evaluations by {solver}"
    )


def _minutes(run: Run, of_prior: bool = False) -> float:
    """What the training of a run took, or that of its prior."""
    directory = run.learned_prior if of_prior and run.learned_prior else run.directory
    return read_metrics(directory, "train")[-1]["seconds"] / 60


def _cost(baseline: Curve, value: float) -> str | None:
    if not baseline:
        return None
    minutes = first_reached(baseline, value)
    return f"more than {baseline[-1][0]:.1f}" if minutes is None else f"{minutes:.1f}"


def _add_curves(report: Report, by_name: dict[str, list[Run]]) -> None:
    report.heading("Convergence")
    for name in ("log_mel_mae", "mr_stft"):
        metric = SPEECH_METRICS[name]
        series = {model: [_curve(run, "evaluation", name) for run in runs] for model, runs in by_name.items()}
        report.curves(f"{metric.label} on held-out recordings", series, _MINUTES, metric.unit or metric.label)
    losses = {model: [_curve(run, "train", "loss") for run in runs] for model, runs in by_name.items()}
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


def _curve(run: Run, kind: str, name: str) -> Curve:
    before = _minutes(run, of_prior=True) if run.learned_prior else 0.0
    return [(before + row["seconds"] / 60, row[name]) for row in read_metrics(run.directory, kind)]


def _mean_curve(runs: Sequence[Run], name: str) -> Curve:
    curves = [_curve(run, "evaluation", name) for run in runs]
    return [
        (fmean(x for x, _ in points), fmean(y for _, y in points)) for points in zip(*curves, strict=True)
    ]
