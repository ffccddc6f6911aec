"""What a training takes on which machines: arithmetic, and what of it can be measured here.

`python benchmarks/scale.py` prints the tables of docs/scale.md: parameters and operations are counted from
the real networks, everything else is computed from the assumptions in `scale_assumptions.py`. `--here` then
measures the parts that need no cluster: what a core reads from shards, and what a small network holds.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.counting import StepCost
from benchmarks.scale_assumptions import BF16, CARDS, CROP_SECONDS, SCENARIOS, Scenario, estimate
from benchmarks.tables import Table

__all__ = ["main", "tables"]


def tables() -> Iterator[Table]:
    """The tables of docs/scale.md."""
    costs = [(scenario, scenario.cost()) for scenario in SCENARIOS]
    yield Table("Networks", _NETWORK, [_network_row(*each) for each in costs])
    rows = [
        _training_row(scenario, cost, name, strategy)
        for scenario, cost in costs
        for name in scenario.cards
        for strategy in scenario.strategies
    ]
    yield Table("Trainings", _TRAINING, rows)


_NETWORK = {
    "corpus": "{}",
    "network": "{}",
    "parameters": "{:,d}",
    "crops × frames": "{}",
    "TFLOP a step": "{:.2f}",
    "GB moved a step": "{:.0f}",
    "FLOP a byte": "{:.0f}",
    "operations": "{:,d}",
    "GB kept for backward": "{:.1f}",
}
_TRAINING = {
    "corpus": "{}",
    "cards": "{}",
    "by": "{}",
    "steps a second": "{:.2f}",
    "bound by": "{}",
    "GB a card": "{:.0f}",
    "of": "{:.0f}",
    "read, MB/s": "{:,.0f}",
    "crops a second": "{:,.0f}",
    "cores a card": "{:.1f}",
    "days": "{:.2f}",
    "passes": "{:.0f}",
}


def _network_row(scenario: Scenario, cost: StepCost) -> Mapping[str, Any]:
    network = scenario.network
    name = network.func.__name__ if isinstance(network, partial) else getattr(network, "__name__", "")
    options = network.keywords if isinstance(network, partial) else {}
    given = ", ".join(f"{value} {option}" for option, value in options.items())
    moved = BF16 * cost.traffic
    values = (
        scenario.corpus,
        f"{name}, {given}" if given else f"{name}, as published",
        cost.parameters,
        f"{scenario.batch} × {scenario.frames}",
        cost.flops / 1e12,
        moved / 1e9,
        cost.flops / moved,
        cost.operations,
        BF16 * cost.activations / 1e9,
    )
    return dict(zip(_NETWORK, values, strict=True))


def _training_row(scenario: Scenario, cost: StepCost, name: str, strategy: str) -> Mapping[str, Any]:
    card = CARDS[name]
    found = estimate(scenario, cost, card, strategy)
    values = (
        scenario.corpus,
        f"{scenario.devices} × {name}",
        "–" if strategy == "one" else strategy,
        found.steps_per_second,
        found.bound,
        found.memory / 1e9,
        card.memory / 1e9,
        found.data_rate / 1e6,
        found.crops_per_second,
        found.crops_per_second * CROP_SECONDS / scenario.devices,
        found.days,
        found.passes,
    )
    return dict(zip(_TRAINING, values, strict=True))


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--here", action="store_true", help="measure what needs no cluster, too")
    given = parser.parse_args(arguments)
    for table in tables():
        print(f"\n{table}", flush=True)
    if given.here:
        from benchmarks.scale_here import tables_here

        for table in tables_here():
            print(f"\n{table}", flush=True)


if __name__ == "__main__":
    main()
