"""Where the time of the published vocoder's sizes goes, by kinds of operations, beside the published code."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks.measuring import Options, multiplies_bfloat16, synchronize
from benchmarks.published_diffwave import HOP_LENGTH, N_MELS, pair
from benchmarks.tables import Table

__all__ = ["KINDS", "kind_of", "tables"]

# Words in the names of PyTorch's operators; the first kind that fits.
KINDS = {
    "matrix products": ("::mm", "addmm", "bmm", "::linear"),
    "convolutions": ("conv",),
    "sigmoids and hyperbolic tangents": ("sigmoid", "tanh", "silu"),
    "copies": ("copy", "cat", "clone", "contiguous", "fill", "zero"),
    "sums and elementwise products": ("add", "sub", "mul", "div", "sum", "relu", "threshold"),
}


def tables(options: Options) -> Iterator[Table]:
    """Shares of an evaluation on 2 seconds of audio, and of a prediction with its way back on 4 crops.

    In bfloat16, too, where the processor multiplies it: an evaluation of ours.
    """
    published, ours = pair(options)
    has_bfloat16 = multiplies_bfloat16(options)
    for title, batch, frames, has_gradients in (
        ("An evaluation on 2 seconds of audio", 1, 8 if options.quick else 172, False),
        ("A prediction and its gradients on 4 crops of 62 frames", 1 if options.quick else 4, 62, True),
    ):
        frames = min(frames, 8) if options.quick else frames
        log_mel = torch.randn(batch, N_MELS, frames, device=options.device) * 2 - 5
        noisy = torch.randn(batch, 1, frames * HOP_LENGTH, device=options.device)
        step = torch.full((batch,), 25, device=options.device)
        calls = {
            name: partial(_evaluate, network, noisy, step, log_mel, has_gradients=has_gradients)
            for name, network in (("published", published), ("priordiff", ours))
        }
        if has_bfloat16 and not has_gradients:
            in_bfloat16 = torch.autocast(options.device.type, torch.bfloat16)
            calls["priordiff, bfloat16"] = in_bfloat16(calls["priordiff"])
        seconds = {name: _seconds_of_kinds(call, options) for name, call in calls.items()}
        yield _table(title, seconds)


def kind_of(operator: str) -> str:
    """The kind of an operator of PyTorch.

    Example:
        >>> kind_of("aten::addmm_"), kind_of("aten::add_"), kind_of("aten::stft")
        ('matrix products', 'sums and elementwise products', 'the rest')
    """
    fitting = (kind for kind, words in KINDS.items() if any(word in operator for word in words))
    return next(fitting, "the rest")


def _evaluate(network: Any, *given: Any, has_gradients: bool) -> None:
    with torch.set_grad_enabled(has_gradients):
        prediction = network(*given)
    if has_gradients:
        prediction.square().mean().backward()
        network.zero_grad()


def _seconds_of_kinds(call: Callable[[], None], options: Options) -> dict[str, float]:
    """Of each kind the median over rounds, without what the operators call."""
    call()
    synchronize(options.device)
    activities = [ProfilerActivity.CPU]
    if options.device.type == "cuda":
        activities.append(ProfilerActivity.CUDA)
    rounds = []
    for _ in range(options.rounds):
        with profile(activities=activities) as profiler:
            call()
            synchronize(options.device)
        seconds: defaultdict[str, float] = defaultdict(float)
        for event in profiler.key_averages():
            on_device = event.self_device_time_total if options.device.type == "cuda" else 0
            seconds[kind_of(event.key)] += (on_device or event.self_cpu_time_total) / 1e6
        rounds.append(seconds)
    return {
        kind: float(torch.tensor([seconds[kind] for seconds in rounds]).median())
        for kind in (*KINDS, "the rest")
    }


def _table(title: str, seconds: dict[str, dict[str, float]]) -> Table:
    whole = {name: sum(of_kinds.values()) for name, of_kinds in seconds.items()}
    rows = []
    for kind in (*KINDS, "the rest", "all"):
        row: dict[str, Any] = {"operations": kind}
        for name, of_kinds in seconds.items():
            spent = of_kinds.get(kind, whole[name])
            row |= {f"{name}, s": spent, f"{name}, share": spent / whole[name]}
        rows.append(row)
    columns = {"operations": "{}"}
    for name in seconds:
        columns |= {f"{name}, s": "{:.3f}", f"{name}, share": "{:.0%}"}
    return Table(f"{title}, in float32 where nothing else is said", columns, rows)
