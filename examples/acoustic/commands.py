"""The command of the example, from parsed arguments to files."""

from __future__ import annotations

import argparse
from dataclasses import replace

from acoustic.configuration import CONFIGS, AcousticConfig
from acoustic.experiment import AcousticExperiment
from acoustic.kinds import KINDS
from priordiff.experiments import load_configuration, run_experiment
from priordiff.training.trackers import check_trackers

__all__ = ["configuration_from", "run_train"]


def configuration_from(arguments: argparse.Namespace) -> AcousticConfig:
    """The configuration file with the command line's values laid over it."""
    config = load_configuration(AcousticConfig, CONFIGS, arguments.config, arguments.overrides)
    # Not as overrides, which are read as YAML: a folder may be called anything.
    if arguments.data is not None:
        config = replace(config, corpus=replace(config.corpus, directory=arguments.data))
    if arguments.kind is not None:
        config = replace(config, kind=arguments.kind)
    if arguments.compare is not None:
        config = replace(config, compare=list(KINDS) if arguments.compare else [])
    return config


def run_train(arguments: argparse.Namespace) -> int:
    """Trains every model of the experiment, judges it, and writes the report."""
    config = configuration_from(arguments)
    check_trackers(config.training.trackers)
    experiment = AcousticExperiment(config, arguments.seeds or [config.training.seed], arguments.output)
    run_experiment(experiment, arguments.resume)
    return 0
