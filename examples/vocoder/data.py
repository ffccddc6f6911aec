"""Recordings, and random crops of them with their log-mel frames."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TypedDict

import torch
from accelerate import PartialState
from torch import Tensor

from priordiff.audio import AudioCorpus, LogMelSpectrogram, make_corpus, split
from priordiff.training import Draw
from vocoder.configuration import VocoderConfig

__all__ = ["Crop", "CropDataset", "prepare_corpus"]

# Frames at each side of a crop whose samples reach into the crop's own frames.
_MARGIN = 2


class Crop(TypedDict):
    """A training sample: waveform (1, frames · hop), log-mel (n_mels, frames), the recording's index."""

    waveform: Tensor
    log_mel: Tensor
    index: int


def prepare_corpus(config: VocoderConfig) -> tuple[AudioCorpus, AudioCorpus]:
    """The training and validation recordings, made or decoded on first use by the main process."""
    corpus = config.corpus
    cache = Path(corpus.cache_directory)
    crop_seconds = corpus.crop_frames * config.mel.hop_length / config.mel.sample_rate
    state = PartialState()
    with state.main_process_first():
        if corpus.directory is None:
            directory = cache / "espeak"
            make_corpus(directory, progress=state.is_main_process)
        else:
            directory = Path(corpus.directory)
        name = hashlib.blake2b(str(directory.resolve()).encode(), digest_size=6).hexdigest()
        recordings = AudioCorpus.prepare(
            directory,
            cache / "cache" / f"{directory.name}-{name}",
            config.mel.sample_rate,
            min_seconds=max(corpus.min_seconds, crop_seconds),
            progress=state.is_main_process,
        )
    return split(recordings, corpus.validation_fraction)


class CropDataset:
    """Random crops of `crop_frames` mel frames; the log-mel is the one of the whole recording, cropped."""

    def __init__(self, corpus: AudioCorpus, log_mel: LogMelSpectrogram, crop_frames: int) -> None:
        self.corpus = corpus
        self.log_mel = log_mel
        self.crop_frames = crop_frames

    def __len__(self) -> int:
        return len(self.corpus)

    def __getitem__(self, draw: Draw) -> Crop:
        hop_length = self.log_mel.hop_length
        total = self.corpus.recordings[draw.index].num_samples // hop_length
        start = int(torch.randint(total - self.crop_frames + 1, (), generator=draw.generator("crop")))
        stop = start + self.crop_frames
        first, last = max(0, start - _MARGIN), min(total, stop + _MARGIN)
        waveform = self.corpus.crop(draw.index, first * hop_length, (last - first) * hop_length)
        log_mel = self.log_mel(waveform[None])[0]
        return {
            "waveform": waveform[None, (start - first) * hop_length : (stop - first) * hop_length],
            "log_mel": log_mel[:, start - first : stop - first],
            "index": draw.index,
        }

    def whole_recordings(self, share: int, shares: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Log-mel (1, n_mels, F) and waveform (1, 1, F · hop_length) of one share of the recordings."""
        for index in range(share, len(self.corpus), shares):
            waveform = self.corpus.waveform(index)
            waveform = waveform[: len(waveform) // self.log_mel.hop_length * self.log_mel.hop_length]
            yield self.log_mel(waveform[None]), waveform[None, None]
