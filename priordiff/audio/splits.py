"""Splitting a corpus into training and validation recordings."""

from __future__ import annotations

import hashlib

from priordiff.audio.corpus import AudioCorpus

__all__ = ["split"]


def split(corpus: AudioCorpus, validation_fraction: float) -> tuple[AudioCorpus, AudioCorpus]:
    r"""Splits a corpus by a hash of each recording's name.

    A recording is held out when $h(\text{name}) < \text{validation\_fraction}$ with $h$ the BLAKE2b hash
    scaled to $[0, 1)$. Its side depends on nothing but its name, so it stays there when files are added or
    removed. The one exception: where a side would be empty, as happens with a few files, it gets the
    recording whose hash is nearest.

    Args:
        corpus: at least two recordings.
        validation_fraction: expected share of the held-out recordings, between 0 and 1.

    Returns:
        Training and validation recordings, each at least one, in the corpus's order.

    Raises:
        ValueError: the fraction is not between 0 and 1, or there are fewer than two recordings.

    Example:
        >>> import tempfile, torch
        >>> from pathlib import Path
        >>> from priordiff.audio import write_audio
        >>> folder = Path(tempfile.mkdtemp())
        >>> for name in "abcd":
        ...     write_audio(folder / f"{name}.wav", 0.1 * torch.randn(800), sample_rate=8000)
        >>> corpus = AudioCorpus.prepare(folder, folder / "cache", sample_rate=8000, min_seconds=0.1)
        >>> train, validation = split(corpus, validation_fraction=0.25)
        >>> len(train) + len(validation)
        4
    """
    if not 0 < validation_fraction < 1:
        raise ValueError(f"validation_fraction is {validation_fraction}, expected a number between 0 and 1")
    if len(corpus) < 2:
        raise ValueError(f"a corpus of {len(corpus)} recording cannot be split: add at least one more file")
    hashes = [_unit_hash(recording.name) for recording in corpus.recordings]
    ranked = sorted(range(len(corpus)), key=hashes.__getitem__)
    num_validation = sum(value < validation_fraction for value in hashes)
    num_validation = min(max(num_validation, 1), len(corpus) - 1)
    return corpus.select(sorted(ranked[num_validation:])), corpus.select(sorted(ranked[:num_validation]))


def _unit_hash(name: str) -> float:
    return (
        int.from_bytes(
            hashlib.blake2b(name.encode("utf-8", "surrogateescape"), digest_size=6).digest(), "big"
        )
        / 2**48
    )
