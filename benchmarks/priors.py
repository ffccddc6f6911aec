"""What every covariance structure costs: time and memory of `color`, `whiten` and `log_det`.

    python benchmarks/priors.py
    python benchmarks/priors.py --sizes 65536 1048576 --device cuda --rounds 20

measures all of them side by side, alternating, over events of growing size D, and prints two Markdown tables.
The first has times, as the medians of several rounds and as ratios to the diagonal prior in the same run, and
the peak of what an operation allocates, its result included, in buffers of the sample's size. The second
sets how times grow beside what the documentation claims. Half as much again, as where data leave the cache,
is marked.
"""

from __future__ import annotations

import argparse
import itertools
import math
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import torch
from measuring import peak_bytes, synchronize
from torch import Tensor

from priordiff import (
    DensePrior,
    DiagonalPrior,
    GaussianPrior,
    KroneckerPrior,
    LappedPrior,
    LowRankPrior,
    SpectralPrior,
    StftPrior,
)

OPERATIONS = ("color", "whiten", "log_det")
SHORTEST_MEASUREMENT = 2e-3  # seconds: quicker operations are repeated within a round


@dataclass(frozen=True)
class Structure:
    """One covariance structure.

    Attributes:
        make: from D and a function that makes positive tensors of a shape to the prior.
        cost: what `color` and `whiten` are claimed to cost, as a function of D, up to a factor.
        event_shape: from D to the shape of an event.
        largest: largest D that is measured.
    """

    make: Callable[[int, Callable[..., Tensor]], GaussianPrior]
    cost: Callable[[int], float] = float
    event_shape: Callable[[int], tuple[int, ...]] = lambda size: (1, size)
    largest: int = 2**24


def _fast_transform(size: int) -> float:
    return size * math.log(size)


