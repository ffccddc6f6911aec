"""What a training step of the vocoder's example is made of, and the share of the data's path in it.

The example's own data, task and loss, and the optimiser of the training loop, on recordings of noise: crops,
with the priors that were found before, or their mel frames and the prior's estimator, the scheduler with the
whitened loss, the network's forward pass, the backward pass, and the optimiser.
"""

from __future__ import annotations

import math
import sys
import tempfile
from pathlib import Path
from typing import Any

import soundfile
import torch
from torch import nn

from benchmarks.measuring import Options, Stopwatch, Times
from benchmarks.tables import Table
from priordiff.training import Draw, load_config
from priordiff.training.optimization import make_optimizer

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "examples"))

from vocoder.configuration import CONFIGS, VocoderConfig
from vocoder.data import prepare_corpus
from vocoder.priors import PRIORS
from vocoder.task import VocoderTask

__all__ = ["parts_table", "vocoder_task"]

# What prepares a step, beside the network and its optimiser.
CROPS, MEL, LOSS = "crops", "mel frames", "scheduler and whitened loss"
DATA_PATH = (CROPS, MEL, "prior", LOSS)
PARTS = (*DATA_PATH, "network, forward", "backward", "optimiser")
CASES = {
    "demo": ("demo.yaml", "spectral", {}),
    "demo, each crop's prior anew": ("demo.yaml", "spectral", {"estimator.keep_priors": False}),
    "demo's isotropic twin": ("demo.yaml", "isotropic", {}),
    "the paper's, 4 crops": ("paper.yaml", "energy", {"training.batch_size": 4}),
}
TINY = {
    "training.batch_size": 1,
    "corpus.crop_frames": 4,
    "frame_model.channels": 8,
    "frame_model.layers": 1,
    "estimator.channels": 8,
    "estimator.layers": 1,
    "model.residual_channels": 8,
    "model.residual_layers": 2,
}


def parts_table(options: Options) -> Table:
    """Seconds of each part of a step, for the models of the vocoder's example."""
    with tempfile.TemporaryDirectory() as folder:
        rows = []
        for name, (file, prior, overrides) in CASES.items():
            small = TINY if options.quick else {}
            task = vocoder_task(Path(folder), file, prior, {**overrides, **small}, options)
            rows.append({"model": name, **_parts(task, options)})
    title = "Seconds of the parts of a step of the vocoder's example in float32, and the data's path's share"
    columns = dict.fromkeys(PARTS, "{:.4f}")
    shares = {"whole": "{:.4f}", "spread": "± {:.1%}", "data's path": "{:.1%}", "without crops": "{:.1%}"}
    return Table(title, {"model": "{}", **columns, **shares}, rows)


def vocoder_task(
    folder: Path, file: str, prior: str, overrides: dict[str, Any], options: Options
) -> VocoderTask:
    """The example's task for one of its configurations, on recordings of noise.

    Args:
        folder: for the recordings.
        file: of the configuration.
        prior: under which.
        overrides: of the configuration.
        options: whose seed is that of the training.
    """
    speech = folder / "noise"
    if not speech.exists():
        _record_noise(speech, options.seed)
    here = {
        "corpus.directory": speech,
        "corpus.cache_directory": folder / "cache",
        "training.seed": options.seed,
        "evaluation.curve_utterances": 1,
        "evaluation.max_seconds": 0.5,
    }
    given = [f"{key}={value}" for key, value in {**here, **overrides}.items()]
    config = load_config(VocoderConfig, CONFIGS / file, given).under(prior)
    choice = PRIORS[prior]
    # A prior that is learned takes as long whatever it has learned.
    estimator = choice.make_estimator(config) if choice.is_learned else None
    return VocoderTask(config, *prepare_corpus(config), estimator, folder / "frames")


def _record_noise(folder: Path, seed: int, sample_rate: int = 22_050) -> None:
    folder.mkdir()
    generator = torch.Generator().manual_seed(seed)
    for number in range(20):
        samples = 0.05 * torch.randn(2 * sample_rate, generator=generator)
        soundfile.write(folder / f"{number}.wav", samples.clamp(-1, 1).numpy(), sample_rate)


def _parts(task: VocoderTask, options: Options) -> dict[str, float]:
    """Median seconds of each part of a step, and of the whole."""
    model, config = task.model.to(options.device), task.config.training
    optimizer, _ = make_optimizer(model, config, options.device)
    steps: list[dict[str, float]] = []
    watch = Stopwatch(options.device)
    _watch(model, "network, forward", watch)
    _watch(task.log_mel_of_crops, MEL, watch)
    if task.estimator is not None:
        _watch(task.estimator, "prior", watch)
    size = config.batch_size
    for number in range(0, (options.rounds + 1) * size, size):
        watch.seconds.clear()
        draws = [Draw(each % len(task.dataset), each, config.seed) for each in range(number, number + size)]
        with watch(CROPS):
            batch = task.collate([task.dataset[draw] for draw in draws])
            batch = {name: value.to(options.device) for name, value in batch.items()}
        with watch("loss"):
            sums = task.loss_sums(model, batch, [])
            loss = sum(sums[name] / count for name, count in task.loss_counts(batch).items())
        with watch("backward"):
            loss.backward()
        with watch("optimiser"):
            nn.utils.clip_grad_norm_(model.parameters(), config.max_grad_norm or math.inf)
            optimizer.step()
            optimizer.zero_grad()
        seconds = dict.fromkeys(PARTS, 0.0) | {part: sum(each) for part, each in watch.seconds.items()}
        seconds[LOSS] = seconds.pop("loss") - sum(
            seconds[part] for part in (MEL, "prior", "network, forward")
        )
        steps.append(seconds)
    wholes = Times([sum(step.values()) for step in steps[1:]])
    parts = {part: Times([step[part] for step in steps[1:]]).median for part in PARTS}
    shown = {"whole": wholes.median, "spread": wholes.spread}
    path = sum(parts[part] for part in DATA_PATH)
    shares = {"data's path": path, "without crops": path - parts[CROPS]}
    return {**parts, **shown, **{name: seconds / wholes.median for name, seconds in shares.items()}}


def _watch(module: nn.Module, part: str, watch: Stopwatch) -> None:
    """Measures each call of a module as a part."""
    running: list[Any] = []

    def start(*_: Any) -> None:
        running.append(watch(part))
        running[-1].__enter__()

    def stop(*_: Any) -> None:  # what a hook returns would take the place of the output
        running.pop().__exit__(None, None, None)

    module.register_forward_pre_hook(start)
    module.register_forward_hook(stop)
