"""Arguments of the command."""

from __future__ import annotations

import argparse
from pathlib import Path

from priordiff.command_line import Command, experiment_parser

__all__ = ["COMMANDS"]

_EXAMPLES = """\
  accelerate launch examples/acoustic                              the demo: four models and a report
  accelerate launch examples/acoustic --seeds 0 1 2                means and spread over three seeds
  accelerate launch --multi_gpu examples/acoustic --config paper --data DIR
                                                                   the published configuration on all GPUs
"""


def _train_parser() -> argparse.ArgumentParser:
    parser = experiment_parser(
        prog="examples/acoustic",
        description="Train an acoustic model under a phoneme-level prior, compare it, and write a report.",
        examples=_EXAMPLES,
        configs=Path(__file__).parent / "configs",
        output="runs/acoustic",
    )
    parser.add_argument(
        "--data", help="LJSpeech's layout with TextGrids in textgrids/ (default: made by espeak-ng)"
    )
    parser.add_argument(
        "--kind", help="prior, learned, isotropic, grad-tts or fastspeech2 (default: the configuration's)"
    )
    parser.add_argument(
        "--compare",
        action=argparse.BooleanOptionalAction,
        help="train the other models too (default: the configuration's choice)",
    )
    return parser


COMMANDS = {"train": Command(_train_parser(), "acoustic.commands:run_train")}
