r"""How well a vocoder does on recordings, beside the recordings themselves and the noise that it starts from.

    python benchmarks/quality.py data/af_heart --model priordiff/pretrained/vocoder \
        [--steps 6] [--solver ddim] [--consistency-steps 0 10]

prints a table of the measures over whole recordings of a folder, word errors among them where it says what
is spoken (`metadata.csv`), and how long a second of speech takes. Samples and noise alone are brought closer
to their mels by each of the numbers of consistency steps.
"""

from __future__ import annotations

import argparse
import platform
import sys
import tempfile
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "examples"))

from priordiff import VocoderPipeline
from priordiff.audio import AudioCorpus, LogMelSpectrogram, mel_consistent
from priordiff.audio.metrics import SPEECH_METRICS
from vocoder.judging import mean_scores
from vocoder.targets import prior_noise, synthesize


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, help="LJSpeech's layout or any folder of audio files")
    parser.add_argument("--model", type=Path, required=True, help="folder of a saved pipeline")
    parser.add_argument("--utterances", type=int, default=24, help="the first ones (default: 24)")
    parser.add_argument("--steps", type=int, help="evaluations (default: the model's)")
    parser.add_argument("--solver", help="default: the model's")
    parser.add_argument(
        "--consistency-steps", nargs="+", type=int, help="one or several (default: 0, and the model's)"
    )
    arguments = parser.parse_args()
    pipeline = VocoderPipeline.from_pretrained(arguments.model)
    pipeline.set_progress_bar_config(disable=True)
    rate, log_mel = pipeline.sample_rate, LogMelSpectrogram(**pipeline.config.mel)
    with tempfile.TemporaryDirectory() as cache:
        corpus = AudioCorpus.prepare(arguments.data, cache, rate)
        chosen = corpus.recordings[: arguments.utterances]
        targets = [_whole_frames(corpus.waveform(index), log_mel) for index in range(len(chosen))]
    texts = [recording.text or "" for recording in chosen]
    seconds = sum(map(len, targets)) / rate
    mels = [log_mel(target[None]) for target in targets]
    noises = [prior_noise(pipeline, mel, seed) for seed, mel in enumerate(mels)]
    counts = arguments.consistency_steps or sorted({0, pipeline.config.num_consistency_steps})
    rows, factors = {"the recordings": targets}, {}
    for count in counts:
        rows[f"noise of the prior, {count} consistency steps"] = [
            mel_consistent(noise[None], mel, log_mel, count)[0]
            for noise, mel in zip(noises, mels, strict=True)
        ]
    for count in counts:
        name = f"the vocoder, {count} consistency steps"
        started = time.perf_counter()
        rows[name] = [
            synthesize(pipeline, target, seed, arguments.steps, arguments.solver, count)
            for seed, target in enumerate(targets)
        ]
        factors[name] = (time.perf_counter() - started) / seconds
    solver = arguments.solver or pipeline.config.solver
    steps = arguments.steps or pipeline.config.num_inference_steps
    machine = f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}"
    print(f"{machine}; {len(targets)} recordings, {seconds:.0f} s; {steps} evaluations by {solver}")
    print("real-time factors:", "; ".join(f"{name} {factor:.3f}" for name, factor in factors.items()), "\n")
    scores = {name: mean_scores(row, targets, log_mel, rate, texts) for name, row in rows.items()}
    names = [name for name in SPEECH_METRICS if any(name in each for each in scores.values())]
    print("| |", " | ".join(SPEECH_METRICS[name].label for name in names), "|")
    print("|---" * (len(names) + 1) + "|")
    for row, measured in scores.items():
        cells = (f"{measured[name]:.3f}" if name in measured else "–" for name in names)
        print(f"| {row} |", " | ".join(cells), "|")


def _whole_frames(waveform: torch.Tensor, log_mel: LogMelSpectrogram) -> torch.Tensor:
    return waveform[: len(waveform) // log_mel.hop_length * log_mel.hop_length]


if __name__ == "__main__":
    main()
