"""Splitting a corpus into training and validation items."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np

__all__ = ["hash_threshold", "split_by_hash", "unit_hashes"]


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
    hashes = unit_hashes(keys)
    threshold = hash_threshold(hashes, validation_fraction, item)
    held_out = hashes <= threshold
    return np.flatnonzero(~held_out).tolist(), np.flatnonzero(held_out).tolist()


def unit_hashes(keys: Iterable[str]) -> np.ndarray:
    """The hash of each key, a number in [0, 1): eight bytes are kept of each, however long it is.

    Example:
        >>> unit_hashes(["a", "b"]).round(2).tolist()
        [0.26, 0.63]
    """
    return np.array([_unit_hash(key) for key in keys])


def hash_threshold(hashes: np.ndarray, validation_fraction: float, item: str = "item") -> float:
    """The largest hash that is held out; [`split_by_hash`][priordiff.corpora.split_by_hash] has the rule.

    Args:
        hashes: of all keys, at least two different ones.
        validation_fraction: expected share of the keys that are held out, between 0 and 1.
        item: what a key stands for, for the message.

    Raises:
        ValueError: the fraction is not between 0 and 1, or there are fewer than two keys.

    Example:
        >>> hash_threshold(np.array([0.2, 0.6, 0.4]), validation_fraction=0.5)
        0.4
    """
    if not 0 < validation_fraction < 1:
        raise ValueError(f"validation_fraction is {validation_fraction}, expected a number between 0 and 1")
    distinct = np.unique(hashes)
    if len(distinct) < 2:
        raise ValueError(f"a corpus of {len(distinct)} {item} cannot be split: add at least one more")
    num_validation = int((distinct < validation_fraction).sum())
    return float(distinct[min(max(num_validation, 1), len(distinct) - 1) - 1])


def _unit_hash(key: str) -> float:
    digest = hashlib.blake2b(key.encode("utf-8", "surrogateescape"), digest_size=6).digest()
    return int.from_bytes(digest, "big") / 2**48
