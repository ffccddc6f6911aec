r"""How well text to speech is understood, and how long it takes.

    python benchmarks/speech.py [--model MODEL] [--sentences benchmarks/spoken.txt] [--steps 2 6 12] \
        [--solver unipc] [--temperature 0.7 1.0]

has a voice speak sentences that no corpus holds, and prints for each number of evaluations and each
temperature the word errors of a recogniser (Whisper tiny.en), an estimate of opinions (DistillMOS), and the
real-time factor from text to waveform. Numbers and abbreviations count as the words that they are read as, in
what is written and in what is heard. `--heard` prints what the recogniser makes of each sentence.
"""

from __future__ import annotations

import argparse
import itertools
import platform
import time
from pathlib import Path
from statistics import fmean

import jiwer
import torch

from priordiff.audio import in_words
from priordiff.audio.metrics import mean_opinion_score, recognise
from priordiff.commands.models import load_vocoder, load_voice

_SENTENCES = Path(__file__).parent / "spoken.txt"


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--model", type=Path, help="folder of a saved pipeline (default: the package's voice)"
    )
    parser.add_argument("--vocoder", type=Path, help="another one (default: its own, or the package's)")
    parser.add_argument("--sentences", type=Path, default=_SENTENCES, help="one a line")
    parser.add_argument("--steps", nargs="+", type=int, help="evaluations (default: the model's)")
    parser.add_argument("--solver", help="default: the model's")
    parser.add_argument("--temperature", nargs="+", type=float, default=[1.0], help="of the noise")
    parser.add_argument("--heard", action="store_true", help="print what is recognised")
    arguments = parser.parse_args()
    voice = load_voice(arguments.model)
    if arguments.vocoder is not None:
        voice = voice.with_vocoder(load_vocoder(arguments.vocoder))
    lines = arguments.sentences.read_text(encoding="utf-8").splitlines()
    sentences = [line for line in lines if line and not line.startswith("#")]
    voice(sentences[0], seed=0)  # loads what is loaded once
    print(f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    print(
        "| evaluations | temperature | word errors | MOS, estimated | real-time factor |\n" + "|---" * 5 + "|"
    )
    steps = arguments.steps or [voice.config.num_inference_steps]
    for count, temperature in itertools.product(steps, arguments.temperature):
        options = {"num_inference_steps": count, "solver": arguments.solver, "temperature": temperature}
        started = time.perf_counter()
        speech = [voice(sentence, seed=seed, **options).audios[0] for seed, sentence in enumerate(sentences)]
        computing = time.perf_counter() - started
        heard = [recognise(audio, voice.sample_rate) for audio in speech]
        opinion = fmean(mean_opinion_score(audio, voice.sample_rate) for audio in speech)
        errors = jiwer.wer([_words(each) for each in sentences], [_words(each) for each in heard])
        factor = computing * voice.sample_rate / sum(map(len, speech))
        print(f"| {count} | {temperature:g} | {errors:.1%} | {opinion:.2f} | {factor:.3f} |", flush=True)
        if arguments.heard:
            for sentence, text in zip(sentences, heard, strict=True):
                if _words(sentence) != _words(text):
                    print(f"    {sentence}\n    {text}")


def _words(text: str) -> str:
    return " ".join("".join(c if c.isalpha() or c == "'" else " " for c in in_words(text).lower()).split())


if __name__ == "__main__":
    main()
