"""A training step of the vocoder demo in float32, and in the precision that `auto` chooses.

The demo's own configuration, network, batches and loop, with the prior of its main model, on a few sentences:
as medians over the steps of trainings that alternate, on this processor, and restricted to AVX2. The time of
the whole demo is estimated from them.

    python -m benchmarks.demo 2 5                  # two rounds of five steps in this environment, as JSON
    python -m benchmarks.demo 2 5 --at-most 3      # exit status 1 if `auto` is slower than that, to float32
    python -m benchmarks.demo 1 2 --tiny           # a tiny network
"""

from __future__ import annotations

import argparse
import contextlib
import io
import itertools
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.children import measured_in_child
from benchmarks.measuring import Options, Times
from benchmarks.tables import Table
from benchmarks.training_parts import TINY

__all__ = ["tables"]

STEPS, ROUNDS = 5, 2
AVX2 = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"}
SENTENCES = (
    "The birch canoe slid on the smooth planks.",
    "Glue the sheet to the dark blue background.",
    "It is easy to tell the depth of a well.",
    "Rice is often served in round bowls.",
)


def tables(options: Options) -> Iterator[Table]:
    """Milliseconds of a step, the ratio to float32, and about how many minutes the demo takes."""
    rounds, steps, more = (1, 2, ["--tiny"]) if options.quick else (ROUNDS, STEPS, [])
    rows = []
    as_demo = {"GOMP_SPINCOUNT": os.environ.get("GOMP_SPINCOUNT", "1000")}
    for environment in (as_demo,) if options.quick else (as_demo, {**as_demo, **AVX2}):
        arguments = ["-m", "benchmarks.demo", str(rounds), str(steps), *more]
        rows += measured_in_child(arguments, environment)
    columns = {"instructions": "{}", "precision": "{}", "ms": "{:.0f}", "spread": "± {:.1%}"}
    columns |= {"times float32": "{:.2f}", "whole demo": "about {:.1f} min"}
    yield Table("A training step of the vocoder demo on the processor", columns, rows)


def _main() -> int:
    parser = argparse.ArgumentParser(description="A training step of the vocoder demo.")
    parser.add_argument("rounds", type=int)
    parser.add_argument("steps", type=int)
    parser.add_argument("--tiny", action="store_true", help="a tiny network")
    parser.add_argument("--at-most", type=float, metavar="RATIO", help="fail above this ratio to float32")
    arguments = parser.parse_args()
    import torch

    from priordiff.training import join_processes

    join_processes()
    with tempfile.TemporaryDirectory() as folder:
        demo = Demo(Path(folder), arguments.rounds, arguments.steps, arguments.tiny)
        rows = demo.rows(torch.backends.cpu.get_cpu_capability())
        at_most = arguments.at_most
        if at_most is not None and rows[1]["times float32"] > at_most:  # once more, if the machine was busy
            rows = demo.rows(torch.backends.cpu.get_cpu_capability())
    print(json.dumps(rows))
    if at_most is None or rows[1]["times float32"] <= at_most:
        return 0
    print(f"expected at most {at_most:g} times float32", file=sys.stderr)
    return 1


class Demo:
    """Short pieces of the demo, in a folder of their own."""

    def __init__(self, folder: Path, rounds: int, steps: int, is_tiny: bool) -> None:
        from priordiff.audio import make_corpus
        from priordiff.training import load_config
        from vocoder.configuration import CONFIGS, VocoderConfig
        from vocoder.data import prepare_corpus

        corpus = make_corpus(folder / "speech", list(SENTENCES))
        self.folder, self.rounds = folder, rounds
        self.whole = load_config(VocoderConfig, CONFIGS / "demo.yaml")
        short: dict[str, Any] = {
            "corpus.directory": corpus,
            "corpus.cache_directory": folder / "cache",
            "training.num_steps": steps,
            "training.log_every": 1,
            "training.evaluate_every": "null",
            "training.lr_warmup_steps": 0,
            "training.lr_scheduler": "constant",
            "training.trackers": "[]",
            "evaluation.curve_utterances": 1,
            "evaluation.max_seconds": 0.5,
        }
        short |= TINY if is_tiny else {}
        overrides = [f"{key}={value}" for key, value in short.items()]
        self.short = load_config(VocoderConfig, CONFIGS / "demo.yaml", overrides)
        self.corpora = prepare_corpus(self.short)

    def rows(self, instructions: str) -> list[dict[str, Any]]:
        """What was measured in float32, and in the chosen precision."""
        seconds: dict[str, list[float]] = {"no": [], "auto": []}
        chosen = ""
        for _ in range(self.rounds):
            for precision, measured in seconds.items():
                chosen, times = self._train(precision)
                measured += times
        float32 = statistics.median(seconds["no"])
        names = {"no": "float32", "auto": f"auto, which is {chosen}"}
        return [
            {
                "instructions": instructions,
                "precision": names[precision],
                "ms": 1e3 * Times(times).median,
                "spread": Times(times).spread,
                "times float32": Times(times).median / float32,
                "whole demo": self.minutes(Times(times).median),
            }
            for precision, times in seconds.items()
        ]

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
        task = VocoderTask(config, *self.corpora, estimator, self.folder / "frames")
        trainer = Trainer(task, training, run, config)
        with contextlib.redirect_stderr(io.StringIO()):  # progress bars
            trainer.fit()
        ends = [row["seconds"] for row in read_metrics(run, "train")]
        return trainer.config.mixed_precision, [after - before for before, after in itertools.pairwise(ends)]


if __name__ == "__main__":
    sys.exit(_main())
