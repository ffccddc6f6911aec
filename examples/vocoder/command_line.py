"""Arguments of the commands."""

from __future__ import annotations

import argparse
from pathlib import Path

from priordiff.command_line import Command, CommandParser, experiment_parser

__all__ = ["COMMANDS"]

_EXAMPLES = """\
  accelerate launch examples/vocoder                               the demo: two models and a report
  accelerate launch examples/vocoder --seeds 0 1 2                 means and spread over three seeds
  accelerate launch --multi_gpu examples/vocoder --config paper --data LJSpeech-1.1
                                                                   the published configuration on all GPUs
  python examples/vocoder make-corpus --voices af_heart --output DIR
                                                                   a corpus by natural voices
  priordiff synthesize --model RUN --input FILES --output DIR      copy-synthesis of your own recordings
"""


def _train_parser() -> argparse.ArgumentParser:
    return experiment_parser(
        prog="examples/vocoder",
        description="Train a prior-conditioned vocoder, compare it with its twins, and write a report.",
        examples=_EXAMPLES,
        configs=Path(__file__).parent / "configs",
        data="LJSpeech's layout or any folder of audio files (default: made by espeak-ng)",
        choice="prior",
        choices=["isotropic", "energy", "spectral-fit", "spectral"],
    )


def _make_corpus_parser() -> argparse.ArgumentParser:
    parser = CommandParser(
        prog="examples/vocoder make-corpus",
        description="Have natural voices read a corpus to train with: --data is then its folder.",
    )
    parser.add_argument(
        "--voices", nargs="+", default=["af_heart"], help="joe, or voices of Kokoro, which take turns"
    )
    parser.add_argument(
        "--styles",
        type=Path,
        default=Path("kokoro-js-1.2.1.tgz"),
        help="of Kokoro's voices: what npm pack kokoro-js@1.2.1 makes, or a folder of NAME.bin",
    )
    parser.add_argument("--sentences", type=Path, help="one a line (default: the package's, two hours)")
    parser.add_argument("--output", required=True, type=Path, help="folder of the corpus")
    return parser


COMMANDS = {
    "train": Command(_train_parser(), "vocoder.commands:run_train"),
    "make-corpus": Command(_make_corpus_parser(), "vocoder.commands:run_make_corpus"),
}
