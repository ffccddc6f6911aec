"""Arguments of the commands. Nothing here takes time to import: help comes at once."""

from __future__ import annotations

import argparse
from pathlib import Path

from priordiff.command_line import Command, CommandParser, overview_parser
from priordiff.commands.image_arguments import sample_parser
from priordiff.commands.options import add_sampling, within

__all__ = ["COMMANDS", "overview"]

_SAY = """\
Speak a text: writes an audio file.

Without --output it is written to the present folder: NAME.wav for a text file NAME.txt,
speech.wav for a text that has no name. What is there is kept: the next one is speech-2.wav.
At the end it tells how many seconds of speech there are, and the real-time factor: how many
seconds of work each of them took.
"""
_SAY_EXAMPLES = """\
examples:
  priordiff say "Hello, you two!"                      writes speech.wav
  priordiff say --speed 0.8 --output slow.flac "Take your time."
  priordiff say --file book.txt                        writes book.wav, sentence by sentence
  priordiff say --file one.txt two.txt --output talks  writes talks/one.wav and talks/two.wav
  date | priordiff say -                               speaks the standard input
  priordiff say --model runs/acoustic/prior-seed0 "Hello from a voice of my own."
"""
_SYNTHESIZE = """\
Copy-synthesis: recordings to mel spectrograms and back, by a vocoder.

Shows what a vocoder can do: each recording is reduced to its mel spectrogram, from which
the vocoder makes a waveform anew.
"""
_SYNTHESIZE_EXAMPLES = """\
examples:
  priordiff synthesize --input recording.wav --output copies
  priordiff synthesize --input recordings --output copies --model runs/vocoder/spectral-seed0
"""


def overview(version: str) -> argparse.ArgumentParser:
    """The parser of what stands in place of a command."""
    description = "Speech and images, by diffusion from a prior that fits."
    return overview_parser("priordiff", description, version, COMMANDS)


def _say_parser() -> argparse.ArgumentParser:
    parser = CommandParser(
        prog="priordiff say",
        usage="priordiff say [options] TEXT | --file FILE [FILE ...] | -",
        description=_SAY,
        epilog=_SAY_EXAMPLES,
    )
    parser.add_argument("text", nargs="*", metavar="TEXT", help="what to say; - reads the standard input")
    parser.add_argument("--file", nargs="+", type=Path, help="text files (UTF-8) to read instead")
    parser.add_argument(
        "--output",
        default="",
        metavar="PATH",
        help="an audio file (.wav, .flac, .ogg, .mp3), which is replaced if it is there; "
        "or a folder for NAME.wav, see above (default: the present folder)",
    )
    parser.add_argument(
        "--model",
        type=Path,
        metavar="DIR",
        help="the voice: a saved TextToSpeechPipeline or a run of examples/acoustic; if it has no vocoder, "
        "that of priordiff is taken (default: the voice that comes with priordiff)",
    )
    parser.add_argument("--speaker", help="name of a speaker, if the voice has several (default: the first)")
    parser.add_argument(
        "--speed", type=within(0.1, 10), default=1.0, help="2 speaks twice as fast (default: 1)"
    )
    parser.add_argument(
        "--pause", type=within(0, 60), default=0.25, help="seconds between sentences (default: 0.25)"
    )
    parser.add_argument(
        "--pitch-shift",
        type=within(-48, 48),
        default=0.0,
        metavar="SEMITONES",
        help="12 is an octave (default: 0)",
    )
    parser.add_argument(
        "--temperature",
        type=within(0, 10),
        default=1.0,
        help="of the noise that speech is made of; less is smoother (default: 1)",
    )
    add_sampling(parser, "the same number makes the same speech (default: 0)")
    return parser


def _synthesize_parser() -> argparse.ArgumentParser:
    parser = CommandParser(prog="priordiff synthesize", description=_SYNTHESIZE, epilog=_SYNTHESIZE_EXAMPLES)
    parser.add_argument(
        "--input", required=True, nargs="+", type=Path, help="audio files, or folders of them"
    )
    parser.add_argument("--output", required=True, type=Path, metavar="DIR", help="folder for the wav files")
    parser.add_argument(
        "--model",
        type=Path,
        metavar="DIR",
        help="the vocoder: a saved VocoderPipeline or a run of examples/vocoder "
        "(default: the vocoder that comes with priordiff)",
    )
    parser.add_argument(
        "--consistency-steps",
        type=int,
        metavar="N",
        help="that bring the sample closer to its mel (default: the model's)",
    )
    add_sampling(parser, "of the noise (default: 0)")
    return parser


COMMANDS = {
    "say": Command(_say_parser(), "priordiff.commands.say:run_say"),
    "synthesize": Command(_synthesize_parser(), "priordiff.commands.synthesis:run_synthesize"),
    "sample": Command(sample_parser(), "priordiff.commands.sample:run_sample"),
}
