"""The command of the example, from parsed arguments to files."""

from __future__ import annotations

import argparse

from latent_diffusion.configuration import CONFIGS, LatentDiffusionConfig
from latent_diffusion.experiment import LatentDiffusionExperiment
from latent_diffusion.priors import PRIORS
from priordiff.experiments import configuration_from, run_experiment
from priordiff.training.trackers import check_trackers

__all__ = ["run_train"]


def run_train(arguments: argparse.Namespace) -> int:
    """Trains every model of the experiment, judges it, and writes the report."""
    config = configuration_from(LatentDiffusionConfig, CONFIGS, arguments, "prior", PRIORS)
    check_trackers(config.training.trackers)
    seeds = arguments.seeds or [config.training.seed]
    run_experiment(LatentDiffusionExperiment(config, seeds, arguments.output), arguments.resume)
    return 0
