"""Arguments of the command."""

from __future__ import annotations

import argparse
from pathlib import Path

from priordiff.command_line import Command, CommandParser, experiment_parser

__all__ = ["COMMANDS"]

_EXAMPLES = """\
  accelerate launch examples/acoustic                              the demo: four models and a report
  accelerate launch examples/acoustic --seeds 0 1 2                means and spread over three seeds
  accelerate launch --multi_gpu examples/acoustic --config paper --data DIR
                                                                   the published configuration on all GPUs
  python examples/acoustic search --model RUN                      the schedules with which a run samples best
"""


def _train_parser() -> argparse.ArgumentParser:
    return experiment_parser(
        prog="examples/acoustic",
        description="Train an acoustic model under a phoneme-level prior, compare it, and write a report.",
        examples=_EXAMPLES,
        configs=Path(__file__).parent / "configs",
        data="LJSpeech's layout, with TextGrids in textgrids/ or without (default: made by espeak-ng)",
        choice="kind",
        choices=["prior", "learned", "isotropic", "grad-tts", "fastspeech2"],
    )


def _search_parser() -> argparse.ArgumentParser:
    parser = CommandParser(
        prog="examples/acoustic search",
        description="Search the schedules of trained models on one half of the held-out recordings, print "
        "their quality on the other half against evaluations, and save the best with the models.",
    )
    parser.add_argument(
        "--model", required=True, nargs="+", type=Path, help="folders of runs, such as with and without prior"
    )
    parser.add_argument("--steps", nargs="+", type=int, default=[2, 4, 6, 12], help="(default: 2 4 6 12)")
    parser.add_argument(
        "--default-steps", type=int, help="steps of a call that says none (default: the model's, or the most)"
    )
    parser.add_argument(
        "--solvers", nargs="+", help="ddpm, ddim, dpm++, sde-dpm++, unipc or flow (default: all that fit)"
    )
    parser.add_argument(
        "--budget", type=int, default=40, help="schedules to try for each solver and number (default: 40)"
    )
    parser.add_argument("--utterances", type=int, help="held-out recordings of both halves (default: all)")
    parser.add_argument(
        "--measure", choices=["crps", "mae"], default="crps", help="what is minimised (default: crps)"
    )
    parser.add_argument(
        "--save",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="keep what is found (default: yes)",
    )
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="values of the configuration")
    return parser


COMMANDS = {
    "train": Command(_train_parser(), "acoustic.commands:run_train"),
    "search": Command(_search_parser(), "acoustic.searching:run_search"),
}
