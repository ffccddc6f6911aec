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
  python examples/vocoder make-shards --data DIR --output SHARDS   a large corpus: --data SHARDS
  priordiff synthesize --model RUN --input FILES --output DIR      copy-synthesis of your own recordings
"""


def _train_parser() -> argparse.ArgumentParser:
    return experiment_parser(
        prog="examples/vocoder",
        description="Train a prior-conditioned vocoder, compare it with its twins, and write a report.",
        examples=_EXAMPLES,
        configs=Path(__file__).parent / "configs",
        data="LJSpeech's layout, any folder of audio files, or of shards (default: made by espeak-ng)",
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


def _make_shards_parser() -> argparse.ArgumentParser:
    parser = CommandParser(
        prog="examples/vocoder make-shards",
        description="Write recordings into shards, for corpora of any size: --data is then their folder.\n\n"
        "Shards are tar files in WebDataset's format, with a table beside each. An interrupted call goes on.",
    )
    parser.add_argument(
        "--data", required=True, type=Path, help="LJSpeech's layout or any folder of audio files"
    )
    parser.add_argument("--output", required=True, type=Path, help="folder of the shards")
    parser.add_argument(
        "--sample-rate", type=int, default=22050, help="of the shards, in Hz (default: 22050)"
    )
    parser.add_argument(
        "--min-seconds", type=float, default=1.0, help="shorter ones are skipped (default: 1)"
    )
    parser.add_argument("--megabytes", type=int, default=1000, help="size of a shard (default: 1000)")
    parser.add_argument(
        "--workers", type=int, default=0, help="processes that decode and encode (default: 0)"
    )
    return parser


COMMANDS = {
    "train": Command(_train_parser(), "vocoder.commands:run_train"),
    "make-corpus": Command(_make_corpus_parser(), "vocoder.commands:run_make_corpus"),
    "make-shards": Command(_make_shards_parser(), "vocoder.commands:run_make_shards"),
}
