"""Which solver makes the most of a trained vocoder, and in how many evaluations of its network.

    python benchmarks/samplers.py runs/vocoder/spectral-seed0 [--steps 4 6 12] [--solvers unipc ddpm]

prints a table of the measures over the held-out recordings of a run, for each solver by its name and each
number of evaluations, all from the same noise; `--model` puts another pipeline in the place of the run's own.
"""

from __future__ import annotations

import argparse
import platform
import sys
from dataclasses import replace
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "examples"))

from priordiff import VocoderPipeline
from priordiff.audio import LogMelSpectrogram
from priordiff.audio.metrics import SPEECH_METRICS
from priordiff.pipelines import SOLVERS
from priordiff.training import load_config
from vocoder.configuration import VocoderConfig
from vocoder.data import prepare_corpus
from vocoder.judging import mean_scores
from vocoder.targets import evaluation_targets, synthesize, whole_texts


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("run", type=Path, help="folder of a finished run")
    parser.add_argument("--model", type=Path, help="a saved pipeline, instead of the run's own")
    parser.add_argument("--solvers", nargs="+", choices=SOLVERS, default=list(SOLVERS), metavar="NAME")
    parser.add_argument("--steps", nargs="+", type=int, default=[4, 6, 12])
    parser.add_argument("--consistency-steps", type=int, default=0, help="(default: 0, the samples)")
    parser.add_argument("--utterances", type=int, help="how many of the run's (default: all of them)")
    arguments = parser.parse_args()
    config = load_config(VocoderConfig, arguments.run / "config.yaml")
    if arguments.utterances:
        config = replace(config, evaluation=replace(config.evaluation, final_utterances=arguments.utterances))
    _, validation = prepare_corpus(config)
    targets, texts = evaluation_targets(config, validation), whole_texts(config, validation)
    pipeline = VocoderPipeline.from_pretrained(arguments.model or arguments.run / "model")
    pipeline.set_progress_bar_config(disable=True)
    log_mel = LogMelSpectrogram(**pipeline.config.mel)
    print(f"{platform.machine()}, torch {torch.__version__}, {len(targets)} utterances\n")
    names: list[str] = []
    for steps in arguments.steps:
        for solver in arguments.solvers:
            options = steps, solver, arguments.consistency_steps
            audios = [synthesize(pipeline, t, seed, *options) for seed, t in enumerate(targets)]
            scores = mean_scores(audios, targets, log_mel, pipeline.sample_rate, texts)
            if not names:
                names = [name for name in SPEECH_METRICS if name in scores]
                print("| evaluations | solver |", " | ".join(SPEECH_METRICS[n].label for n in names), "|")
                print("|---" * (len(names) + 2) + "|")
            cells = " | ".join(f"{scores[name]:.3f}" if name in scores else "–" for name in names)
            print(f"| {steps} | {solver} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
