"""The table of a report: every model, and every noise that a model starts from."""

from __future__ import annotations

from priordiff.audio.metrics import SPEECH_METRICS
from priordiff.experiments import Curve, first_reached, mean_curve, minutes_of, read_scores
from priordiff.report import Cell, Column, Report
from vocoder.configuration import VocoderConfig
from vocoder.judging import (
    CONSISTENT_NOISE_SCORES,
    NOISE_SCORES,
    RECORDING_SCORES,
    SAMPLE_SCORES,
    SCORES,
)
from vocoder.priors import BASELINE, PRIORS
from vocoder.run import VocoderRun

__all__ = ["add_table"]

_SPREAD = "With several seeds: mean ± standard deviation."
_NOTHING: list[Cell] = [None, None, None]
_NETWORKS = {"frames": "ConvNeXt on MDCT coefficients", "diffwave": "DiffWave"}


def add_table(report: Report, config: VocoderConfig, by_name: dict[str, list[VocoderRun]]) -> None:
    """Adds the table, in which the models of each name are the runs over different seeds."""
    scores = {run: read_scores(run.directory, SCORES) for runs in by_name.values() for run in runs}
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
        mean_curve(max(isotropic, key=lambda runs: runs[0].num_steps), "log_mel_mae") if isotropic else []
    )
    consistent = config.evaluation.num_consistency_steps > 0
    rows: dict[str, list[Cell]] = {}
    for name, runs in by_name.items():
        rows[name] = [
            *([scores[run].get(key) for run in runs] for key in measured),
            None,
            [scores[run]["real_time_factor"] for run in runs],
            [minutes_of(run.directory) for run in runs],
            None if runs in isotropic else _cost(baseline, mean_curve(runs, "log_mel_mae")[-1][1]),
        ]
    if consistent:
        for name, runs in by_name.items():
            samples = [read_scores(run.directory, SAMPLE_SCORES) for run in runs]
            cells = ([score.get(key) for score in samples] for key in measured)
            rows[f"{name}: as sampled"] = [*cells, *_NOTHING, None]
    noises = {"noise alone": NOISE_SCORES}
    if consistent:
        noises["noise alone, made consistent"] = CONSISTENT_NOISE_SCORES
    for prior, runs in {runs[0].prior: runs for runs in reversed(by_name.values())}.items():
        minutes = [minutes_of(part) for run in runs for part in run.needs] or None
        for noise, file in noises.items():
            stored = [read_scores(run.directory, file) for run in runs]
            cells = ([score.get(key) for score in stored] for key in [*measured, "nll"])
            rows[f"{prior}: {noise}"] = [*cells, None, minutes, None]
    recordings = read_scores(next(iter(scores)).directory, RECORDING_SCORES)
    rows["the recordings"] = [*(recordings.get(key) for key in measured), *_NOTHING, None]
    report.heading("All models on held-out recordings")
    captions = [f"{name}: {_described(runs[0], config)}" for name, runs in by_name.items()]
    if consistent:
        steps = config.evaluation.num_consistency_steps
        captions.append(f"Then {steps} steps bring each waveform closer to the mel that it was made from")
    captions += ["Noise alone: a sample of the prior, no network", _SPREAD]
    baseline_row = BASELINE if BASELINE in by_name else None
    report.table(columns, rows, baseline=baseline_row, caption=". ".join(captions))


def _described(run: VocoderRun, config: VocoderConfig) -> str:
    choice, evaluation, training = PRIORS[run.prior], config.evaluation, run.training
    network = _NETWORKS[run.config.network]
    parameters = read_scores(run.directory, SCORES)["parameters"]
    solver = evaluation.solver or choice.solver
    return (
        f"{choice.description}; {network} of {parameters:,} parameters, {training.num_steps:,} steps of "
        f"{training.batch_size} crops; {evaluation.num_inference_steps} evaluations by {solver}"
    )


def _cost(baseline: Curve, value: float) -> str | None:
    if not baseline:
        return None
    minutes = first_reached(baseline, value)
    return f"more than {baseline[-1][0]:.1f}" if minutes is None else f"{minutes:.1f}"
