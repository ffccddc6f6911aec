"""The models that come with the package."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors import safe_open

import priordiff.pretrained
from priordiff import pretrained_vocoder, pretrained_voice
from priordiff.audio import LogMelSpectrogram, speak
from priordiff.audio.metrics import log_mel_mae
from tests.commands.test_models import acoustic_model

FOLDER = Path(priordiff.pretrained.__file__).parent / "vocoder"


def test_it_is_small_and_of_half_precision() -> None:
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) <= 20_000_000
    for part in ("model", "estimator"):
        (file,) = (FOLDER / part).glob("*.safetensors")
        with safe_open(file, "pt") as weights:
            assert {weights.get_slice(name).get_dtype() for name in weights.keys()} == {"F16"}  # noqa: SIM118


def test_it_speaks_a_sentence_that_it_has_never_heard() -> None:
    pipeline = pretrained_vocoder()
    assert {each.dtype for each in pipeline.model.parameters()} == {torch.float32}
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


def test_without_a_voice_it_says_where_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(priordiff.pretrained, "_FOLDER", tmp_path)
    with pytest.raises(
        FileNotFoundError, match=r"without a voice: train one with examples/acoustic.*--model"
    ):
        pretrained_voice()


def test_the_voice_that_is_put_beside_the_vocoder_speaks_through_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "vocoder").symlink_to(FOLDER)
    monkeypatch.setattr(priordiff.pretrained, "_FOLDER", tmp_path)
    acoustic_model().to(torch.float16).save_pretrained(tmp_path / "acoustic")
    voice = pretrained_voice()
    assert {each.dtype for each in voice.encoder.parameters()} == {torch.float32}
    output = voice(phonemes=["_"], seed=0)
    assert len(output.audios[0]) == 256 * output.mels[0].shape[-1]
