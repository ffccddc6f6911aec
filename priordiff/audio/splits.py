"""Splitting a corpus into training and validation recordings."""

from __future__ import annotations

from priordiff.audio.corpus import AudioCorpus
from priordiff.corpora import split_by_hash

__all__ = ["split"]


def split(corpus: AudioCorpus, validation_fraction: float) -> tuple[AudioCorpus, AudioCorpus]:
    """Splits a corpus by a hash of each recording's name.

    A recording's side depends on nothing but its name, so it stays there when files are added or removed;
    [`split_by_hash`][priordiff.corpora.split_by_hash] has the rule.

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
    names = [recording.name for recording in corpus.recordings]
    training, validation = split_by_hash(names, validation_fraction, "recording")
    return corpus.select(training), corpus.select(validation)
