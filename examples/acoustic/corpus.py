"""Recordings with alignments and speakers, to learn from and held out."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from acoustic.aligning import aligned
from acoustic.configuration import AcousticConfig
from acoustic.data import AcousticDataset
from acoustic.listening import Listener, vocoder_of
from priordiff.audio import AlignedCorpus, LogMelSpectrogram, SymbolTable, speakers_of
from priordiff.experiments.speech import prepare_speech, speech_directory

__all__ = ["SpokenCorpus", "prepare_corpus"]


@dataclass(frozen=True)
class SpokenCorpus:
    """The data of an experiment, analysed once for all of its models.

    Attributes:
        training: utterances to learn from.
        validation: utterances that are held out.
        table: the phonemes of both.
        speakers: names of the speakers; one, without a name, where they are not known.
        listener: to the held-out recordings.
    """

    training: AcousticDataset
    validation: AcousticDataset
    table: SymbolTable
    speakers: tuple[str, ...]
    listener: Listener


def prepare_corpus(config: AcousticConfig) -> SpokenCorpus:
    """Recordings and their alignments, made, read or learned on first use."""
    vocoder = vocoder_of(config)  # an error before anything takes time
    recordings = prepare_speech(config.corpus, config.mel.sample_rate)
    training, validation = both = aligned(recordings, config.corpus, config.alignment)
    table = SymbolTable.of(alignment.symbols for corpus in both for alignment in corpus.alignments)
    known = speakers_of(speech_directory(config.corpus))
    spoken_by = {
        each.name: known.get(each.name) or _folder(each.name)
        for corpus in both
        for each in corpus.audio.recordings
    }
    speakers = sorted({*spoken_by.values()})
    log_mel = LogMelSpectrogram(**asdict(config.mel))

    def analysed(corpus: AlignedCorpus) -> AcousticDataset:
        indices = [speakers.index(spoken_by[each.name]) for each in corpus.audio.recordings]
        steps = config.scheduler.num_train_timesteps
        return AcousticDataset(corpus, table, log_mel, indices, len(speakers), config.crop_frames, steps)

    learned, held_out = analysed(training), analysed(validation)
    return SpokenCorpus(learned, held_out, table, tuple(speakers), Listener(config, held_out, vocoder))


def _folder(name: str) -> str:
    """The folder in which a recording lies, one for each speaker, as in VCTK; empty if in none."""
    return name.split("/")[0] if "/" in name else ""
