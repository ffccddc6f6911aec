"""Command line of the vocoder example: `python examples/vocoder --help`."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# `python examples/vocoder` runs this file alone: its neighbours are the package `vocoder` of this
# folder.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

# Threads that spin for long while they wait for each other take the processor from the one that they wait for
# as soon as anything else runs on the machine: a step then takes far longer. OpenMP reads this when
# torch is imported, which is later.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")

_EPILOG = """\
Any value of the configuration can be overridden: training.num_steps=500 model.block_size=32 ...

  accelerate launch examples/vocoder                               the demo: three twins and a report
  accelerate launch examples/vocoder --seeds 0 1 2                 means and spread over three seeds
  accelerate launch --multi_gpu examples/vocoder --config paper --data LJSpeech-1.1
                                                                   the published configuration on all GPUs
  python examples/vocoder make-corpus --voices af_heart --output DIR
                                                                   a corpus by natural voices
  python examples/vocoder synthesize --model RUN --input FILES --output DIR
                                                                   copy-synthesis of your own recordings
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; returns the exit status: 2 after bad input, which is named in one line."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.captureWarnings(True)
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    command = arguments[0] if arguments[:1] in (["synthesize"], ["make-corpus"]) else "train"
    if command == "train":
        parsed = _train_parser().parse_intermixed_args(arguments)
        parsed.overrides += getattr(parsed, "overrides_after_seeds", [])
    else:
        parser = _synthesize_parser() if command == "synthesize" else _make_corpus_parser()
        parsed = parser.parse_args(arguments[1:])
    try:
        # Not before now: a package that is missing is bad input too.
        import diffusers

        from vocoder.commands import run_make_corpus, run_synthesize, run_train

        diffusers.utils.logging.disable_progress_bar()  # of loading a model from a folder
        runs = {"train": run_train, "synthesize": run_synthesize, "make-corpus": run_make_corpus}
        return runs[command](parsed)
    except (ValueError, OSError, ImportError, ArithmeticError) as error:
        if os.environ.get("PRIORDIFF_TRACEBACK"):
            raise
        print(f"error: {_in_one_line(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted: nothing is half-written", file=sys.stderr)
        return 130


def _in_one_line(error: Exception) -> str:
    if isinstance(error, ModuleNotFoundError) and "pip install" not in str(error):
        return f"{error}: run pip install -e '.[audio,train]' in the repository"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or 'a file'}: {error.strerror}; check path, permissions and free space"
    return " ".join(str(error).split())


class _SeedsThenOverrides(argparse.Action):
    """Takes the seeds from what follows an option, and sets the overrides aside that follow them."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        namespace.overrides_after_seeds = [value for value in values if "=" in value]
        try:
            seeds = [int(value) for value in values if "=" not in value]
        except ValueError:
            seeds = []
        if not seeds:
            parser.error(f"{option_string} {' '.join(values)}: expected integers")
        setattr(namespace, self.dest, seeds)


def _train_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="examples/vocoder",
        description="Train a prior-conditioned vocoder, compare it with its twins, and write a report.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--config", default="demo", help="demo, long, paper, paper-small or a YAML file (default: demo)"
    )
    parser.add_argument(
        "--data", help="LJSpeech's layout or any folder of audio files (default: made by espeak-ng)"
    )
    parser.add_argument(
        "--output", default="runs/vocoder", type=Path, help="folder of the runs (default: runs/vocoder)"
    )
    parser.add_argument(
        "--prior", help="isotropic, energy, spectral-fit or spectral (default: the configuration's)"
    )
    parser.add_argument(
        "--compare",
        action=argparse.BooleanOptionalAction,
        help="train the twins under the other priors too (default: the configuration's choice)",
    )
    parser.add_argument(
        "--seeds", nargs="+", action=_SeedsThenOverrides, help="train every model once for each seed"
    )
    parser.add_argument("--resume", action="store_true", help="continue what an earlier call has begun")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="values of the configuration")
    return parser


def _make_corpus_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
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


def _synthesize_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="examples/vocoder synthesize",
        description="Copy-synthesis: recordings to log-mel frames and back with a trained vocoder.",
    )
    parser.add_argument("--model", required=True, type=Path, help="folder of a run, or of a saved pipeline")
    parser.add_argument(
        "--input", required=True, nargs="+", type=Path, help="audio files, or folders of them"
    )
    parser.add_argument("--output", required=True, type=Path, help="folder for the wav files")
    parser.add_argument("--steps", type=int, help="sampling steps (default: the model's)")
    parser.add_argument(
        "--solver", help="ddpm, ddim, dpm++, sde-dpm++ or unipc (default: the one saved with the model)"
    )
    parser.add_argument(
        "--consistency-steps", type=int, help="that bring the sample closer to its mel (default: the model's)"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the noise (default: 0)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
