"""Experiments: models that are trained side by side, over priors and seeds, judged and reported."""

from priordiff.experiments.configurations import configuration_from
from priordiff.experiments.curves import Curve, curve_of, first_reached, mean_curve, minutes_of
from priordiff.experiments.experiment import (
    Experiment,
    judging_in_evaluations,
    run_experiment,
    time_left_of,
)
from priordiff.experiments.folders import EVALUATION, read_scores, write_scores
from priordiff.experiments.origins import Origins, check_origins, store_origins, weights_fingerprint
from priordiff.experiments.runs import Run, agree_on_precision, by_name, check_runs, check_seeds
from priordiff.experiments.sections import add_configuration, add_curves, machine_facts

__all__ = [
    "EVALUATION",
    "Curve",
    "Experiment",
    "Origins",
    "Run",
    "add_configuration",
    "add_curves",
    "agree_on_precision",
    "by_name",
    "check_origins",
    "check_runs",
    "check_seeds",
    "configuration_from",
    "curve_of",
    "first_reached",
    "judging_in_evaluations",
    "machine_facts",
    "mean_curve",
    "minutes_of",
    "read_scores",
    "run_experiment",
    "store_origins",
    "time_left_of",
    "weights_fingerprint",
    "write_scores",
]
