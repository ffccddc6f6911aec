"""The order of held-out images: any number of the first ones is like all of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import torch

__all__ = ["one_of_each", "spread"]

_SEED = 0


def spread(labels: Sequence[int]) -> list[int]:
    """Indices of items so ordered that in every beginning each class has about the share that it has in all.

    Item r of the n of a class, which are shuffled, stands at (r + ½) / n of the way; the order is a function
    of the labels alone.

    Args:
        labels: the class of each item.

    Example:
        >>> [[0, 0, 0, 0, 1, 1][index] for index in spread([0, 0, 0, 0, 1, 1])]
        [0, 1, 0, 0, 1, 0]
    """
    shuffled = torch.randperm(len(labels), generator=torch.Generator().manual_seed(_SEED)).tolist()
    members: dict[int, list[int]] = defaultdict(list)
    for index in shuffled:
        members[labels[index]].append(index)
    places = [
        ((rank + 0.5) / len(indices), index)
        for indices in members.values()
        for rank, index in enumerate(indices)
    ]
    return [index for _, index in sorted(places, key=lambda place: place[0])]


def one_of_each(labels: Sequence[int], count: int) -> list[int]:
    """Indices of `count` items, or of all: the first of every class, then the second of every one, and so on.

    Args:
        labels: the class of each item.
        count: how many at most.

    Example:
        >>> one_of_each([0, 0, 1, 0, 2], count=4)
        [0, 2, 4, 1]
    """
    seen: dict[int, int] = defaultdict(int)
    rounds = []
    for index, label in enumerate(labels):
        rounds.append((seen[label], index))
        seen[label] += 1
    return [index for _, index in sorted(rounds)][:count]
