"""The command of the example, from parsed arguments to files."""

from __future__ import annotations

import argparse

from acoustic.configuration import CONFIGS, AcousticConfig
from acoustic.experiment import AcousticExperiment
from acoustic.kinds import KINDS
from priordiff.experiments import configuration_from, run_experiment
from priordiff.training.trackers import check_trackers

__all__ = ["run_train"]


def run_train(arguments: argparse.Namespace) -> int:
    """Trains every model of the experiment, judges it, and writes the report."""
    config = configuration_from(AcousticConfig, CONFIGS, arguments, "kind", KINDS)
    check_trackers(config.training.trackers)
    experiment = AcousticExperiment(config, arguments.seeds or [config.training.seed], arguments.output)
    run_experiment(experiment, arguments.resume)
    return 0
