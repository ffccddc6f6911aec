"""How threads that wait for each other get on beside other work, by how OpenMP is told to wait.

    python benchmarks/threads.py

prints the median time of a training step of the vocoder's network in float32, for each setting in a process
of its own: on the machine as it is, and beside one process that does nothing but keep a core busy. The
settings take turns. Nothing else should run.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time

SETTINGS: dict[str, dict[str, str]] = {
    "OpenMP's default": {},
    "GOMP_SPINCOUNT=10000": {"GOMP_SPINCOUNT": "10000"},
    "GOMP_SPINCOUNT=1000": {"GOMP_SPINCOUNT": "1000"},
    "OMP_WAIT_POLICY=passive": {"OMP_WAIT_POLICY": "passive"},
    "one thread": {"OMP_NUM_THREADS": "1"},
}


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="processes for each setting and machine")
    parser.add_argument("--steps", type=int, help="measure so many steps in this process, and print them")
    arguments = parser.parse_args()
    if arguments.steps is not None:
        print(*_steps(arguments.steps))
        return
    times: dict[tuple[str, bool], list[float]] = {}
    for _ in range(arguments.rounds):
        for busy in (False, True):
            for name in SETTINGS:
                times.setdefault((name, busy), []).extend(_measured(SETTINGS[name], busy))
    print("| setting | nothing else runs | beside one busy process |")
    print("|---|---|---|")
    for name in SETTINGS:
        alone, beside = (1000 * statistics.median(times[name, busy]) for busy in (False, True))
        print(f"| {name} | {alone:.0f} ms | {beside:,.0f} ms |")


def _measured(setting: dict[str, str], busy: bool) -> list[float]:
    """Seconds of a few steps, in a process with these variables."""
    other = subprocess.Popen([sys.executable, "-c", "while True: pass"]) if busy else None
    try:
        finished = subprocess.run(
            [sys.executable, __file__, "--steps", "6"],
            env={**os.environ, **setting},
            check=True,
            capture_output=True,
            text=True,
        )
    finally:
        if other is not None:
            other.kill()
            other.wait()
    return [float(seconds) for seconds in finished.stdout.split()]


def _steps(number: int) -> list[float]:
    """Seconds of forward and backward passes of the demo's network on its batch, after two to warm up."""
    import torch  # reads the variables

    from priordiff import DiffWave

    torch.manual_seed(0)
    model = DiffWave(residual_channels=64, residual_layers=12, dilation_cycle_length=6, block_size=16)
    log_mel, state = torch.randn(8, 80, 32), torch.randn(8, 1, 32 * 256)
    times = []
    for _ in range(number + 2):
        started = time.perf_counter()
        model(state, torch.full((8,), 7), log_mel=log_mel).square().mean().backward()
        times.append(time.perf_counter() - started)
    return times[2:]


if __name__ == "__main__":
    main()
