"""Recordings with alignments and speakers, to learn from and held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import takewhile

from acoustic.aligning import aligned
from acoustic.configuration import AcousticConfig
from acoustic.data import AcousticDataset, Prosody
from acoustic.listening import Listener, vocoder_of
from acoustic.starting import symbols_of
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
    spoken = [alignment.symbols for corpus in both for alignment in corpus.alignments]
    table = SymbolTable.of([*spoken, symbols_of(config.initial)] if config.initial else spoken)
    known = speakers_of(speech_directory(config.corpus))
    names = [each.name for corpus in both for each in corpus.audio.recordings]
    spoken_by = {**_speakers_by_folder(names), **known}
    speakers = sorted({spoken_by[name] for name in names})
    log_mel = LogMelSpectrogram(**asdict(config.mel))

    def analysed(corpus: AlignedCorpus, prosody: Prosody | None = None) -> AcousticDataset:
        indices = [speakers.index(spoken_by[each.name]) for each in corpus.audio.recordings]
        sizes = (len(speakers), config.crop_frames, config.scheduler.num_train_timesteps)
        return AcousticDataset(corpus, table, log_mel, indices, *sizes, prosody)

    learned = analysed(training)
    held_out = analysed(validation, learned.prosody)
    return SpokenCorpus(learned, held_out, table, tuple(speakers), Listener(config, held_out, vocoder))


def _speakers_by_folder(names: Sequence[str]) -> dict[str, str]:
    """The speaker of each recording: the first folder of its path that not all of them have.

    As in VCTK (`wav48/p225/p225_001`) and LibriTTS (`train/84/121123/…`); one speaker, without a name, where
    all recordings lie in one folder.
    """
    folders = [name.split("/")[:-1] for name in names]
    common = sum(1 for _ in takewhile(lambda parts: len({*parts}) == 1, zip(*folders, strict=False)))
    return {name: "".join(path[common : common + 1]) for name, path in zip(names, folders, strict=True)}
