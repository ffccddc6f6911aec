"""Splitting a corpus into training and validation items."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

__all__ = ["split_by_hash"]


def split_by_hash(
    keys: Sequence[str], validation_fraction: float, item: str = "item"
) -> tuple[list[int], list[int]]:
    r"""Splits items by a hash of their keys.

    An item is held out when $h(\text{key}) < \text{validation\_fraction}$ with $h$ the BLAKE2b hash scaled to
    $[0, 1)$. Its side depends on nothing but its key, so it stays there when items are added or removed, and
    items of one key stand on one side. The one exception: where a side would be empty, as happens with a few
    keys, it gets the key whose hash is nearest.

    Args:
        keys: one of each item; at least two different ones.
        validation_fraction: expected share of the keys that are held out, between 0 and 1.
        item: what a key stands for, for the message.

    Returns:
        Indices of the training and of the validation items, each at least one, in ascending order.

    Raises:
        ValueError: the fraction is not between 0 and 1, or there are fewer than two keys.

    Example:
        >>> split_by_hash(["a", "b", "a", "d"], validation_fraction=0.5)
        ([1], [0, 2, 3])
    """
    if not 0 < validation_fraction < 1:
        raise ValueError(f"validation_fraction is {validation_fraction}, expected a number between 0 and 1")
    hashes = {key: _unit_hash(key) for key in keys}
    if len(hashes) < 2:
        raise ValueError(f"a corpus of {len(hashes)} {item} cannot be split: add at least one more")
    num_validation = sum(value < validation_fraction for value in hashes.values())
    num_validation = min(max(num_validation, 1), len(hashes) - 1)
    held_out = set(sorted(hashes, key=hashes.__getitem__)[:num_validation])
    training = [index for index, key in enumerate(keys) if key not in held_out]
    return training, [index for index, key in enumerate(keys) if key in held_out]


def _unit_hash(key: str) -> float:
    digest = hashlib.blake2b(key.encode("utf-8", "surrogateescape"), digest_size=6).digest()
    return int.from_bytes(digest, "big") / 2**48
