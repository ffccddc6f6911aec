"""What benchmarks share: times side by side, memory held at most, waiting for a device, and the machine."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch.profiler import ProfilerActivity, profile

from priordiff.training.precision import fastest_precision

__all__ = [
    "Options",
    "Stopwatch",
    "Times",
    "machine",
    "matrix_product_flops",
    "multiplies_bfloat16",
    "peak_bytes",
    "side_by_side",
    "synchronize",
]

Name = TypeVar("Name", bound=Hashable)


@dataclass(frozen=True)
class Options:
    """How to measure.

    Attributes:
        device: on which.
        seed: of weights and data.
        rounds: of each comparison, after one to warm up.
        quick: whether all sizes are as small as can be, to see that everything runs.
    """

    device: torch.device
    seed: int = 0
    rounds: int = 5
    quick: bool = False


@dataclass(frozen=True)
class Times:
    """Seconds of the rounds of one call."""

    seconds: list[float]

    @property
    def median(self) -> float:
        """The middle one."""
        return statistics.median(self.seconds)

    @property
    def spread(self) -> float:
        """Half the distance of the quartiles, as a share of the median."""
        if len(self.seconds) < 2:
            return 0.0
        first, _, third = statistics.quantiles(self.seconds, n=4, method="inclusive")
        return (third - first) / 2 / self.median


@dataclass
class Stopwatch:
    """Seconds of the parts of what is done again and again.

    Attributes:
        device: on which.
        seconds: of each part, one for each time.
    """

    device: torch.device
    seconds: dict[str, list[float]] = field(default_factory=dict)

    @contextmanager
    def __call__(self, part: str) -> Iterator[None]:
        """Measures what is done inside as a part."""
        synchronize(self.device)
        started = time.perf_counter()
        yield
        synchronize(self.device)
        self.seconds.setdefault(part, []).append(time.perf_counter() - started)


def multiplies_bfloat16(options: Options) -> bool:
    """Whether bfloat16 is worth measuring: where it is fast, and where nothing is measured anyway."""
    return options.quick or fastest_precision(options.device) == "bf16"


def side_by_side(
    calls: Mapping[Name, Callable[[], Any]], options: Options, shortest: float = 0.0
) -> dict[Name, Times]:
    """Times of calls that take turns, so that what the machine does beside them falls on all alike.

    Args:
        calls: by name.
        options: whose rounds follow one to warm up.
        shortest: seconds; what is over sooner is repeated within a round, and the mean taken.
    """
    repeats = dict.fromkeys(calls, 1)
    times: dict[Name, list[float]] = {name: [] for name in calls}
    for measured in range(options.rounds + 1):
        for name, call in calls.items():
            if measured == 1 and shortest:  # warm by now: the first call may have been slower by far
                repeats[name] = max(1, round(shortest / _seconds(call, 1, options.device)))
            seconds = _seconds(call, repeats[name], options.device)
            if measured:  # the first round warms up
                times[name].append(seconds)
    return {name: Times(seconds) for name, seconds in times.items()}


def _seconds(call: Callable[[], Any], repeats: int, device: torch.device) -> float:
    synchronize(device)
    started = time.perf_counter()
    for _ in range(repeats):
        call()
    synchronize(device)
    return (time.perf_counter() - started) / repeats


def matrix_product_flops(options: Options) -> float:
    """Operations a second of a product of large matrices in float32: about as many as there can be."""
    size = 64 if options.quick else 1024
    a, b = torch.randn(2, size, size, device=options.device)
    times = side_by_side({"product": lambda: a @ b}, options)
    return 2 * size**3 / min(times["product"].seconds)


def machine(options: Options) -> dict[str, Any]:
    """On what was measured, and how."""
    cpu_info = Path("/proc/cpuinfo")
    lines = cpu_info.read_text().splitlines() if cpu_info.is_file() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    on_cuda = options.device.type == "cuda"
    return {
        "processor": models[0] if models else platform.processor() or platform.machine(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name(options.device) if on_cuda else str(options.device),
        "python": platform.python_version(),
        **{package: version(package) for package in ("torch", "diffusers", "priordiff")},
        "seed": options.seed,
        "rounds": options.rounds,
    }


def peak_bytes(run: Callable[[], Any], device: torch.device) -> int:
    """What is allocated at most at one time while something runs."""
    if device.type == "cuda":
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        run()
        return torch.cuda.max_memory_allocated(device) - before
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        run()
    events = [event for event in profiler.profiler.kineto_results.events() if event.name() == "[memory]"]
    allocated = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        allocated += event.nbytes()
        peak = max(peak, allocated)
    return peak


def synchronize(device: torch.device) -> None:
    """Waits for what runs on a device."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
