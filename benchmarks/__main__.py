"""Measures speed and memory: `python -m benchmarks [NAME …] [--quick]`.

Prints tables, and writes them with the machine, versions and seed to a file of JSON. Nothing else should run
beside it. What the quality of models is measured by is in scripts of their own.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import torch

from benchmarks.measuring import Options, machine

NAMES = (
    "inference",
    "training",
    "operators",
    "layouts",
    "length",
    "scaling",
    "priors",
    "steps",
    "evaluations",
    "demo",
    "threads",
    "imports",
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the benchmarks that are asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="smallest sizes: see that everything runs")
    parser.add_argument("--rounds", type=int, default=5, help="of each comparison (default: 5)")
    parser.add_argument("--device", default="cpu", help="(default: cpu)")
    parser.add_argument("--seed", type=int, default=0, help="(default: 0)")
    parser.add_argument("--output", type=Path, default=Path("runs/benchmarks.json"), help="the file of JSON")
    parser.add_argument("--tables", type=Path, help="folder for tables, as Markdown (default: none)")
    parser.add_argument("--plots", type=Path, help="folder for plots, as SVG (default: none)")
    given = parser.parse_args(arguments)
    if unknown := set(given.names) - set(NAMES):
        parser.error(f"no benchmark {', '.join(sorted(unknown))}: expected some of {', '.join(NAMES)}")
    options = Options(torch.device(given.device), given.seed, 1 if given.quick else given.rounds, given.quick)
    about = machine(options)
    of_machine = ", ".join(f"{name} {value}" for name, value in about.items())
    print(of_machine, file=sys.stderr)
    results = {}
    for name in given.names or NAMES:
        started = time.perf_counter()
        tables = []
        for table in import_module(f"benchmarks.{name}").tables(options):
            print(f"\n{table}", flush=True)
            tables.append(table)
        if given.tables:
            _write(given.tables / f"{name}.md", "\n\n".join([f"*{of_machine}*", *map(str, tables)]) + "\n")
        for number, plot in enumerate((plot for table in tables for plot in table.plots), 1):
            if given.plots:
                _write(given.plots / f"{name}-{number}.svg", plot.svg)
        shown = [table.content for table in tables]
        results[name] = {"seconds": time.perf_counter() - started, "tables": shown}
    _write(given.output, json.dumps({"machine": about, "benchmarks": results}, indent=1))


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
