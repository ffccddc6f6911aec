"""The commands of the example, from parsed arguments to files."""

from __future__ import annotations

import argparse
import logging

from priordiff.audio import make_audio_shards
from priordiff.experiments import configuration_from, run_experiment
from priordiff.files import make_writable
from vocoder.configuration import CONFIGS, VocoderConfig
from vocoder.experiment import VocoderExperiment
from vocoder.parts import check_packages, check_parts
from vocoder.priors import PRIORS
from vocoder.voices import make_spoken_corpus

__all__ = ["run_make_corpus", "run_make_shards", "run_train"]

_logger = logging.getLogger(__name__)


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


def run_make_shards(arguments: argparse.Namespace) -> int:
    """Writes recordings into shards."""
    make_writable(arguments.output)
    count = make_audio_shards(
        arguments.data,
        arguments.output,
        arguments.sample_rate,
        arguments.min_seconds,
        max_bytes=arguments.megabytes * 1_000_000,
        num_workers=arguments.workers,
        progress=True,
    )
    _logger.info("%d recordings in the shards of %s", count, arguments.output)
    return 0
