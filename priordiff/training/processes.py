"""The processes that train together, and work for the main one alone."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import torch
from accelerate import Accelerator, PartialState
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedType, ProjectConfiguration, broadcast_object_list, parse_flag_from_env

from priordiff.training.options import TrainingConfig
from priordiff.training.sharding import shares_weights

__all__ = ["from_main_process", "join_processes", "make_accelerator", "on_main_process"]

T = TypeVar("T")

# The others wait while the main process makes a corpus or evaluates.
_LONGEST_WAIT = timedelta(hours=2)


def join_processes() -> PartialState:
    """Meet the other processes of this training; to be called before anything else asks how many there are.

    A process that is alone on a CPU gets all its cores, of which `accelerate launch` would leave it one.

    Returns:
        Which process this is, and of how many.

    Raises:
        ValueError: If several were launched that can't find each other.
    """
    # PartialState by itself doesn't heed the variable, Accelerator comes too late to be heard.
    state = PartialState(cpu=parse_flag_from_env("ACCELERATE_USE_CPU"), timeout=_LONGEST_WAIT)
    launched = int(os.environ.get("WORLD_SIZE", "1"))
    if launched != state.num_processes:
        raise ValueError(
            f"{launched} processes were launched, but they find no GPU to share: set ACCELERATE_USE_CPU=true "
            "to train on CPUs"
        )
    if state.num_processes == 1 and state.device.type == "cpu":
        _undo_single_thread()
    return state


def make_accelerator(config: TrainingConfig, run_dir: Path | str) -> Accelerator:
    """Make the accelerator of a run.

    Args:
        config: Options of the loop, whose precision has been chosen.
        run_dir: Folder of the run.

    Raises:
        ValueError: If the device can't do that precision, or processes were to share the weights by the first
            version of FSDP.
    """
    # An earlier run in this process may have had another precision.
    AcceleratorState._reset_state()
    accelerator = Accelerator(
        mixed_precision=config.mixed_precision,
        dynamo_backend=config.compile,
        log_with=list(config.trackers) or None,
        project_config=ProjectConfiguration(str(run_dir), logging_dir=str(Path(run_dir, "logs"))),
    )
    if accelerator.distributed_type == DistributedType.FSDP and not shares_weights(accelerator):
        raise ValueError(
            "weights are shared by FSDP 1, expected 2: pass --fsdp_version 2 to accelerate launch, of 1.6 or "
            "newer"
        )
    # The environment of `accelerate launch` can set it; the loop accumulates by itself.
    accelerator.gradient_accumulation_steps = 1
    return accelerator


def from_main_process(decide: Callable[[], T]) -> T:
    """Let the main process decide something for all of them.

    Args:
        decide: What it does.

    Returns:
        What it returned there.
    """
    decided = [decide() if PartialState().is_main_process else None]
    return broadcast_object_list(decided)[0]


def on_main_process(accelerator: Accelerator, action: Callable[[], object]) -> None:
    """Let the main process do something while the others wait; if it can't write, all of them stop.

    Args:
        accelerator: Knows the processes.
        action: What it does.

    Raises:
        OSError: In every process, if the action raised it.
    """
    failure: list[OSError | None] = [None]
    if accelerator.is_main_process:
        try:
            action()
        except OSError as error:
            failure = [error]
    broadcast_object_list(failure)
    if failure[0] is not None:
        raise failure[0]


def _undo_single_thread() -> None:
    """Without `--num_cpu_threads_per_process`, `accelerate launch` sets one thread on any machine."""
    if "ACCELERATE_MIXED_PRECISION" in os.environ and os.environ.get("OMP_NUM_THREADS") == "1":
        has_affinity = hasattr(os, "sched_getaffinity")
        torch.set_num_threads(len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1)
