"""Recordings with alignments and speakers, to learn from and held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from acoustic.configuration import AcousticConfig
from priordiff.audio import AlignedCorpus, AudioCorpus, SymbolTable
from priordiff.experiments.speech import prepare_speech, speech_directory

__all__ = ["SpokenCorpus", "prepare_corpus"]


@dataclass(frozen=True)
class SpokenCorpus:
    """The data of an experiment.

    Attributes:
        training: recordings to learn from.
        validation: recordings that are held out.
        table: the phonemes of both.
        speakers: names of the speakers; one, without a name, where they are not known.
    """

    training: AlignedCorpus
    validation: AlignedCorpus
    table: SymbolTable
    speakers: tuple[str, ...]

    def speakers_of(self, corpus: AlignedCorpus) -> list[int]:
        """Which speaker speaks in each recording."""
        return [self.speakers.index(_speaker(each.name, self.speakers)) for each in corpus.audio.recordings]


def prepare_corpus(config: AcousticConfig) -> SpokenCorpus:
    """Recordings and their TextGrids, made or read on first use."""
    training, validation = prepare_speech(config.corpus, config.mel.sample_rate)
    grids = speech_directory(config.corpus) / "textgrids"
    aligned = [AlignedCorpus.read(each, grids) for each in (training, validation)]
    table = SymbolTable.of(alignment.symbols for corpus in aligned for alignment in corpus.alignments)
    return SpokenCorpus(aligned[0], aligned[1], table, _speakers((training, validation)))


def _speakers(corpora: Sequence[AudioCorpus]) -> tuple[str, ...]:
    """The folders in which recordings lie, one for each speaker, as in VCTK."""
    names = {
        recording.name.split("/")[0] if "/" in recording.name else ""
        for corpus in corpora
        for recording in corpus.recordings
    }
    return tuple(sorted(names))


def _speaker(name: str, speakers: Sequence[str]) -> str:
    folder = name.split("/")[0] if "/" in name else ""
    return folder if folder in speakers else speakers[0]
