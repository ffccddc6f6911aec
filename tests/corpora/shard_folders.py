"""Folders of shards for tests."""

from __future__ import annotations

from pathlib import Path

from priordiff.corpora import ShardWriter


def write_numbers(folder: Path, count: int = 10, per_shard: int = 3) -> Path:
    """Shards of samples `number00`, `number01`, …, each with its number as text and as its length."""
    with ShardWriter(folder, {"kind": "numbers"}, max_samples=per_shard) as writer:
        for number in range(count):
            key = f"number{number:02d}"
            if key not in writer.keys:
                writer.write(key, {"txt": str(number).encode(), "two.bin": bytes(number)}, number)
    return folder