def _correlated(axis_length: int) -> Structure:
    """A Kronecker product of one covariance along an axis of a given length and the identity."""

    def make(size: int, positive: Callable[..., Tensor]) -> GaussianPrior:
        factor = positive(axis_length, axis_length)
        return KroneckerPrior(0.0, {1: factor @ factor.mT + torch.eye(axis_length).to(factor)})

    return Structure(make, event_shape=lambda size: (axis_length, size // axis_length))


def _low_rank(rank: int) -> Structure:
    return Structure(
        lambda size, positive: LowRankPrior(0.0, positive(1, 1, size), positive(size, rank) / size**0.5)
    )


def _dense(size: int, positive: Callable[..., Tensor]) -> GaussianPrior:
    factor = positive(size, 4)
    return DensePrior(0.0, factor @ factor.mT + torch.eye(size).to(factor))


STRUCTURES = {
    "diagonal": Structure(lambda size, positive: DiagonalPrior(0.0, positive(1, 1, size))),
    "low rank, r = 8": _low_rank(8),
    "low rank, r = 32": _low_rank(32),
    "spectral": Structure(
        lambda size, positive: SpectralPrior(0.0, positive(1, 1, size // 2 + 1), [-1]), _fast_transform
    ),
    "lapped, H = 256": Structure(
        lambda size, positive: LappedPrior(0.0, positive(1, 1, size // 256, 256), 256)
    ),
    "Kronecker, n = 16": _correlated(16),
    "Kronecker, n = 64": _correlated(64),
    "STFT, W = 256": Structure(
        lambda size, positive: StftPrior(0.0, positive(1, 1, size // 64, 129), 64), largest=2**18
    ),
    "dense": Structure(_dense, lambda size: size**2, largest=2**12),
}


@dataclass
class Measured:
    """One operation of one structure: seconds of every round, and bytes allocated at most."""

    run: Callable[[], Tensor]
    repeats: int = 1
    rounds: list[float] = field(default_factory=list)
    peak_bytes: int = 0

    @property
    def seconds(self) -> float:
        """Median of the rounds."""
        return statistics.median(self.rounds)


def main() -> None:
    """Measures and prints the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--sizes",
        type=int,
        nargs="+",
        default=[2**10, 2**12, 2**14, 2**16, 2**18, 2**20],
        help="D, multiples of 256",
    )
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.manual_seed(arguments.seed)
    machine = f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads"
    if arguments.device.type == "cuda":
        machine = torch.cuda.get_device_name(arguments.device)
    print(f"{machine}, torch {torch.__version__}, seed {arguments.seed}")
    print(f"float32, batch 1, medians of {arguments.rounds} rounds\n")
    results = {size: _measure(size, arguments.rounds, arguments.device) for size in sorted(arguments.sizes)}
    _print_costs(results)
    _print_growth(results)


def _measure(size: int, rounds: int, device: torch.device) -> dict[tuple[str, str], Measured]:
    """Every operation of every structure that is measured at this size."""

    def positive(*shape: int) -> Tensor:
        return torch.rand(shape, device=device) + 0.5

    measured = {}
    for name, structure in STRUCTURES.items():
        if size > structure.largest:
            continue
        prior, event_shape = structure.make(size, positive), structure.event_shape(size)
        x = torch.randn(1, *event_shape, device=device)
        measured[name, "color"] = Measured(partial(prior.color, x))
        measured[name, "whiten"] = Measured(partial(prior.whiten, x))
        measured[name, "log_det"] = Measured(partial(prior.log_det, event_shape))
    for operation in measured.values():
        operation.peak_bytes = peak_bytes(operation.run, device)
        operation.repeats = max(1, int(SHORTEST_MEASUREMENT / _seconds(operation, device)))
    for _ in range(rounds):
        for operation in measured.values():
            operation.rounds.append(_seconds(operation, device))
    return measured


def _seconds(operation: Measured, device: torch.device) -> float:
    synchronize(device)
    started = time.perf_counter()
    for _ in range(operation.repeats):
        operation.run()
    synchronize(device)
    return (time.perf_counter() - started) / operation.repeats


def _print_costs(results: dict[int, dict[tuple[str, str], Measured]]) -> None:
    columns = [f"{name}, {unit}" for name in OPERATIONS for unit in ("ms", "× diagonal", "buffers")]
    print(f"| D | structure | {' | '.join(columns)} |\n|{'---|' * (2 + len(columns))}")
    for size, measured in results.items():
        for name in STRUCTURES:
            if (name, "color") not in measured:
                continue
            cells = []
            for operation in OPERATIONS:
                one, diagonal = measured[name, operation], measured["diagonal", operation]
                cells += [
                    f"{one.seconds * 1e3:.3f}",
                    f"{one.seconds / diagonal.seconds:.1f}",
                    f"{one.peak_bytes / (4 * size):.1f}",
                ]
            print(f"| {size} | {name} | {' | '.join(cells)} |")


def _print_growth(results: dict[int, dict[tuple[str, str], Measured]]) -> None:
    """How times grow from size to size, and with rank and length of the axis, beside what is claimed."""
    largest = max(results)
    comparisons = [
        ((f"{name} = {few}", largest), (f"{name} = {many}", largest), many / few)
        for name, few, many in (("low rank, r", 8, 32), ("Kronecker, n", 16, 64))
    ]
    for name, structure in STRUCTURES.items():
        sizes = [size for size in results if size <= structure.largest]
        for small, large in itertools.pairwise(sizes[-3:]):
            comparisons.append(((name, small), (name, large), structure.cost(large) / structure.cost(small)))
    print("\n| from | to | claimed | color | whiten |\n|---|---|---|---|---|")
    for (name, small), (other_name, large), claimed in comparisons:
        growth = (
            results[large][other_name, operation].seconds / results[small][name, operation].seconds
            for operation in ("color", "whiten")
        )
        cells = [f"{factor:.1f}{' (more)' if factor > 1.5 * claimed else ''}" for factor in growth]
        print(f"| {name}, D = {small} | {other_name}, D = {large} | ≤ {claimed:.1f} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
