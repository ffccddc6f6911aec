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
    return experiment_parser(
        prog="examples/acoustic",
        description="Train an acoustic model under a phoneme-level prior, compare it, and write a report.",
        examples=_EXAMPLES,
        configs=Path(__file__).parent / "configs",
        data="LJSpeech's layout, with TextGrids in textgrids/ or without (default: made by espeak-ng)",
        choice="kind",
        choices=["prior", "learned", "isotropic", "grad-tts", "fastspeech2"],
    )


COMMANDS = {"train": Command(_train_parser(), "acoustic.commands:run_train")}
