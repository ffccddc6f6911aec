"""Recordings and what their texts say that sounds in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from priordiff.audio import Alignment, AudioCorpus, spoken_symbols
from priordiff.audio.pauses import BLANK, PAUSE
from priordiff.experiments.aligner import PhonemeAligner

__all__ = ["Reading", "read_texts"]


@dataclass(frozen=True)
class Reading:
    """A recording of a corpus, and the phonemes, pauses and blanks of its text.

    Attributes:
        audio: the corpus.
        index: of the recording in it.
        symbols: of its text, as of [`spoken_symbols`][priordiff.audio.spoken_symbols].
    """

    audio: AudioCorpus
    index: int
    symbols: list[str]

    @property
    def name(self) -> str:
        """Of the recording."""
        return self.audio.recordings[self.index].name

    def alignment(self, durations: Tensor, hop_length: int) -> Alignment:
        """When each of the symbols sounds that last at all; blanks that do are pauses.

        Args:
            durations: of each symbol in frames, int64.
            hop_length: of a frame, in samples.
        """
        rate = self.audio.sample_rate
        starts = (durations.cumsum(dim=0) - durations).tolist()
        present = [
            (PAUSE if symbol == BLANK else symbol, start * hop_length / rate)
            for symbol, start, duration in zip(self.symbols, starts, durations.tolist(), strict=True)
            if duration
        ]
        symbols, times = zip(*present, strict=True)
        return Alignment(symbols, times, self.audio.recordings[self.index].num_samples / rate)


def read_texts(
    corpora: Sequence[AudioCorpus], voice: str, hop_length: int
) -> tuple[list[Reading], dict[str, str]]:
    """What can be aligned, and why the rest can't, by name.

    Args:
        corpora: recordings with texts.
        voice: of espeak-ng, whose language and accent count.
        hop_length: of the aligner's frames, in samples.

    Raises:
        ImportError: `priordiff[audio,text]` is not installed.
        ValueError: the voice is unknown.
    """
    readings: list[Reading] = []
    left_out: dict[str, str] = {}
    spoken_symbols("yes", voice)  # a voice that is not known is no recording's fault
    for audio in corpora:
        for index, recording in enumerate(audio.recordings):
            if not recording.text:
                left_out[recording.name] = "it has no text"
                continue
            try:
                first, *others = spoken_symbols(recording.text, voice)
            except ValueError as error:
                left_out[recording.name] = str(error)
                continue
            # A sentence's own pause at its beginning would follow the mark of the one before.
            symbols = [*first, *(symbol for sentence in others for symbol in sentence[1:])]
            if recording.num_samples // hop_length < PhonemeAligner.fewest_frames(symbols):
                left_out[recording.name] = f"too short for the {len(symbols)} phonemes and marks of its text"
                continue
            readings.append(Reading(audio, index, symbols))
    return readings, left_out
