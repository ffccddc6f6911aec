"""Recordings with texts, aligned without a forced aligner; what was learned is kept as TextGrids."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import logging
import os
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor
from tqdm.auto import tqdm

from priordiff.audio import AlignedCorpus, AlignmentFeatures, AudioCorpus, write_textgrid
from priordiff.audio.aligned_corpus import first_reasons
from priordiff.experiments.aligner import FittedPhonemes, PhonemeAligner
from priordiff.experiments.readings import Reading, read_texts
from priordiff.files import atomic_path
from priordiff.training import expect

__all__ = ["AlignmentConfig", "learn_alignments", "read_learned"]

_logger = logging.getLogger(__name__)

_VERSION = 1
_READERS = ("kitten-text-processing", "espeakng-loader")
_LEFT_OUT = "left_out.json"
# Robust standard deviations above the median. Of right texts none lay beyond 8, of wrong ones none below 14,
# in corpora of several voices and of one.
_MISFIT_LIMIT = 10.0
_SMALLEST_DEVIATION = 0.1  # nats: a handful of recordings may happen to fit equally well


@dataclass
class AlignmentConfig:
    """How it is known which phoneme sounds when.

    Args:
        source: "textgrids"; "learned", from the texts in `metadata.csv`; or "auto": TextGrids where there are
            some, else learned.
        textgrids: The folder of the TextGrids; null for `textgrids/` beside the recordings.
        voice: Of espeak-ng, whose language and accent the texts are read in, to learn.
        rounds: Of learning.
        recordings: That the aligner learns from, at most; it aligns all.
    """

    source: str = "auto"
    textgrids: str | None = None
    voice: str = "en-us"
    rounds: int = 10
    recordings: int = 1000

    def __post_init__(self) -> None:
        sources = ("auto", "textgrids", "learned")
        expect(self, "source", self.source in sources, f"one of {', '.join(sources)}")
        expect(self, "textgrids", self.textgrids != "", "a folder, or null for textgrids/ in the corpus")
        expect(self, "rounds", self.rounds >= 1, "an integer of at least 1")
        expect(self, "recordings", self.recordings >= 1, "an integer of at least 1")


def learn_alignments(
    audio: AudioCorpus,
    cache_directory: str | os.PathLike[str],
    config: AlignmentConfig | None = None,
    held_out: Sequence[AudioCorpus] = (),
    device: torch.device | str = "cpu",
    progress: bool = False,
) -> Path:
    """Aligns recordings with their texts, by `PhonemeAligner`, unless that has been done.

    The symbols are those of [`spoken_symbols`][priordiff.audio.spoken_symbols]: what a model is given when it
    speaks. Between words a pause is there only where one is heard; a mark is always there, if only for a
    frame, since it tells how a clause ends.

    Args:
        audio: recordings with texts, from which the aligner learns.
        cache_directory: in which the folder of TextGrids is made, whole or not at all.
        config: of which `voice`, `rounds` and `recordings` count.
        held_out: recordings that are aligned as well.
        device: that computes likelihoods. The search runs on the CPU.
        progress: whether to show a progress bar, if there is a terminal.

    Returns:
        The folder, with `NAME.TextGrid` for each recording that could be aligned, and a file that says why
        others could not: see `read_learned`.

    Raises:
        ImportError: `priordiff[audio,text]` is not installed.
        ValueError: no recording has a text that can be spoken and fits, or the voice is unknown.
        OSError: the folder can't be written.
    """
    config = config or AlignmentConfig()
    corpora = (audio, *held_out)
    folder = Path(cache_directory) / f"alignments-{_key(corpora, config)}"
    if folder.is_dir():
        return folder
    features = AlignmentFeatures(audio.sample_rate).to(device)
    readings, left_out = read_texts(corpora, config.voice, features.hop_length)
    learned_from = [reading for reading in readings if reading.audio is audio]
    if not learned_from:
        raise ValueError(_nothing_fits(left_out, audio))
    _logger.info(
        "learning which phoneme sounds when in %d recordings; TextGrids go to %s", len(readings), folder
    )

    def heard(reading: Reading) -> Tensor:
        return features(reading.audio.waveform(reading.index).to(device))

    # Spread evenly: a corpus may change its speaker or its room on the way.
    chosen = learned_from[:: -(-len(learned_from) // config.recordings)]
    aligner = PhonemeAligner.fit(
        [heard(reading) for reading in chosen],
        [reading.symbols for reading in chosen],
        config.rounds,
        PhonemeAligner.table_of([reading.symbols for reading in readings]),
        progress,
    )
    bar = tqdm(readings, "aligning all", disable=None if progress else True)
    fits = [aligner.align(heard(reading), reading.symbols) for reading in bar]
    if not folder.is_dir():  # else another run has learned the same, and may be reading it already
        _write(folder, readings, fits, left_out, features.hop_length)
    return folder


def _write(
    folder: Path,
    readings: Sequence[Reading],
    fits: Sequence[FittedPhonemes],
    left_out: dict[str, str],
    hop_length: int,
) -> None:
    """TextGrids of what fits, and why the rest is left out."""
    limit = _highest_misfit([fit.misfit for fit in fits])
    misfits = {
        reading.name: f"its text doesn't fit what is heard ({fit.misfit:.1f} nats a frame, expected at most "
        f"{limit:.1f})"
        for reading, fit in zip(readings, fits, strict=True)
        if fit.misfit > limit
    }
    folder.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(folder) as partial:
        partial.mkdir()
        for reading, fit in zip(readings, fits, strict=True):
            if reading.name not in misfits:
                path = partial / f"{reading.name}.TextGrid"
                path.parent.mkdir(parents=True, exist_ok=True)
                write_textgrid(path, reading.alignment(fit.durations, hop_length))
        text = json.dumps({**left_out, **misfits}, indent=2, ensure_ascii=False)
        (partial / _LEFT_OUT).write_text(text, encoding="utf-8", errors="backslashreplace")


def read_learned(audio: AudioCorpus, folder: Path) -> AlignedCorpus:
    """Recordings with the alignments that `learn_alignments` has written for them.

    What could not be aligned is left out; a warning names it with the reason.

    Args:
        audio: all of the recordings that were aligned, or some.
        folder: as returned.

    Raises:
        ValueError: none of them could be aligned.
    """
    left_out = json.loads((folder / _LEFT_OUT).read_text(encoding="utf-8"))
    kept = [index for index, recording in enumerate(audio.recordings) if recording.name not in left_out]
    reasons = [f"{each.name}: {left_out[each.name]}" for each in audio.recordings if each.name in left_out]
    if not kept:
        raise ValueError(_nothing_fits(left_out, audio))
    if reasons:
        left_out_of = f"{len(reasons)} of {len(audio)}"
        message = "left out %s recordings, which could not be aligned: %s (all are in %s)"
        _logger.warning(message, left_out_of, first_reasons(reasons), folder / _LEFT_OUT)
    return AlignedCorpus.read(audio.select(kept), folder)


def _highest_misfit(misfits: Sequence[float]) -> float:
    """Up to which a recording says what its text says."""
    median = statistics.median(misfits)
    deviation = 1.4826 * statistics.median(abs(misfit - median) for misfit in misfits)
    return median + _MISFIT_LIMIT * max(deviation, _SMALLEST_DEVIATION)


def _nothing_fits(left_out: dict[str, str], audio: AudioCorpus) -> str:
    name = audio.recordings[0].name
    return (
        f"none of the {len(audio)} recordings could be aligned; {name}: {left_out[name]}; expected their "
        "texts in a metadata.csv of id|text lines beside wavs/, or TextGrids"
    )


def _key(corpora: Sequence[AudioCorpus], config: AlignmentConfig) -> str:
    """Of all that alignments depend on."""
    recordings = [[asdict(each) for each in audio.recordings] for audio in corpora]
    settings = [config.voice, config.rounds, config.recordings]
    readers = [importlib.metadata.version(package) for package in _READERS]
    content = json.dumps([_VERSION, corpora[0].sample_rate, settings, readers, recordings])
    return hashlib.blake2b(content.encode(), digest_size=6).hexdigest()
