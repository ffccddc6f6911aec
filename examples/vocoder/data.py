"""Recordings, and random crops of them with their log-mel frames."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypedDict

import torch
import torch.nn.functional as F
from torch import Tensor

from priordiff.audio import AudioCorpus, AudioShards, LogMelSpectrogram
from priordiff.corpora import is_shard_folder
from priordiff.experiments.speech import prepare_speech
from priordiff.training import Draw
from vocoder.configuration import VocoderConfig
from vocoder.kept import KeptFrames

__all__ = [
    "MARGIN_FRAMES",
    "Crop",
    "CropDataset",
    "NoisyCropDataset",
    "Recordings",
    "prepare_corpus",
    "with_frames",
    "without_surroundings",
]

Recordings = AudioCorpus | AudioShards

# Frames at each side of a crop that only serve to whiten its own frames as in the whole recording: a lapped
# transform reaches over the edges of its blocks, and at a cut it would find a jump instead of a neighbour.
MARGIN_FRAMES = 2


class Crop(TypedDict):
    """A training sample: a piece of the recording of a number, (1, samples), with its surroundings.

    It begins with the frame `first` of the recording, margin included.
    """

    surrounded: Tensor
    index: int
    first: int


class KeptCrop(TypedDict, total=False):
    """What may be known of a crop's frames: log-mel (n_mels, frames), σ of its prior (1, frames, hop)."""

    log_mel: Tensor
    prior_std: Tensor


class NoisyCrop(Crop, KeptCrop):
    """A crop with white noise (1, frames · hop) and the timestep at which it is added."""

    noise: Tensor
    timestep: int


def prepare_corpus(config: VocoderConfig) -> tuple[Recordings, Recordings]:
    """The training and validation recordings: shards, or made or decoded on first use by the main process."""
    frames = config.longest_crop + 2 * MARGIN_FRAMES
    crop_seconds = frames * config.mel.hop_length / config.mel.sample_rate
    folder = config.corpus.directory
    if folder is not None and is_shard_folder(folder):
        shortest = max(config.corpus.min_seconds, crop_seconds)
        return AudioShards(folder, config.mel.sample_rate, shortest).split(config.corpus.validation_fraction)
    return prepare_speech(config.corpus, config.mel.sample_rate, crop_seconds)


class CropDataset:
    """Random crops with margins, and with the samples beside them that their log-mel frames see.

    Args:
        corpus: recordings that are long enough.
        log_mel: the transform.
        crop_frames: mel frames of a crop without its `MARGIN_FRAMES` at each side.
    """

    def __init__(self, corpus: Recordings, log_mel: LogMelSpectrogram, crop_frames: int) -> None:
        self.corpus = corpus
        self.log_mel = log_mel
        self.frames = crop_frames + 2 * MARGIN_FRAMES

    def __len__(self) -> int:
        return len(self.corpus)

    @property
    def shard_sizes(self) -> tuple[int, ...] | None:
        """Recordings of each shard, of which the training reads a few at a time; None without shards."""
        return self.corpus.shard_sizes if isinstance(self.corpus, AudioShards) else None

    def __getitem__(self, draw: Draw) -> Crop:
        hop_length, padding = self.log_mel.hop_length, self.log_mel.padding
        total = self.corpus.num_samples(draw.index) // hop_length
        first = int(torch.randint(total - self.frames + 1, (), generator=draw.generator("crop")))
        start, stop = first * hop_length - padding, (first + self.frames) * hop_length + padding
        inside = max(start, 0), min(stop, total * hop_length)
        piece = self.corpus.crop(draw.index, inside[0], inside[1] - inside[0])[None]
        # Beyond its ends a recording is reflected.
        surrounded = F.pad(piece, (inside[0] - start, stop - inside[1]), mode="reflect")
        return {"surrounded": surrounded, "index": draw.index, "first": first}

    def whole_recording(self, index: int) -> tuple[Tensor, Tensor]:
        """Log-mel (1, n_mels, F) and waveform (1, 1, F · hop_length) of a recording."""
        waveform = self.corpus.waveform(index)
        waveform = waveform[: len(waveform) // self.log_mel.hop_length * self.log_mel.hop_length]
        return self.log_mel(waveform[None]), waveform[None, None]

    def whole_recordings(self, share: int, shares: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Those of one share of the recordings."""
        return map(self.whole_recording, range(share, len(self.corpus), shares))


def with_frames(surrounded: Tensor, log_mel: LogMelSpectrogram) -> tuple[Tensor, Tensor]:
    """Crops (B, 1, frames · hop) of pieces with surroundings, and their log-mel frames (B, n_mels, frames).

    Both are on the device of the pieces, to which the transform is moved; the frames are those of the whole
    recordings, cropped.
    """
    frames = log_mel.to(surrounded.device)(surrounded[:, 0], padded=True)
    return without_surroundings(surrounded, log_mel), frames


def without_surroundings(surrounded: Tensor, log_mel: LogMelSpectrogram) -> Tensor:
    """Crops (B, 1, frames · hop) of pieces with what their log-mel frames see beside them."""
    return surrounded.narrow(-1, log_mel.padding, surrounded.shape[-1] - 2 * log_mel.padding)


class NoisyCropDataset(CropDataset):
    """Crops with what a diffusion step draws for each, so that workers draw it, ahead of time.

    Args:
        corpus: recordings that are long enough.
        log_mel: the transform.
        crop_frames: as in `CropDataset`.
        num_train_timesteps: of the scheduler.
        kept: frames of the recordings, and priors, of which each crop is given its own.
    """

    def __init__(
        self,
        corpus: Recordings,
        log_mel: LogMelSpectrogram,
        crop_frames: int,
        num_train_timesteps: int,
        kept: KeptFrames | None = None,
    ) -> None:
        super().__init__(corpus, log_mel, crop_frames)
        self.num_train_timesteps = num_train_timesteps
        self.kept = kept

    def __getitem__(self, draw: Draw) -> NoisyCrop:
        crop, generator = super().__getitem__(draw), draw.generator("noise")
        noise = torch.randn(1, self.frames * self.log_mel.hop_length, generator=generator)
        timestep = int(torch.randint(self.num_train_timesteps, (), generator=generator))
        item: NoisyCrop = {**crop, "noise": noise, "timestep": timestep}
        if self.kept is not None:
            known = self.kept.crop(draw.index, crop["first"], self.frames)
            item["log_mel"], item["prior_std"] = known
        return item
