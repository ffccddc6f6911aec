"""The report of an experiment: all its models in one table, one chart and one gallery."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from acoustic.configuration import AcousticConfig
from acoustic.corpus import SpokenCorpus
from acoustic.judging import PRIOR_SCORES, prior_alone, scores_at, spoken_mels
from acoustic.kinds import BASELINE, KINDS
from priordiff import TextToSpeechPipeline
from priordiff.audio.metrics import SPEECH_METRICS
from priordiff.experiments import (
    Run,
    add_configuration,
    add_curves,
    by_name,
    machine_facts,
    minutes_of,
    read_scores,
)
from priordiff.models.frames import log_mel_of_standardized
from priordiff.report import Cell, Column, Figure, Report, spectrogram_png

__all__ = ["write_report"]

_WARPED = ("log_mel_mae", "mcd")


def write_report(path: Path, config: AcousticConfig, runs: Sequence[Run], data: SpokenCorpus) -> None:
    """Writes the page about the finished runs of an experiment.

    Args:
        path: of the HTML file.
        config: of the experiment.
        runs: that have been trained and evaluated.
        data: their recordings.
    """
    models = by_name(runs)
    report = Report(
        "Acoustic models under data-dependent priors",
        "The same recordings, seeds, steps and measures for each model",
        models=list(models),
    )
    report.facts(
        {
            "training data": f"{len(data.training)} recordings",
            "held out": f"{len(data.validation)} recordings",
            "phonemes": str(len(data.table)),
            "evaluations": str(config.evaluation.num_inference_steps),
            **machine_facts(runs),
        }
    )
    _add_table(report, config, models)
    measures = {name: SPEECH_METRICS[name] for name in _WARPED}
    add_curves(report, models, measures, loss="all losses together")
    _add_gallery(report, config, models, data)
    add_configuration(report, config)
    report.write(path)


def _add_table(report: Report, config: AcousticConfig, models: dict[str, list[Run]]) -> None:
    evaluation = config.evaluation
    columns = [
        *(Column(m.label, m.unit, better=m.better) for m in (SPEECH_METRICS[name] for name in _WARPED)),
        Column("error of durations", "ms", better="lower", digits=1),
        Column("real-time factor", "s/s", better="lower"),
        Column("parameters", digits=0),
        Column("training", "min", digits=1),
    ]
    keys = (*_WARPED, "duration_error", "real_time_factor", "parameters")
    rows: dict[str, list[Cell]] = {}
    for name, runs in models.items():
        scores = [read_scores(run.directory, scores_at(evaluation.num_inference_steps)) for run in runs]
        minutes = [minutes_of(run.directory) for run in runs]
        rows[name] = [*([score[key] for score in scores] for key in keys), minutes]
    for steps in sorted(set(evaluation.more_inference_steps), reverse=True):
        for name, runs in models.items():
            if KINDS[name].prior is None or steps == evaluation.num_inference_steps:
                continue
            scores = [read_scores(run.directory, scores_at(steps)) for run in runs]
            cells = [[score[key] for score in scores] for key in keys[:-1]]
            rows[f"{name}: {steps} evaluations"] = [*cells, None, None]
    for name, runs in models.items():
        if KINDS[name].prior not in (None, "none"):
            scores = [read_scores(run.directory, PRIOR_SCORES) for run in runs]
            rows[f"{name}: noise alone"] = [
                *([score[key] for score in scores] for key in _WARPED),
                *[None] * 4,
            ]
    report.heading("All models on held-out recordings")
    described = ". ".join(f"{name}: {KINDS[name].description}" for name in models)
    report.table(
        columns,
        rows,
        baseline=BASELINE if BASELINE in models else None,
        caption=f"{described}. After dynamic time warping; {evaluation.num_inference_steps} evaluations by "
        f"{evaluation.solver} where nothing else is said. Noise alone: a sample of the prior over the "
        "recording's own durations. With several seeds: mean ± standard deviation.",
    )


def _add_gallery(
    report: Report, config: AcousticConfig, models: dict[str, list[Run]], data: SpokenCorpus
) -> None:
    evaluation = config.evaluation
    items = data.validation.items[: min(evaluation.report_utterances, evaluation.final_utterances)]
    if not items:
        return
    report.heading("To see")
    report.paragraph(
        "Log-mel spectrograms of held-out recordings: the target, the prior from which the first model "
        "starts, over the recording's own durations, and what each model makes of the phonemes."
    )
    firsts = {name: runs[0] for name, runs in models.items()}
    mels = {name: spoken_mels(run.directory) for name, run in firsts.items()}
    pipeline = TextToSpeechPipeline.from_pretrained(next(iter(firsts.values())).directory / "model")
    rows = {}
    for index, item in enumerate(items):
        target = log_mel_of_standardized(item["mel"])
        panels = {"target": target}
        if pipeline.estimator is not None:
            alone = prior_alone(pipeline, item)
            panels |= {"mean of the prior": alone["mean"], "noise of the prior": alone["sample"]}
        panels |= {name: frames[index] for name, frames in mels.items()}
        low, high = float(target.min()), float(target.max())
        recording = data.validation.corpus.audio.recordings[index]
        rows[recording.text or recording.name] = [
            _figure(name, frames, low, high) for name, frames in panels.items()
        ]
    report.gallery(rows)


def _figure(caption: str, frames: Tensor, low: float, high: float) -> Figure:
    picture = spectrogram_png(frames, low, high)
    return Figure(caption, picture, f"log-mel spectrogram, {caption}")
