"""Precision of the arithmetic: half the bits only where that is faster."""

from __future__ import annotations

import contextlib
import functools
import logging
import math
import time
from collections.abc import Iterator

import torch
import torch.nn.functional as F

__all__ = ["AUTO", "bfloat16_cost", "choose_precision", "fastest_precision"]

AUTO = "auto"
"""The precision that leaves the choice to the device."""

# In float32 DiffWave's layers are computed together, which takes seven tenths of the time of one by one: a
# smaller gain than that is none. Above the other one there is something to say.
_WORTH_IT = 0.7
_TOO_SLOW = 1.5

_SECONDS, _MIN_ROUNDS, _MAX_ROUNDS = 0.3, 3, 20

_logger = logging.getLogger(__name__)


def choose_precision(requested: str, device: torch.device) -> str:
    """Precision of a training on a device; where bfloat16 is requested and slow, a warning says how slow.

    Args:
        requested: ``auto``, ``no``, ``bf16`` or ``fp16``.
        device: Where the training runs.

    Returns:
        ``no``, ``bf16`` or ``fp16``.
    """
    if requested == AUTO:
        return fastest_precision(device)
    if requested == "bf16" and device.type == "cpu":
        _warn_if_emulated()
    return requested


def fastest_precision(device: torch.device) -> str:
    """Precision in which networks train fastest on a device, as far as that is certain.

    NVIDIA GPUs have units for bfloat16 from compute capability 8.0 on, and a CPU is measured. Everything else
    trains in float32. float16 is never chosen: of the older GPUs, only some are faster with it, and its range
    is small.

    Args:
        device: Where the training runs.

    Returns:
        ``bf16`` or ``no``.
    """
    if device.type == "cpu":
        is_faster = bfloat16_cost() < _WORTH_IT
    elif device.type == "cuda":
        # ROCm counts the capabilities of its GPUs otherwise.
        is_faster = torch.version.cuda is not None and torch.cuda.get_device_capability(device) >= (8, 0)
    else:
        is_faster = False
    return "bf16" if is_faster else "no"


@functools.cache
def bfloat16_cost() -> float:
    """Measure how long this CPU takes in bfloat16 for what takes one second in float32.

    What the processor says of itself isn't asked: one without instructions for bfloat16 emulates them, many
    times as slow, and variables such as ``ONEDNN_MAX_CPU_ISA`` can forbid instructions that are there. The
    work is a small convolution, forward and backward. Other work on the machine hardly matters: it runs in
    one thread, whose own time counts, and of its rounds the fastest. It takes less than a second, once in a
    process, and no random numbers.

    Returns:
        Ratio of the times.
    """
    row = torch.ones(2, 64, 1, 512).to(memory_format=torch.channels_last).requires_grad_()
    weight = torch.ones(128, 64, 1, 3, requires_grad=True)
    fastest = {False: math.inf, True: math.inf}
    began = time.thread_time()
    with _single_thread():
        for number in range(1, _MAX_ROUNDS + 1):
            for bf16 in fastest:
                started = time.thread_time()
                with torch.enable_grad(), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                    loss = F.conv2d(row, weight, padding=(0, 1)).float().square().mean()
                torch.autograd.grad(loss, (row, weight))
                fastest[bf16] = min(fastest[bf16], time.thread_time() - started)
            if number >= _MIN_ROUNDS and time.thread_time() - began > _SECONDS:
                break
    return fastest[True] / fastest[False]


@contextlib.contextmanager
def _single_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@functools.cache
def _warn_if_emulated() -> None:
    if (cost := bfloat16_cost()) >= _TOO_SLOW:
        _logger.warning(
            "bfloat16 is about %.0f times as slow as float32 on this processor: "
            "a new run with mixed_precision=auto would use float32",
            cost,
        )
