"""Arguments that several commands have."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable

__all__ = ["add_sampling", "within"]

_SOLVERS = "ddpm, ddim, dpm++, sde-dpm++ or unipc"
_LARGEST_SEED = 2**63 - 1  # of those that PyTorch takes on every platform


def add_sampling(parser: argparse.ArgumentParser, seed: str, largest_seed: int = _LARGEST_SEED) -> None:
    """Adds what every sampler has: steps, solver and seed.

    Args:
        parser: to which they are added.
        seed: the help of `--seed`.
        largest_seed: that it may be.
    """
    parser.add_argument(
        "--steps", type=int, metavar="N", help="of sampling: more take longer (default: the model's)"
    )
    parser.add_argument("--solver", metavar="NAME", help=f"{_SOLVERS} (default: the model's)")
    parser.add_argument("--seed", type=within(0, largest_seed, int), default=0, metavar="N", help=seed)


def within(least: float, most: float, kind: Callable[[str], float] = float) -> Callable[[str], float]:
    """What reads a number that has bounds, which a pipeline has likewise.

    Args:
        least: the smallest that it may be.
        most: the largest.
        kind: float or int.

    Example:
        >>> within(0, 10)("2.5")
        2.5
    """

    def number(value: str) -> float:
        try:
            parsed = kind(value)
        except ValueError:
            parsed = math.nan
        if not least <= parsed <= most:
            raise argparse.ArgumentTypeError(f"{value or 'nothing'}, expected {least} to {most}")
        return parsed

    return number
