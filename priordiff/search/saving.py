"""Found schedules in a pipeline, with which they are saved."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any

from priordiff.search.schedule_search import Trial

__all__ = ["use_schedules"]


def use_schedules(pipeline: Any, trials: Iterable[Trial], default_steps: int | None = None) -> None:
    """Has a pipeline sample with the schedules that were found, each in calls of its number of steps.

    They become part of the pipeline's configuration, and so of what `save_pretrained` writes. Its scheduler
    remains the one of the training, from which any solver can still be had by name. In a pipeline of
    diffusers, which has no such configuration, assign the scheduler of one trial instead:
    `pipeline.scheduler = trial.scheduler`.

    Args:
        pipeline: a `TextToSpeechPipeline` or a `VocoderPipeline`.
        trials: one for each number of steps; of several with the same number the last is taken.
        default_steps: steps of a call that does not say how many; by default those of the pipeline if they
            are among the found ones, else the most of these.

    Raises:
        ValueError: if there is no trial, none of `default_steps`, or the pipeline cannot hold them.

    Example:
        >>> from priordiff import PriorGradScheduler, VocoderPipeline
        >>> from priordiff.models import DiffWave
        >>> from priordiff.pipelines import with_solver
        >>> from priordiff.search import Trial, use_schedules
        >>> model = DiffWave(residual_channels=8, residual_layers=2, n_mels=8, hop_length=16)
        >>> vocoder = VocoderPipeline(model, PriorGradScheduler())
        >>> found = with_solver(vocoder.scheduler, "unipc", use_karras_sigmas=True)
        >>> use_schedules(vocoder, [Trial("unipc", "use_karras_sigmas", found, 4, score=0.3)])
        >>> vocoder.config.num_inference_steps, list(vocoder.config.schedules)
        (4, ['4'])
    """
    if "schedules" not in pipeline.config:
        raise ValueError(
            f"{type(pipeline).__name__} has no place for schedules: assign pipeline.scheduler = "
            "trial.scheduler, and call it with num_inference_steps=trial.num_inference_steps"
        )
    schedules = {str(trial.num_inference_steps): _written(trial.scheduler) for trial in trials}
    if not schedules:
        raise ValueError("trials is empty, expected at least one")
    if default_steps is None:
        own = pipeline.config["num_inference_steps"]
        default_steps = own if str(own) in schedules else max(map(int, schedules))
    if str(default_steps) not in schedules:
        raise ValueError(f"default_steps={default_steps}, expected one of {', '.join(schedules)}")
    pipeline.register_to_config(schedules=schedules, num_inference_steps=default_steps)


def _written(scheduler: Any) -> dict[str, Any]:
    """A scheduler's configuration in JSON, which knows no infinity: what is infinite is so by default."""
    config = json.loads(scheduler.to_json_string())
    return {name: value for name, value in config.items() if value != -math.inf}
