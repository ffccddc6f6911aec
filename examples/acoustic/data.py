"""Utterances as an acoustic model learns from them: phonemes with durations, pitch, energy; mel frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from priordiff.audio import AlignedCorpus, LogMelSpectrogram, SymbolTable, phoneme_energy, phoneme_pitch
from priordiff.models.frames import standardize_log_mel
from priordiff.training import Draw

__all__ = ["AcousticDataset", "NoisyUtteranceItem", "Prosody", "UtteranceItem", "collate_utterances"]


class UtteranceItem(TypedDict):
    """An utterance: symbols, durations, pitch, energy (phonemes,), mel (n_mels, frames), speaker, index."""

    symbols: Tensor
    durations: Tensor
    pitch: Tensor
    energy: Tensor
    mel: Tensor
    speaker: int
    index: int


class NoisyUtteranceItem(UtteranceItem):
    """An utterance with a window of its mel (n_mels, crop_frames), and what a step draws for that."""

    start: int
    noise: Tensor
    timestep: int


@dataclass(frozen=True)
class Prosody:
    """Mean and standard deviation of pitch, for each speaker, and of energy.

    Attributes:
        pitch_mean: of log F0 over voiced phonemes, of each speaker.
        pitch_std: likewise.
        energy_mean: over phonemes.
        energy_std: likewise.
    """

    pitch_mean: tuple[float, ...]
    pitch_std: tuple[float, ...]
    energy_mean: float
    energy_std: float

    @classmethod
    def of(
        cls, pitches: Sequence[Tensor], energies: Sequence[Tensor], speakers: Sequence[int], num_speakers: int
    ) -> Prosody:
        """The statistics of phonemes that have pitch and energy, NaN where they have none."""
        means, stds = [], []
        for speaker in range(num_speakers):
            own = [pitch for pitch, whose in zip(pitches, speakers, strict=True) if whose == speaker]
            mean, std = _moments(own)
            means.append(mean)
            stds.append(std)
        energy_mean, energy_std = _moments(energies)
        return cls(tuple(means), tuple(stds), energy_mean, energy_std)

    def pitch(self, log_f0: Tensor, speaker: int) -> Tensor:
        """Standardised pitch; 0 for what has none."""
        return ((log_f0 - self.pitch_mean[speaker]) / self.pitch_std[speaker]).nan_to_num(0.0)

    def energy(self, energy: Tensor) -> Tensor:
        """Standardised energy; 0 for what has none."""
        return ((energy - self.energy_mean) / self.energy_std).nan_to_num(0.0)


def _moments(values: Sequence[Tensor]) -> tuple[float, float]:
    """Mean and standard deviation, which is never 0, of all that is not NaN."""
    known = torch.cat([*values, torch.empty(0)])
    known = known[~known.isnan()]
    if not len(known):
        return 0.0, 1.0
    return float(known.mean()), max(float(known.std(correction=0)), 1e-3)


class AcousticDataset:
    """All utterances of a corpus, analysed once.

    Args:
        corpus: recordings with alignments.
        table: the phonemes' indices.
        log_mel: the transform.
        speakers: of each recording.
        num_speakers: of the model.
        crop_frames: mel frames of a training sample.
        num_train_timesteps: of the scheduler.
        prosody: whose units pitch and energy have: those of the training recordings for held-out ones; None
            for the statistics of these recordings.
    """

    def __init__(
        self,
        corpus: AlignedCorpus,
        table: SymbolTable,
        log_mel: LogMelSpectrogram,
        speakers: Sequence[int],
        num_speakers: int = 1,
        crop_frames: int = 128,
        num_train_timesteps: int = 400,
        prosody: Prosody | None = None,
    ) -> None:
        self.corpus = corpus
        self.crop_frames, self.num_train_timesteps = crop_frames, num_train_timesteps
        rate = log_mel.sample_rate
        self._items: list[UtteranceItem] = []
        for index, (alignment, speaker) in enumerate(zip(corpus.alignments, speakers, strict=True)):
            waveform = corpus.audio.waveform(index)
            frames = log_mel(waveform[None])[0]
            durations = alignment.durations(log_mel.hop_length, rate, frames.shape[-1])
            self._items.append(
                {
                    "symbols": table.encode(alignment.symbols),
                    "durations": durations,
                    "pitch": phoneme_pitch(waveform, rate, alignment),
                    "energy": phoneme_energy(frames, durations),
                    "mel": standardize_log_mel(frames),
                    "speaker": speaker,
                    "index": index,
                }
            )
        self.prosody = prosody or Prosody.of(
            [item["pitch"] for item in self._items],
            [item["energy"] for item in self._items],
            speakers,
            num_speakers,
        )
        for item in self._items:
            item["pitch"] = self.prosody.pitch(item["pitch"], item["speaker"])
            item["energy"] = self.prosody.energy(item["energy"])

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, draw: Draw) -> NoisyUtteranceItem:
        item = self._items[draw.index]
        mel, frames = item["mel"], self.crop_frames
        spare = max(0, mel.shape[-1] - frames)
        start = int(torch.randint(spare + 1, (), generator=draw.generator("crop")))
        generator = draw.generator("noise")
        window = mel[:, start : start + frames]
        return {
            **item,
            "mel": F.pad(window, (0, frames - window.shape[-1])),
            "start": start,
            "noise": torch.randn(mel.shape[0], frames, generator=generator),
            "timestep": int(torch.randint(self.num_train_timesteps, (), generator=generator)),
        }

    @property
    def items(self) -> Sequence[UtteranceItem]:
        """All of them in order."""
        return self._items

    def phonemes(self, item: UtteranceItem) -> Sequence[str]:
        """The symbols of one of them."""
        return self.corpus.alignments[item["index"]].symbols


def collate_utterances(items: Sequence[NoisyUtteranceItem]) -> dict[str, Any]:
    """A batch, padded with zeros at the end: phonemes (batch, phonemes), mel (batch, n_mels, frames)."""
    batch: dict[str, Any] = {
        name: pad_sequence([item[name] for item in items], batch_first=True)
        for name in ("symbols", "durations", "pitch", "energy")
    }
    batch["mel"] = torch.stack([item["mel"] for item in items])
    batch["noise"] = torch.stack([item["noise"] for item in items])
    batch["speaker"] = torch.tensor([item["speaker"] for item in items])
    batch["index"] = torch.tensor([item["index"] for item in items])
    batch["start"] = torch.tensor([item["start"] for item in items])
    batch["timestep"] = torch.tensor([item["timestep"] for item in items])
    # A number, not a tensor: whoever makes frames has to know it, on whatever device the rest lies.
    batch["num_frames"] = int(batch["durations"].sum(dim=1).max())
    return batch
