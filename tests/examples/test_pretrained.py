"""The model that ships with the vocoder example."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import safe_open

from priordiff import VocoderPipeline
from priordiff.audio import LogMelSpectrogram, speak
from priordiff.audio.metrics import log_mel_mae

FOLDER = Path(__file__).parents[2] / "examples" / "vocoder" / "pretrained"


def test_it_is_small_and_of_half_precision() -> None:
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) <= 20_000_000
    for part in ("model", "estimator"):
        (file,) = (FOLDER / part).glob("*.safetensors")
        with safe_open(file, "pt") as weights:
            assert {weights.get_slice(name).get_dtype() for name in weights.keys()} == {"F16"}  # noqa: SIM118


def test_it_speaks_a_sentence_that_it_has_never_heard() -> None:
    pipeline = VocoderPipeline.from_pretrained(FOLDER)
    pipeline.set_progress_bar_config(disable=True)
    log_mel = LogMelSpectrogram(**pipeline.config.mel)
    utterance = speak("The quick brown fox jumps over the lazy dog.", voice="en-us")
    length = utterance.waveform.numel() // log_mel.hop_length * log_mel.hop_length
    target = utterance.waveform[:length] / utterance.waveform.abs().max() * 0.95
    # A faint noise floor, as the recordings have that it was trained on.
    target = target + 1e-3 * torch.randn(length, generator=torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(0)
    (audio,) = pipeline(waveform=target[None], generator=generator).audios
    assert audio.shape == target.shape
    assert log_mel_mae(audio, target, pipeline.sample_rate, log_mel) < 0.6
