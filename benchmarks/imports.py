"""What importing priordiff costs, beside the imports of torch and diffusers that it stands on.

Each line of imports runs in fresh processes, which take turns: wall time and time of the processor, start of
Python included, and the peak of memory. On a busy machine the time of the processor is the one to compare.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from statistics import median

from benchmarks.children import measured_in_child
from benchmarks.measuring import Options, Times
from benchmarks.tables import Table

__all__ = ["tables"]

REFERENCE = "import torch; from diffusers import DDIMScheduler"
PROGRAMS = (
    REFERENCE,
    "import priordiff.commands",
    "from priordiff import PriorGradScheduler, DiagonalPrior",
    "from priordiff import DiffWave",
    "from priordiff import VocoderPipeline",
)
MEASURES = ("wall", "processor", "memory")
_THEN = "; import time; from benchmarks.children import peak_resident_bytes"
_THEN += "; print([time.process_time(), peak_resident_bytes()])"


def tables(options: Options) -> Iterator[Table]:
    """Medians, and ratios to the first line's."""
    programs = PROGRAMS[:2] if options.quick else PROGRAMS
    if not options.quick:
        _cost_of(REFERENCE)  # fills the system's cache of files
    costs: dict[str, list[dict[str, float]]] = {program: [] for program in programs}
    for _ in range(options.rounds):
        for program, taken in costs.items():
            taken.append(_cost_of(program))
    medians = {
        program: {measure: median(cost[measure] for cost in taken) for measure in MEASURES}
        for program, taken in costs.items()
    }
    rows = []
    for program, values in medians.items():
        ratios = {f"{name}, ratio": value / medians[REFERENCE][name] for name, value in values.items()}
        spread = Times([cost["processor"] for cost in costs[program]]).spread
        rows.append({"imports": program, **values, **ratios, "spread of processor": spread})
    columns = {"imports": "{}"}
    for name, pattern in zip(MEASURES, ("{:.2f} s", "{:.2f} s", "{:,.0f} B"), strict=True):
        columns |= {name: pattern, f"{name}, ratio": "{:.2f}"}
    yield Table("Imports in fresh processes", {**columns, "spread of processor": "± {:.1%}"}, rows)


def _cost_of(program: str) -> dict[str, float]:
    """What a fresh Python takes for imports."""
    started = time.perf_counter()
    processor, memory = measured_in_child(["-c", program + _THEN])
    return {"wall": time.perf_counter() - started, "processor": processor, "memory": memory}
