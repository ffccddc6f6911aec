"""Speed of the vocoder demo: a training step in float32 and in the precision that `auto` chooses.

    python benchmarks/demo_speed.py                       # this processor, then as one that has AVX2 alone
    python benchmarks/demo_speed.py --here                # as the environment has it
    python benchmarks/demo_speed.py --here --at-most 3    # exit status 1 if `auto` is slower than that

The demo's own configuration, network, batches and loop, with the prior of its main model, on a few sentences:
medians over the steps of trainings that alternate. The time of the whole demo is estimated from them.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import itertools
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # as the demo does, before torch is imported

ROOT = Path(__file__).resolve().parents[1]
ROUNDS, STEPS = 2, 5
AVX2 = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"}
SENTENCES = (
    "The birch canoe slid on the smooth planks.",
    "Glue the sheet to the dark blue background.",
    "It is easy to tell the depth of a well.",
    "Rice is often served in round bowls.",
)


def main() -> int:
    """Runs the comparison."""
    parser = argparse.ArgumentParser(description="Speed of the vocoder demo's training step.")
    parser.add_argument("--here", action="store_true", help="measure on the processor as it is alone")
    parser.add_argument("--at-most", type=float, metavar="RATIO", help="fail above this ratio to float32")
    arguments = parser.parse_args()
    if arguments.here:
        return _measure(arguments.at_most)
    environments: list[dict[str, str]] = [{}, AVX2]
    commands = [sys.executable, __file__, "--here", *sys.argv[1:]]
    return max(subprocess.run(commands, env=os.environ | each).returncode for each in environments)


def _measure(at_most: float | None) -> int:
    import torch

    sys.path[:0] = [str(ROOT), str(ROOT / "examples")]
    from priordiff.training import join_processes

    join_processes()
    with tempfile.TemporaryDirectory() as folder:
        demo = Demo(Path(folder))
        capability = torch.backends.cpu.get_cpu_capability()
        print(f"{capability}, {torch.get_num_threads()} threads, torch {torch.__version__}")
        float32, chosen, precision = demo.step_seconds()
        if at_most is not None and chosen > at_most * float32:  # once more, if the machine was busy
            float32, chosen, precision = demo.step_seconds()
    for name, seconds in {"float32": float32, f"auto, which is {precision}": chosen}.items():
        times = f"{seconds * 1e3:6.0f} ms per step, {seconds / float32:5.2f} times float32"
        print(f"  {name:20} {times}, about {demo.minutes(seconds):4.1f} min in all")
    if at_most is None or chosen <= at_most * float32:
        return 0
    print(f"expected at most {at_most:g} times float32", file=sys.stderr)
    return 1


class Demo:
    """Short pieces of the demo, in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        from priordiff.audio import make_corpus
        from priordiff.training import load_config
        from vocoder.configuration import CONFIGS, VocoderConfig
        from vocoder.data import prepare_corpus

        corpus = make_corpus(folder / "speech", list(SENTENCES))
        self.folder = folder
        self.whole = load_config(VocoderConfig, CONFIGS / "demo.yaml")
        short = {
            "corpus.directory": corpus,
            "corpus.cache_directory": folder / "cache",
            "training.num_steps": STEPS,
            "training.log_every": 1,
            "training.evaluate_every": "null",
            "training.lr_warmup_steps": 0,
            "training.lr_scheduler": "constant",
            "training.trackers": "[]",
            "evaluation.curve_utterances": 1,
            "evaluation.max_seconds": 0.5,
        }
        overrides = [f"{key}={value}" for key, value in short.items()]
        self.short = load_config(VocoderConfig, CONFIGS / "demo.yaml", overrides)
        self.corpora = prepare_corpus(self.short)

    def step_seconds(self) -> tuple[float, float, str]:
        """Seconds of a step in float32, and in the chosen precision, and which one that is."""
        seconds: dict[str, list[float]] = {"no": [], "auto": []}
        for _ in range(ROUNDS):
            for precision, measured in seconds.items():
                chosen, times = self._train(precision)
                measured += times
        medians = {name: statistics.median(times) for name, times in seconds.items()}
        return medians["no"], medians["auto"], chosen

    def minutes(self, step_seconds: float) -> float:
        """About how many minutes the whole demo takes."""
        from priordiff.experiments import time_left_of
        from vocoder.experiment import VocoderExperiment

        experiment = VocoderExperiment(self.whole, [0], self.folder / "none")
        return time_left_of(experiment, experiment.runs()).steps() * step_seconds / 60

    def _train(self, precision: str) -> tuple[str, list[float]]:
        """The precision of a short training, and the seconds of its steps after the first."""
        from dataclasses import replace

        from priordiff.training import Trainer, read_metrics
        from vocoder.priors import PRIORS
        from vocoder.task import VocoderTask

        training = replace(self.short.training, mixed_precision=precision)
        config = replace(self.short, training=training)
        run = Path(tempfile.mkdtemp(dir=self.folder))
        choice = PRIORS[config.prior]
        # A prior that would be learned takes as long whatever it has learned.
        estimator = choice.make_estimator(config) if choice.is_learned else None
        trainer = Trainer(VocoderTask(config, *self.corpora, estimator), training, run, config)
        with contextlib.redirect_stderr(io.StringIO()):  # progress bars
            trainer.fit()
        ends = [row["seconds"] for row in read_metrics(run, "train")]
        return trainer.config.mixed_precision, [after - before for before, after in itertools.pairwise(ends)]


if __name__ == "__main__":
    sys.exit(main())
