"""The commands of the example, from parsed arguments to files."""

from __future__ import annotations

import argparse
from dataclasses import replace

from priordiff.experiments import load_configuration, make_writable, run_experiment
from vocoder.configuration import CONFIGS, VocoderConfig
from vocoder.experiment import VocoderExperiment
from vocoder.parts import check_packages, check_parts
from vocoder.priors import PRIORS
from vocoder.synthesis import synthesize_files
from vocoder.voices import make_spoken_corpus

__all__ = ["configuration_from", "run_make_corpus", "run_synthesize", "run_train"]


def configuration_from(arguments: argparse.Namespace) -> VocoderConfig:
    """The configuration file with the command line's values laid over it."""
    config = load_configuration(VocoderConfig, CONFIGS, arguments.config, arguments.overrides)
    # Not as overrides, which are read as YAML: a folder may be called anything.
    if arguments.data is not None:
        config = replace(config, corpus=replace(config.corpus, directory=arguments.data))
    if arguments.prior is not None:
        config = replace(config, prior=arguments.prior)
    if arguments.compare is not None:
        config = replace(config, compare=list(PRIORS) if arguments.compare else [])
    return config


def run_train(arguments: argparse.Namespace) -> int:
    """Trains every run of the experiment, judges it, and writes the report."""
    config = configuration_from(arguments)
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
