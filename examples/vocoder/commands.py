"""The commands of the example, from parsed arguments to files."""

from __future__ import annotations

import argparse

from priordiff.experiments import configuration_from, run_experiment
from priordiff.files import make_writable
from vocoder.configuration import CONFIGS, VocoderConfig
from vocoder.experiment import VocoderExperiment
from vocoder.parts import check_packages, check_parts
from vocoder.priors import PRIORS
from vocoder.synthesis import synthesize_files
from vocoder.voices import make_spoken_corpus

__all__ = ["run_make_corpus", "run_synthesize", "run_train"]


def run_train(arguments: argparse.Namespace) -> int:
    """Trains every run of the experiment, judges it, and writes the report."""
    config = configuration_from(VocoderConfig, CONFIGS, arguments, "prior", PRIORS)
    experiment = VocoderExperiment(config, arguments.seeds or [config.training.seed], arguments.output)
    check_packages(made_corpus=config.corpus.directory is None)
    check_parts(config, dict.fromkeys([config.prior, *config.compare]))
    run_experiment(experiment, arguments.resume)
    return 0


def run_make_corpus(arguments: argparse.Namespace) -> int:
    """Has natural voices read a corpus."""
    make_writable(arguments.output)
    make_spoken_corpus(arguments.output, arguments.voices, arguments.styles, arguments.sentences)
    return 0


def run_synthesize(arguments: argparse.Namespace) -> int:
    """Copy-synthesis of a user's own recordings."""
    sampling = {
        "num_inference_steps": arguments.steps,
        "solver": arguments.solver,
        "num_consistency_steps": arguments.consistency_steps,
    }
    synthesize_files(arguments.model, arguments.input, arguments.output, arguments.seed, **sampling)
    return 0
