"""Which phoneme sounds when, whatever has found it out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from priordiff.audio.utterance import Utterance

__all__ = ["Alignment", "mean_boundary_error"]


@dataclass(frozen=True)
class Alignment:
    r"""The phonemes of a recording, and the time at which each begins.

    It comes from three sources: a synthetic voice that knows it (`of_utterance`), a forced aligner's TextGrid
    ([`read_textgrid`][priordiff.audio.read_textgrid]), or a search over what a model finds likely
    (`of_durations`, of [`monotonic_durations`][priordiff.audio.monotonic_durations]).

    Attributes:
        symbols: of the phonemes in order; a pause is `"_"`, or bears the punctuation mark that is written
            there.
        starts: of each, in seconds, from 0 on, never decreasing. Each lasts until the next begins.
        end: of the last, in seconds.

    Raises:
        ValueError: if there are no phonemes, not as many starts, or times that run backwards.

    Example:
        >>> alignment = Alignment(("h", "aɪ", "_"), (0.0, 0.1, 0.35), 0.5)
        >>> alignment.durations(hop_length=256, sample_rate=22050).tolist()
        [9, 21, 13]
    """

    symbols: tuple[str, ...]
    starts: tuple[float, ...]
    end: float

    def __post_init__(self) -> None:
        if not self.symbols or len(self.symbols) != len(self.starts):
            raise ValueError(
                f"{len(self.symbols)} symbols and {len(self.starts)} starts, expected as many, one at least"
            )
        if self.starts[0] != 0:
            raise ValueError(f"the first phoneme begins at {self.starts[0]} s, expected 0")
        for before, after in pairwise((*self.starts, self.end)):
            if not before <= after:
                raise ValueError(f"a phoneme begins at {before} s and ends at {after} s: times run backwards")

    @classmethod
    def of_utterance(cls, utterance: Utterance) -> Alignment:
        """The alignment that a synthetic voice gives with its speech."""
        symbols, starts = zip(*utterance.phonemes, strict=True)
        rate = utterance.sample_rate
        return cls(symbols, tuple(start / rate for start in starts), len(utterance.waveform) / rate)

    @classmethod
    def of_durations(
        cls, symbols: Sequence[str], durations: Sequence[int] | Tensor, hop_length: int, sample_rate: int
    ) -> Alignment:
        """The alignment of phonemes that last so many frames each.

        Args:
            symbols: of the phonemes.
            durations: of each, in frames.
            hop_length: samples of a frame.
            sample_rate: in Hz.
        """
        counts = [int(duration) for duration in durations]
        frame = hop_length / sample_rate
        starts = tuple(sum(counts[:index]) * frame for index in range(len(counts)))
        return cls(tuple(symbols), starts, sum(counts) * frame)

    def durations(self, hop_length: int, sample_rate: int, num_frames: int | None = None) -> Tensor:
        r"""Frames that each phoneme lasts.

        A boundary at $t$ seconds goes to the frame boundary next to it, so that no rounding adds up and the
        durations add up to the frames. A phoneme shorter than a frame may get none.

        Args:
            hop_length: samples of a frame.
            sample_rate: in Hz.
            num_frames: of the recording; by default as many whole frames as it has until `end`. The last
                phoneme ends there.

        Returns:
            int64 (L,), of sum `num_frames`.

        Raises:
            ValueError: if the alignment ends more than a tenth of a second before or after the recording.
        """
        frames_per_second = sample_rate / hop_length
        # A rounding error must not take the last frame away.
        whole = int(self.end * frames_per_second + 1e-6)
        num_frames = whole if num_frames is None else num_frames
        if abs(self.end - num_frames / frames_per_second) > max(0.1, 1 / frames_per_second) + 1e-6:
            seconds = num_frames / frames_per_second
            raise ValueError(
                f"the alignment ends at {self.end:.2f} s, the recording at {seconds:.2f} s: they don't "
                "belong together"
            )
        boundaries = [min(round(start * frames_per_second), num_frames) for start in self.starts]
        return torch.tensor([after - before for before, after in pairwise([*boundaries, num_frames])])


def mean_boundary_error(alignment: Alignment, reference: Alignment) -> float:
    """How far the boundaries between the same phonemes are apart, in milliseconds on average.

    Raises:
        ValueError: if the phonemes are not the same, or there are no boundaries.

    Example:
        >>> first = Alignment(("a", "b", "c"), (0.0, 0.10, 0.30), 0.5)
        >>> second = Alignment(("a", "b", "c"), (0.0, 0.12, 0.30), 0.5)
        >>> round(mean_boundary_error(first, second), 6)
        10.0
    """
    if alignment.symbols != reference.symbols:
        raise ValueError(
            f"alignments of {' '.join(alignment.symbols)} and of {' '.join(reference.symbols)}, expected the "
            "same phonemes"
        )
    if len(alignment.symbols) < 2:
        raise ValueError("an alignment of one phoneme has no boundaries, expected two phonemes at least")
    pairs = list(zip(alignment.starts[1:], reference.starts[1:], strict=True))
    return 1000 * sum(abs(ours - theirs) for ours, theirs in pairs) / len(pairs)
