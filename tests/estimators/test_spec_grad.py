from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from priordiff.audio import LogMelSpectrogram
from priordiff.estimators import SpecGradEstimator

MEL = {"sample_rate": 16000, "n_fft": 256, "hop_length": 64, "win_length": 256, "n_mels": 20, "f_max": 8000.0}


def make_estimator(**config: Any) -> SpecGradEstimator:
    return SpecGradEstimator(**{**MEL, "floor": 1e-4, **config})


def colored_noise(loudness: float = 0.1, batch: int = 8, frames: int = 80) -> Tensor:
    """Noise (batch, samples) that falls by 20 dB from low to high frequencies."""
    filter = torch.tensor([1.0, 0.9, 0.6, 0.3])
    white = loudness * torch.randn(batch, 1, 64 * frames + 3)
    return F.conv1d(white, filter[None, None])[:, 0]


def test_noise_of_the_prior_has_the_mel_that_it_was_made_for() -> None:
    spectrogram = LogMelSpectrogram(**MEL)
    log_mel = spectrogram(colored_noise())
    noise = make_estimator()(log_mel).sample((8, 1, 64 * 80))
    difference = (spectrogram(noise[:, 0]) - log_mel)[..., 3:-3].mean((0, 2))
    # The mean of a logarithm is not that of what it is taken of: narrow bands come out 0.3 too low.
    assert difference.abs().max() < 0.35
    assert difference.abs().mean() < 0.15


@pytest.mark.parametrize("std", [0.5, 0.01])
def test_white_noise_has_the_same_gain_everywhere(std: float) -> None:
    gain = make_estimator()(LogMelSpectrogram(**MEL)(std * torch.randn(8, 64 * 80))).gain
    assert gain.shape == (8, 1, 80, 129)
    # A pseudo-inverse bends a flat spectrum at the highest band.
    torch.testing.assert_close(gain.mean((0, 1, 2)), torch.full((129,), std), rtol=0.3, atol=0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_loaded_in_half_precision_it_has_the_same_gain(tmp_path: Path, dtype: torch.dtype) -> None:
    estimator, log_mel = make_estimator(), LogMelSpectrogram(**MEL)(colored_noise())
    estimator.save_pretrained(tmp_path)
    loaded = SpecGradEstimator.from_pretrained(tmp_path, torch_dtype=dtype)
    torch.testing.assert_close(loaded(log_mel).gain, estimator(log_mel).gain, rtol=0.02, atol=0)


def test_the_gain_is_an_envelope_smooth_in_frequency() -> None:
    log_mel = LogMelSpectrogram(**MEL)(colored_noise())
    for order in (2, 10):
        gain = make_estimator(lifter_order=order)(log_mel).gain
        cepstrum = torch.fft.irfft(gain.log(), 256)
        assert cepstrum[..., order : 256 - order + 1].abs().max() < 1e-5
        assert cepstrum[..., 1:order].abs().amax((0, 1, 2)).min() > 1e-3


def test_the_gain_follows_the_mel_in_time() -> None:
    quiet, loud = colored_noise(0.01), colored_noise(0.1)
    gain = make_estimator()(LogMelSpectrogram(**MEL)(torch.cat([quiet, loud], dim=1))).gain
    assert (gain[:, :, 90:].mean() / gain[:, :, :70].mean()).item() == pytest.approx(10, rel=0.1)


def test_the_gain_stays_above_the_floor() -> None:
    silence = make_estimator(floor=0.03)(torch.full((1, 20, 6), -11.5)).gain
    torch.testing.assert_close(silence, torch.full_like(silence, 0.03))
    assert make_estimator(floor=0.03)(LogMelSpectrogram(**MEL)(colored_noise())).gain.min() >= 0.03


def test_the_prior_whitens_what_it_colors() -> None:
    prior = make_estimator(floor=0.01)(LogMelSpectrogram(**MEL)(colored_noise(batch=2))).to(torch.float64)
    white = torch.randn(2, 1, 64 * 80, dtype=torch.float64)
    torch.testing.assert_close(prior.whiten(prior.color(white)), white, rtol=0, atol=1e-8)


def test_gradients_reach_the_log_mel() -> None:
    log_mel = LogMelSpectrogram(**MEL)(colored_noise(batch=1, frames=4)).requires_grad_()
    make_estimator()(log_mel).gain.sum().backward()
    assert log_mel.grad is not None
    assert log_mel.grad.isfinite().all()
    assert log_mel.grad.abs().sum() > 0


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_dtypes_work(dtype: torch.dtype) -> None:
    log_mel = LogMelSpectrogram(**MEL)(colored_noise(batch=1, frames=4))
    expected = make_estimator()(log_mel).gain
    estimator = make_estimator().to(dtype)
    prior = estimator(log_mel.to(dtype))
    assert prior.gain.dtype == dtype
    torch.testing.assert_close(
        prior.gain.float(), expected, rtol=0.1 if dtype == torch.bfloat16 else 1e-4, atol=0
    )


def test_a_saved_estimator_gives_the_same_prior(tmp_path: Path) -> None:
    estimator = make_estimator(lifter_order=10)
    estimator.save_pretrained(tmp_path)
    loaded = SpecGradEstimator.from_pretrained(tmp_path)
    log_mel = torch.randn(2, 20, 6) - 5
    assert torch.equal(loaded(log_mel).gain, estimator(log_mel).gain)


def test_frames_of_another_number_of_bands_are_an_error() -> None:
    with pytest.raises(ValueError, match=r"log_mel has shape \(1, 80, 5\), expected \(batch, 20 mel bands"):
        make_estimator()(torch.zeros(1, 80, 5))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"win_length": 512}, "win_length=512 must lie in 1…n_fft=256"),
        ({"lifter_order": 0}, "lifter_order=0 must lie in 1…n_fft / 2=128"),
        ({"lifter_order": 200}, "lifter_order=200 must lie in 1…n_fft / 2=128"),
        ({"floor": 0.0}, "floor=0.0 must be positive"),
        ({"hop_length": 100}, "hop_length=100"),
        ({"f_max": 9000.0}, "f_max=9000.0"),
    ],
)
def test_a_configuration_that_makes_no_sense_is_an_error(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        make_estimator(**config)
