"""How threads that wait for each other get on beside other work, by how OpenMP is told to wait.

The time of a training pass of the vocoder demo's DiffWave in float32, for each setting in a process of its
own: on the machine as it is, and beside one process that does nothing but keep a core busy. The settings take
turns, and get no such variables from here.
`python -m benchmarks.threads PASSES SEED` is such a process: it prints seconds as JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator

import torch

from benchmarks.children import measured_in_child
from benchmarks.measuring import Options, Times
from benchmarks.networks import demo_diffwave
from benchmarks.tables import Table

__all__ = ["tables"]

SETTINGS: dict[str, dict[str, str]] = {
    "OpenMP's default": {},
    "GOMP_SPINCOUNT=10000": {"GOMP_SPINCOUNT": "10000"},
    "GOMP_SPINCOUNT=1000": {"GOMP_SPINCOUNT": "1000"},
    "OMP_WAIT_POLICY=passive": {"OMP_WAIT_POLICY": "passive"},
    "one thread": {"OMP_NUM_THREADS": "1"},
}
PASSES = 6
UNSET = dict.fromkeys(("GOMP_SPINCOUNT", "OMP_WAIT_POLICY", "OMP_NUM_THREADS"))
OTHERS = {False: "nothing else runs", True: "beside one busy process"}


def tables(options: Options) -> Iterator[Table]:
    """Medians over the passes of all rounds."""
    settings = ["one thread"] if options.quick else list(SETTINGS)
    times: dict[tuple[str, bool], list[float]] = {}
    for _ in range(options.rounds):
        for is_busy in (True,) if options.quick else (False, True):
            for name in settings:
                found = _measured(SETTINGS[name], is_busy, 1 if options.quick else PASSES, options.seed)
                times.setdefault((name, is_busy), []).extend(found)
    rows = []
    for name in settings:
        row: dict[str, float | str] = {"setting": name}
        for is_busy, what in OTHERS.items():
            if found := times.get((name, is_busy)):
                row |= {what: 1e3 * Times(found).median, f"{what}, spread": Times(found).spread}
        rows.append(row)
    columns = {"setting": "{}"}
    for what in OTHERS.values():
        columns |= {what: "{:,.0f} ms", f"{what}, spread": "± {:.0%}"}
    yield Table("Training passes of the vocoder demo's DiffWave on the processor, by threads", columns, rows)


def _measured(setting: dict[str, str], is_busy: bool, passes: int, seed: int) -> list[float]:
    """Seconds of a few passes, in a process with these variables."""
    other = subprocess.Popen([sys.executable, "-c", "while True: pass"]) if is_busy else None
    try:
        return measured_in_child(["-m", "benchmarks.threads", str(passes), str(seed)], {**UNSET, **setting})
    finally:
        if other is not None:
            other.kill()
            other.wait()


def _passes(number: int, seed: int) -> list[float]:
    """Seconds of forward and backward passes of the demo's network on its batch, after two to warm up."""
    torch.manual_seed(seed)
    model = demo_diffwave()
    log_mel, state = torch.randn(8, 80, 32), torch.randn(8, 1, 32 * 256)
    times = []
    for _ in range(number + 2):
        started = time.perf_counter()
        model(state, torch.full((8,), 7), log_mel=log_mel).square().mean().backward()
        times.append(time.perf_counter() - started)
    return times[2:]


if __name__ == "__main__":
    print(json.dumps(_passes(*map(int, sys.argv[1:]))))
