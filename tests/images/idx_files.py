"""Tiny datasets in MNIST's format."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np

__all__ = ["idx_bytes", "write_idx"]


def idx_bytes(values: np.ndarray) -> bytes:
    header = bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape)
    return header + values.astype(np.uint8).tobytes()


def write_idx(directory: Path, part: str, labels: list[int], packed: bool = True) -> np.ndarray:
    """Noise of 28 × 28 pixels for each label; returns the pixels."""
    directory.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(len(labels)).integers(0, 256, (len(labels), 28, 28), dtype=np.uint8)
    for name, values in (("images-idx3", pixels), ("labels-idx1", np.array(labels))):
        path = directory / f"{part}-{name}-ubyte{'.gz' * packed}"
        content = idx_bytes(values)
        path.write_bytes(gzip.compress(content) if packed else content)
    return pixels
