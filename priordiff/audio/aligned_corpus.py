"""A corpus whose phonemes have their times."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from priordiff.audio.alignment import Alignment
from priordiff.audio.corpus import AudioCorpus
from priordiff.audio.textgrid import read_textgrid

__all__ = ["AlignedCorpus", "first_reasons"]

_logger = logging.getLogger(__name__)

# Recordings and their alignments end at the same time, but for what an aligner rounds.
_LARGEST_DIFFERENCE = 0.1
_NAMED = 5  # recordings whose reason a warning tells


class AlignedCorpus:
    """Recordings with their alignments.

    Args:
        audio: the recordings.
        alignments: of each.

    Raises:
        ValueError: if there are not as many alignments as recordings.
    """

    def __init__(self, audio: AudioCorpus, alignments: Sequence[Alignment]) -> None:
        if len(audio) != len(alignments):
            raise ValueError(f"{len(alignments)} alignments for {len(audio)} recordings, expected as many")
        self.audio = audio
        self.alignments = tuple(alignments)

    @classmethod
    def read(
        cls, audio: AudioCorpus, directory: str | os.PathLike[str], tier: str = "phones"
    ) -> AlignedCorpus:
        """Recordings with TextGrids: those of the Montreal Forced Aligner, or of `make_corpus`.

        A recording is left out, and a warning says why of the first ones, if it has no grid, the grid can't
        be read, or ends more than a tenth of a second before or after the recording.

        Args:
            audio: the recordings.
            directory: of the grids, `NAME.TextGrid` for each recording's name.
            tier: name of the interval tier that has the phonemes.

        Raises:
            ImportError: `priordiff[audio]` is not installed.
            FileNotFoundError: there is no such folder.
            ValueError: none of the recordings has a grid that fits.

        Example:
            >>> import tempfile
            >>> from priordiff.audio import make_corpus
            >>> folder = make_corpus(tempfile.mkdtemp(), sentences=["Hello there, how are you?"])
            >>> audio = AudioCorpus.prepare(folder, folder / ".cache", sample_rate=22050)
            >>> AlignedCorpus.read(audio, folder / "textgrids").alignments[0].symbols[1:4]
            ('h', 'ə', 'l')
        """
        directory = Path(directory)
        if not directory.is_dir():
            raise FileNotFoundError(f"no folder of TextGrids {directory}: align the recordings first")
        fitting: list[int] = []
        alignments: list[Alignment] = []
        problems: list[str] = []
        for index, recording in enumerate(audio.recordings):
            try:
                alignment = read_textgrid(directory / f"{recording.name}.TextGrid", tier)
                _check_end(alignment, recording.num_samples / audio.sample_rate)
            except (OSError, ValueError) as error:
                problems.append(f"{recording.name}: {error}")
                continue
            fitting.append(index)
            alignments.append(alignment)
        if not fitting:
            raise ValueError(f"no recording has an alignment in {directory} that fits; {problems[0]}")
        if problems:
            left_out = f"{len(problems)} of {len(audio)}"
            reasons = first_reasons(problems)
            _logger.warning("left out %s recordings without an alignment: %s", left_out, reasons)
        return cls(audio.select(fitting), alignments)

    def __len__(self) -> int:
        return len(self.alignments)

    def select(self, indices: Iterable[int]) -> AlignedCorpus:
        """A corpus of some of the recordings."""
        chosen = list(indices)
        return AlignedCorpus(self.audio.select(chosen), [self.alignments[index] for index in chosen])


def first_reasons(reasons: Sequence[str]) -> str:
    """What a warning tells of why recordings are left out, which may be thousands."""
    return "; ".join(reasons[:_NAMED]) + ("; …" if len(reasons) > _NAMED else "")


def _check_end(alignment: Alignment, seconds: float) -> None:
    if abs(alignment.end - seconds) > _LARGEST_DIFFERENCE:
        raise ValueError(f"the alignment ends at {alignment.end:.2f} s, the recording at {seconds:.2f} s")
