"""The table of a report: every model at each number of evaluations, and every prior alone."""

from __future__ import annotations

from collections.abc import Sequence

from acoustic.configuration import AcousticConfig
from acoustic.judging import NOISE_SCORES, RECORDING_SCORES, scores_at
from acoustic.kinds import BASELINE, KINDS
from priordiff.audio.metrics import SPEECH_METRICS
from priordiff.experiments import Run, minutes_of, read_scores
from priordiff.report import Cell, Column, Report, cells_of

__all__ = ["WARPED", "add_table"]

# Of the mel frames alone, along a path of dynamic time warping.
WARPED = ("log_mel_mae", "mcd")

_HEARD = ("f0_rmse", "wer", "mos")
_COSTS = ("duration_error", "real_time_factor", "parameters")


def add_table(report: Report, config: AcousticConfig, models: dict[str, list[Run]]) -> None:
    """Adds the table, in which the models of each name are the runs over different seeds."""
    evaluation = config.evaluation
    main = scores_at(evaluation.num_inference_steps)
    scores = {name: _scores(runs, main) for name, runs in models.items()}
    recordings = _scores(next(iter(models.values()))[:1], RECORDING_SCORES)
    known = [*scores.values(), recordings]
    measured = [
        *WARPED,
        *(key for key in _HEARD if any(key in score for each in known for score in each)),
    ]
    columns = [
        *(Column(m.label, m.unit, better=m.better) for m in (SPEECH_METRICS[key] for key in measured)),
        Column("error of durations", "ms", better="lower", digits=1),
        Column("real-time factor", "s/s", better="lower"),
        Column("parameters", digits=0),
        Column("training", "min", digits=1),
    ]
    rows: dict[str, list[Cell]] = {}
    for name, runs in models.items():
        minutes = [minutes_of(run.directory) for run in runs]
        rows[name] = [*cells_of(scores[name], [*measured, *_COSTS]), minutes]
    for steps in sorted({*evaluation.more_inference_steps} - {evaluation.num_inference_steps}, reverse=True):
        for name, runs in models.items():
            if KINDS[name].is_diffusion:
                cells = cells_of(_scores(runs, scores_at(steps)), [*measured, *_COSTS[:-1]])
                rows[f"{name}: {steps} evaluations"] = [*cells, None, None]
    for name, runs in models.items():
        if KINDS[name].has_prior:
            cells = cells_of(_scores(runs, NOISE_SCORES), measured)
            rows[f"{name}: noise alone"] = [*cells, None, None, None, None]
    if len(measured) > len(WARPED):
        rows["the recordings, through the vocoder"] = [
            *cells_of(recordings, measured),
            None,
            None,
            None,
            None,
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


def _scores(runs: Sequence[Run], name: str) -> list[dict[str, float]]:
    return [read_scores(run.directory, name) for run in runs]
