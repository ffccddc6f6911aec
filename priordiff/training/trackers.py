"""Trackers of accelerate, given what each can take."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from accelerate import Accelerator
from accelerate.tracking import LOGGER_TYPE_TO_CLASS, get_available_trackers

from priordiff.training.task import Evaluation

__all__ = ["check_trackers", "log_evaluation", "start_trackers"]


def check_trackers(names: Sequence[str]) -> None:
    """Refuse trackers that accelerate doesn't know or whose package is missing.

    Args:
        names: Names of trackers.

    Raises:
        ValueError: If one is unknown.
        ImportError: If one's package isn't installed.
    """
    for name in names:
        if name not in LOGGER_TYPE_TO_CLASS:
            known = ", ".join(sorted(LOGGER_TYPE_TO_CLASS))
            raise ValueError(f"trackers is {list(names)!r}: {name!r} is none of {known}")
        if name not in [str(tracker) for tracker in get_available_trackers()]:
            extra = "'priordiff[train]'" if name == "tensorboard" else name
            raise ImportError(f"the tracker {name} isn't installed: install it with pip install {extra}")


def start_trackers(accelerator: Accelerator, run_dir: Path, step: int) -> None:
    """Start the accelerator's trackers and give them the configuration.

    Args:
        accelerator: An accelerator with its trackers' names.
        run_dir: Folder of the run with its configuration; its name becomes the project's.
        step: Step from which the run goes on; TensorBoard hides what it was told about later ones.
    """
    config_text = (run_dir / "config.yaml").read_text(encoding="utf-8")
    accelerator.init_trackers(run_dir.name, init_kwargs={"tensorboard": {"purge_step": step + 1}})
    for tracker in accelerator.trackers:
        if tracker.name == "tensorboard":
            tracker.log({"configuration": f"```yaml\n{config_text}```"}, step=step)
        else:
            tracker.store_init_configuration({"configuration": config_text})


def log_evaluation(accelerator: Accelerator, evaluation: Evaluation, step: int) -> None:
    """Show an evaluation's metrics, and its media where a tracker takes them.

    Args:
        accelerator: An accelerator with started trackers.
        evaluation: What is shown.
        step: Steps taken.
    """
    accelerator.log({f"evaluation/{name}": v for name, v in evaluation.metrics.items()}, step=step)
    for tracker in accelerator.trackers:
        if tracker.name == "tensorboard":
            for name, image in evaluation.images.items():
                tracker.writer.add_image(name, image, step, dataformats="HWC")
            for name, audio in evaluation.audio.items():
                waveform = audio.detach().float().cpu().reshape(1, -1)
                tracker.writer.add_audio(name, waveform, step, sample_rate=evaluation.sample_rate)
            tracker.writer.flush()
        elif hasattr(tracker, "log_images") and evaluation.images:
            tracker.log_images({name: [image] for name, image in evaluation.images.items()}, step=step)
