"""What a text-to-speech pipeline is made of and given, checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import torch
from diffusers.utils import BaseOutput
from torch import Tensor

from priordiff.audio.spoken_text import spoken_sentences
from priordiff.audio.symbols import SymbolTable

__all__ = [
    "TextToSpeechOutput",
    "check_parts",
    "generator_of",
    "joined",
    "parts_of_vocoder",
    "sentences_to_speak",
    "speaker_index",
]


@dataclass
class TextToSpeechOutput(BaseOutput):
    """What `TextToSpeechPipeline` makes of each text.

    Attributes:
        audios: waveforms (samples,) in [−1, 1]; None without a vocoder.
        mels: log-mel frames (n_mels, frames).
        phonemes: symbols and, for each, the frames that it lasts.
        sample_rate: in Hz.
    """

    audios: list[Tensor] | None
    mels: list[Tensor]
    phonemes: list[list[tuple[str, int]]]
    sample_rate: int


def check_parts(
    encoder: Any,
    decoder: Any,
    scheduler: Any,
    num_symbols: int,
    speakers: Sequence[str] | None,
    pitch_std: Sequence[float],
) -> None:
    """Checks that the configurations of encoder and decoder fit each other and what is known of the data.

    Raises:
        ValueError: if they do not, or the decoder is a denoiser and there is no scheduler.
    """
    if scheduler is None and "prior_condition" in decoder:
        raise ValueError("scheduler is missing, but the decoder is a denoiser: give that of its training")
    if num_symbols != encoder.num_symbols:
        raise ValueError(
            f"symbols has {num_symbols} phonemes, but the encoder num_symbols={encoder.num_symbols}: they "
            "must be equal"
        )
    names = 1 if speakers is None else len(speakers)
    if not names == len(pitch_std) == encoder.num_speakers:
        raise ValueError(
            f"there are {names} speakers and {len(pitch_std)} pitch_std, but the encoder has num_speakers="
            f"{encoder.num_speakers}: they must be equal"
        )
    if decoder.condition_channels != encoder.channels:
        raise ValueError(
            f"the encoder has channels={encoder.channels}, but the decoder condition_channels="
            f"{decoder.condition_channels}: they must be equal"
        )


def parts_of_vocoder(vocoder: Any, mel: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a `TextToSpeechPipeline` that give it a vocoder.

    Args:
        vocoder: a `VocoderPipeline`.
        mel: parameters of the frames that the pipeline makes.

    Raises:
        ValueError: if the vocoder is for frames of others.
    """
    theirs = vocoder.config.mel
    if differing := [name for name in mel if mel[name] != theirs[name]]:
        ours, others = (", ".join(f"{name}={each[name]}" for name in differing) for each in (mel, theirs))
        raise ValueError(
            f"the vocoder is for mel frames with {others}, but this pipeline makes them with {ours}: take a "
            "vocoder that was trained on such frames"
        )
    options = ("num_inference_steps", "solver", "num_consistency_steps", "schedules")
    return {
        "vocoder_model": vocoder.model,
        "vocoder_scheduler": vocoder.scheduler,
        "vocoder_estimator": vocoder.estimator,
        "vocoder": {name: vocoder.config[name] for name in options},
    }


def sentences_to_speak(text: Any, phonemes: Any, table: SymbolTable, voice: str) -> list[list[list[str]]]:
    """The phonemes of each sentence of each text, or of each text that is given in phonemes.

    Args:
        text: one or several.
        phonemes: of one sentence or of several, instead.
        table: of the model.
        voice: of espeak-ng.

    Raises:
        ValueError: if there is not exactly one of the two, or nothing in it.
    """
    if (text is None) == (phonemes is None):
        raise ValueError("give exactly one of text and phonemes")
    if text is not None:
        is_several = isinstance(text, Iterable) and not isinstance(text, str | bytes)
        return [spoken_sentences(each, table, voice) for each in (text if is_several else [text])]
    listed = list(phonemes)
    sentences = [listed] if all(isinstance(each, str) for each in listed) else [*map(list, listed)]
    if not all(sentences):
        raise ValueError("phonemes is empty, or one of its sentences is: expected at least one phoneme")
    return [[sentence] for sentence in sentences]


def generator_of(seed: Any) -> torch.Generator | None:
    """The source of noise that a seed stands for; None for the global one.

    Raises:
        ValueError: if it is no integer of 64 bits.
    """
    if seed is None:
        return None
    if not isinstance(seed, Integral) or not -(2**63) <= int(seed) < 2**64:
        raise ValueError(f"seed={seed!r}, expected an integer of 64 bits, or None")
    return torch.Generator().manual_seed(int(seed))


def speaker_index(speaker: str | int | None, speakers: Sequence[str] | None) -> int:
    """The index of a speaker that is given by name or index; of the first by default.

    Raises:
        ValueError: if there is no such speaker; the message names those that there are.
    """
    names = [""] if speakers is None else list(speakers)
    if speaker is None:
        return 0
    if isinstance(speaker, Integral) and 0 <= int(speaker) < len(names):
        return int(speaker)
    if speaker in names:
        return names.index(speaker)
    if speakers is None:
        raise ValueError(f"speaker={speaker!r}, but there is one speaker, who has no name: leave it out")
    raise ValueError(f"speaker={speaker!r}, expected one of {', '.join(map(repr, names))}")


def joined(audios: Sequence[Tensor], silence: int) -> Tensor:
    """Waveforms (N,) one after the other, with so many samples of silence between them."""
    return torch.cat([part for audio in audios for part in (audio, torch.zeros(silence))][:-1])
