"""What importing priordiff costs, side by side with the imports of torch and diffusers that it stands on.

    python benchmarks/import_time.py

prints, for each line of imports, medians over fresh processes that take turns: wall time, time of the
processor and peak of memory, start of Python included, and their ratios to the first line's. On a busy
machine the time of the processor is the one to compare.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from typing import NamedTuple

REFERENCE = "import torch; from diffusers import DDIMScheduler"
PROGRAMS = (
    REFERENCE,
    "import priordiff.commands",
    "from priordiff import PriorGradScheduler, DiagonalPrior",
    "from priordiff import DiffWave",
    "from priordiff import VocoderPipeline",
)
_BYTES = 1 if sys.platform == "darwin" else 1024  # what the system counts peaks of memory in


class Cost(NamedTuple):
    """What a process took: seconds of wall time and of the processor, and bytes of memory at its peak."""

    wall: float
    processor: float
    memory: float


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="processes for each line (default: 5)")
    rounds = parser.parse_args().rounds
    cost_of(REFERENCE)  # fills the system's cache of files
    costs: dict[str, list[Cost]] = {program: [] for program in PROGRAMS}
    for _ in range(rounds):
        for program, taken in costs.items():
            taken.append(cost_of(program))
    medians = {
        program: Cost(*map(statistics.median, zip(*taken, strict=True))) for program, taken in costs.items()
    }
    print(f"{f'median of {rounds}':<58} {'wall':>15} {'processor':>15} {'peak memory':>17}")
    for program, cost in medians.items():
        wall, processor, memory = (a / b for a, b in zip(cost, medians[REFERENCE], strict=True))
        print(
            f"{program:<58} {cost.wall:6.2f} s x {wall:4.2f} {cost.processor:6.2f} s x {processor:4.2f} "
            f"{cost.memory / 1e6:7.0f} MB x {memory:4.2f}"
        )


def cost_of(program: str) -> Cost:
    """What a fresh Python takes to run a program."""
    start = time.perf_counter()
    child = os.spawnv(os.P_NOWAIT, sys.executable, [sys.executable, "-c", program])
    _, status, usage = os.wait4(child, 0)
    wall = time.perf_counter() - start
    if status:
        raise SystemExit(f"{sys.executable} -c {program!r} failed")
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * _BYTES)


if __name__ == "__main__":
    main()
