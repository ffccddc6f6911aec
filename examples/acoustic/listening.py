"""Makes mel frames audible, and compares what is heard with held-out recordings."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path

import torch
import torch.nn.functional as F
from accelerate import PartialState
from torch import Tensor

from acoustic.configuration import AcousticConfig
from acoustic.data import AcousticDataset
from priordiff import VocoderPipeline
from priordiff.audio.mel import log_mel_range
from priordiff.audio.metrics import average_scores, evaluate_alone, fundamental_frequency, warped_distances
from priordiff.commands.models import load_vocoder
from priordiff.models.frames import log_mel_of_standardized

__all__ = ["Listener", "vocoder_of"]

_logger = logging.getLogger(__name__)


def vocoder_of(config: AcousticConfig) -> VocoderPipeline | None:
    """The vocoder that the configuration names; that of the package where it names none.

    None, and a warning, if that of the package is for other mel frames.

    Raises:
        FileNotFoundError: if there is none where one is named.
        ValueError: if that is for other mel frames, or can't be loaded.
    """
    named = config.evaluation.vocoder
    vocoder = load_vocoder(None if named is None else Path(named), PartialState().device)
    frames = vocoder.config.mel
    ours = [f"{name}={value}" for name, value in asdict(config.mel).items() if frames[name] != value]
    if not ours:
        return vocoder
    problem = f"the vocoder is for other mel frames than those of the configuration: {', '.join(ours)}"
    if named is not None:
        raise ValueError(f"{named}: {problem}")
    _logger.warning("no sound: %s; evaluation.vocoder names another one", problem)
    return None


class Listener:
    """The first held-out recordings, with which everything is compared that models make of their phonemes.

    Args:
        config: of the run.
        validation: held-out recordings.
        vocoder: None for mel frames alone.
    """

    def __init__(
        self, config: AcousticConfig, validation: AcousticDataset, vocoder: VocoderPipeline | None
    ) -> None:
        self.config, self.vocoder = config, vocoder
        self.items = validation.items[: config.evaluation.final_utterances]
        self.phonemes = [validation.phonemes(item) for item in self.items]
        self.mels = [log_mel_of_standardized(item["mel"]) for item in self.items]
        self._audio = validation.corpus.audio
        self.texts = [self._audio.recordings[item["index"]].text or "" for item in self.items]

    def sounds(self, mels: Sequence[Tensor]) -> list[Tensor]:
        """Waveforms (samples,) of log-mel frames, with the noise of their places; none without a vocoder."""
        if self.vocoder is None:
            return []
        waveforms = []
        low, high = log_mel_range(self.vocoder.config.mel)  # which the noise of a prior may leave
        for seed, mel in enumerate(mels):
            generator = torch.Generator().manual_seed(seed)
            (audios,) = self.vocoder(mel[None].clamp(low, high), generator=generator, return_dict=False)
            waveforms.append(audios[0].cpu())
        return waveforms

    def scores(self, mels: Sequence[Tensor], sounds: Sequence[Tensor]) -> dict[str, float]:
        """Measures of log-mel frames, and of their sounds, against the recordings.

        `log_mel_mae` in nats and `mcd` in dB after dynamic time warping; where there is sound, `f0_rmse` in
        Hz along the same path, and `mos` and `wer` where their packages are installed.
        """
        results = []
        for index, (mel, target) in enumerate(zip(mels, self.mels, strict=True)):
            if not sounds:
                results.append(warped_distances(mel, target))
                continue
            rate = self.config.mel.sample_rate
            # Who has hardly learned to speak may say less than the measures need.
            sound = F.pad(sounds[index], (0, max(0, rate // 2 - len(sounds[index]))))
            frequencies = self._frequencies(sound, mel)
            results.append(
                {
                    **warped_distances(mel, target, frequencies, self._f0[index]),
                    **evaluate_alone(sound, rate, self.texts[index]),
                }
            )
        return average_scores(results)

    @cached_property
    def scores_of_recordings(self) -> dict[str, float]:
        """The measures of the recordings' own frames: what the vocoder leaves of them."""
        return self.scores(self.mels, self.sounds(self.mels))

    @cached_property
    def _f0(self) -> list[Tensor]:
        pairs = zip(self.items, self.mels, strict=True)
        return [self._frequencies(self._audio.waveform(item["index"]), mel) for item, mel in pairs]

    def _frequencies(self, waveform: Tensor, mel: Tensor) -> Tensor:
        """Fundamental frequency in Hz of each frame."""
        parameters = self.config.mel
        period = parameters.hop_length / parameters.sample_rate
        f0 = torch.from_numpy(fundamental_frequency(waveform, parameters.sample_rate, period))
        return F.pad(f0, (0, max(0, mel.shape[-1] - len(f0))))[: mel.shape[-1]]
