"""Recordings with alignments and speakers, to learn from and held out."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from acoustic.aligning import aligned
from acoustic.configuration import AcousticConfig
from acoustic.data import AcousticDataset
from priordiff.audio import AlignedCorpus, LogMelSpectrogram, SymbolTable
from priordiff.experiments.speech import prepare_speech

__all__ = ["SpokenCorpus", "prepare_corpus"]


@dataclass(frozen=True)
class SpokenCorpus:
    """The data of an experiment, analysed once for all of its models.

    Attributes:
        training: utterances to learn from.
        validation: utterances that are held out.
        table: the phonemes of both.
        speakers: names of the speakers; one, without a name, where they are not known.
    """

    training: AcousticDataset
    validation: AcousticDataset
    table: SymbolTable
    speakers: tuple[str, ...]


def prepare_corpus(config: AcousticConfig) -> SpokenCorpus:
    """Recordings and their alignments, made, read or learned on first use."""
    recordings = prepare_speech(config.corpus, config.mel.sample_rate)
    training, validation = both = aligned(recordings, config.corpus, config.alignment)
    table = SymbolTable.of(alignment.symbols for corpus in both for alignment in corpus.alignments)
    speakers = sorted({_speaker(each.name) for corpus in both for each in corpus.audio.recordings})
    log_mel = LogMelSpectrogram(**asdict(config.mel))

    def analysed(corpus: AlignedCorpus) -> AcousticDataset:
        spoken_by = [speakers.index(_speaker(each.name)) for each in corpus.audio.recordings]
        steps = config.scheduler.num_train_timesteps
        return AcousticDataset(corpus, table, log_mel, spoken_by, len(speakers), config.crop_frames, steps)

    return SpokenCorpus(analysed(training), analysed(validation), table, tuple(speakers))


def _speaker(name: str) -> str:
    """The folder in which a recording lies, one for each speaker, as in VCTK; empty if in none."""
    return name.split("/")[0] if "/" in name else ""
