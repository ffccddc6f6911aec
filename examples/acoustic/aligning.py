"""Where the alignment of phonemes and recordings comes from."""

from __future__ import annotations

from pathlib import Path

from accelerate import PartialState

from priordiff.audio import AlignedCorpus, AudioCorpus
from priordiff.experiments.learned_alignments import AlignmentConfig, learn_alignments, read_learned
from priordiff.experiments.speech import SpeechConfig, speech_cache, speech_directory

__all__ = ["aligned"]


def aligned(
    recordings: tuple[AudioCorpus, AudioCorpus], speech: SpeechConfig, config: AlignmentConfig
) -> tuple[AlignedCorpus, AlignedCorpus]:
    """Recordings to learn from and held-out ones, with their alignments: read, or learned on first use.

    Held-out recordings are aligned as all are, but nothing is learned from them.

    Raises:
        FileNotFoundError: the TextGrids that the configuration names are not there.
        ValueError: none of the recordings has an alignment that fits.
    """
    training, held_out = recordings
    grids = Path(config.textgrids) if config.textgrids else speech_directory(speech) / "textgrids"
    if config.source == "textgrids" or (config.source == "auto" and (grids.is_dir() or config.textgrids)):
        return AlignedCorpus.read(training, grids), AlignedCorpus.read(held_out, grids)
    state = PartialState()
    with state.main_process_first():
        folder = learn_alignments(
            training, speech_cache(speech), config, [held_out], state.device, state.is_main_process
        )
    return read_learned(training, folder), read_learned(held_out, folder)
