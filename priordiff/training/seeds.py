"""Seeds that are functions of what they are for."""

from __future__ import annotations

import numpy as np

__all__ = ["seed_for"]


def seed_for(seed: int, purpose: str, number: int) -> int:
    """Seed for one use of randomness, independent of every other one.

    Args:
        seed: Seed of the run.
        purpose: What it is for.
        number: Which of them it is.

    Returns:
        A 32-bit seed, by numpy's ``SeedSequence``.

    Example:
        >>> seed_for(0, "crop", 3) == seed_for(0, "crop", 3) != seed_for(0, "noise", 3)
        True
    """
    # A purpose may hold the name of a file, whose bytes need not be UTF-8.
    encoded = purpose.encode(errors="surrogateescape")
    return int(np.random.SeedSequence([seed, number, *encoded]).generate_state(1)[0])
