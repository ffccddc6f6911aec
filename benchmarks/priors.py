"""What every covariance structure costs: time and memory of `color`, `whiten` and `log_det`."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from benchmarks.measuring import Options, peak_bytes, side_by_side
from benchmarks.structures import operations_of, structures_of
from benchmarks.tables import Table

__all__ = ["tables"]

OPERATIONS, SIZES = ("color", "whiten", "log_det"), (2**16, 2**20)


def tables(options: Options) -> Iterator[Table]:
    """Milliseconds of one event, as ratios to the diagonal prior too, and memory in buffers of its size."""
    for size in (2**10,) if options.quick else SIZES:
        torch.manual_seed(options.seed)
        calls = {
            (name, operation): call
            for name, structure in structures_of(size).items()
            for operation, call in operations_of(structure, size, options.device).items()
            if operation in OPERATIONS
        }
        memory = {key: peak_bytes(call, options.device) / (4 * size) for key, call in calls.items()}
        times = side_by_side(calls, options, shortest=0.0 if options.quick else 2e-3)
        rows = []
        for name in structures_of(size):
            row: dict[str, float | str] = {"structure": name}
            for operation in OPERATIONS:
                each = times[name, operation]
                row[f"{operation}, ms"] = each.median * 1e3
                row[f"{operation}, spread"] = each.spread
                row[f"{operation}, × diagonal"] = each.median / times["diagonal", operation].median
                row[f"{operation}, buffers"] = memory[name, operation]
            rows.append(row)
        formats = {"ms": "{:.3f}", "spread": "± {:.0%}", "× diagonal": "{:.1f}", "buffers": "{:.1f}"}
        columns = {
            f"{operation}, {unit}": pattern for operation in OPERATIONS for unit, pattern in formats.items()
        }
        title = f"Priors over one event of D = {size:,} in float32"
        yield Table(title, {"structure": "{}", **columns}, rows)
