"""The commands of the example, from parsed arguments to files."""

from __future__ import annotations

import argparse
import logging
from dataclasses import replace
from pathlib import Path

from priordiff.training import join_processes, load_config
from vocoder.configuration import CONFIGS, VocoderConfig
from vocoder.data import prepare_corpus
from vocoder.duration import final_evaluations, time_left_of, weight_of
from vocoder.experiment import agree_on_precision, check_runs, config_of, runs_of, train_run
from vocoder.judging import evaluate_run
from vocoder.output import make_writable
from vocoder.parts import check_packages, check_parts
from vocoder.priors import PRIORS
from vocoder.results import write_report
from vocoder.synthesis import synthesize_files
from vocoder.voices import make_spoken_corpus

__all__ = ["configuration_from", "run_make_corpus", "run_synthesize", "run_train"]

_logger = logging.getLogger(__name__)


def configuration_from(arguments: argparse.Namespace) -> VocoderConfig:
    """The configuration file with the command line's values laid over it."""
    file = Path(arguments.config)
    if not file.suffix:
        file = CONFIGS / f"{arguments.config}.yaml"
        if not file.is_file():
            known = ", ".join(sorted(path.stem for path in CONFIGS.glob("*.yaml")))
            raise ValueError(
                f"--config {arguments.config}: expected one of {known}, or the path of a YAML file"
            )
    config = load_config(VocoderConfig, file, arguments.overrides)
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
    runs = runs_of(config, arguments.seeds or [config.training.seed], arguments.output)
    check_packages(made_corpus=config.corpus.directory is None)
    check_parts(config, dict.fromkeys(run.prior for run in runs))
    check_runs(runs, config, arguments.resume)
    agreed = agree_on_precision(runs, config)
    make_writable(arguments.output)
    processes = join_processes()
    is_main_process = processes.is_main_process
    if not is_main_process:
        logging.disable(logging.WARNING)
    corpora = prepare_corpus(config)
    time_left = time_left_of(runs, config)
    for run in runs:
        time_left.weigh(weight_of(run, config))
        if not train_run(run, agreed, corpora, arguments.resume, time_left):
            if is_main_process:
                _logger.info("stopped and saved; the same command with --resume goes on from here")
            return 0
        if is_main_process and not run.trains_prior:
            scores = evaluate_run(run.directory, config_of(run, config), corpora[1])
            time_left.count(evaluations=final_evaluations(config))
            _logger.info(
                "%s: log-mel MAE %.3f, MR-STFT %.3f; all runs: %s left",
                *(run.directory, scores["log_mel_mae"], scores["mr_stft"], time_left),
            )
        processes.wait_for_everyone()
    if is_main_process:
        report = arguments.output / "report.html"
        write_report(report, config, runs, corpora)
        _logger.info("report: %s", report)
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
