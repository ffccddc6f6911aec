import math

import pytest
import torch
from einops import rearrange, repeat

from priordiff.audio.mel import LogMelSpectrogram
from priordiff.audio.metrics import log_mel_mae, mel_cepstral_distortion, multi_resolution_stft

SAMPLE_RATE = 22050
N_MELS = 20


def speech(seed=0, seconds=0.5):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(int(seconds * SAMPLE_RATE) // 256 * 256, generator=generator) * 0.1


def as_log_mel(waveform):
    """Reads a waveform's samples as a log-mel spectrogram: distances of spectra can be set by hand."""
    return rearrange(waveform, "b (m f) -> b m f", m=N_MELS)


def from_log_mel(log_mel):
    return rearrange(log_mel, "m f -> (m f)")


def envelope_difference(cepstrum, frames=400):
    band = torch.arange(N_MELS, dtype=torch.float64) + 0.5
    shape = sum(c * torch.cos(math.pi * k * band / N_MELS) for k, c in cepstrum.items())
    return from_log_mel(repeat(shape, "m -> m f", f=frames))


@pytest.mark.parametrize("metric", [log_mel_mae, mel_cepstral_distortion])
def test_a_waveform_has_no_spectral_distance_to_itself(metric):
    assert metric(speech(), speech(), SAMPLE_RATE, LogMelSpectrogram()) == 0.0
    assert multi_resolution_stft(speech(), speech(), SAMPLE_RATE) == 0.0


def test_log_mel_mae_of_a_scaled_signal_is_the_log_of_the_scale():
    error = log_mel_mae(0.5 * speech(), speech(), SAMPLE_RATE, LogMelSpectrogram())
    assert error == pytest.approx(math.log(2), abs=1e-3)


def test_mel_cepstral_distortion_ignores_the_gain():
    assert mel_cepstral_distortion(0.5 * speech(), speech(), SAMPLE_RATE, LogMelSpectrogram()) < 0.01


def test_mel_cepstral_distortion_has_the_published_value_for_a_cepstral_difference():
    difference = envelope_difference({3: 0.3, 5: -0.4})
    distortion = mel_cepstral_distortion(difference, torch.zeros_like(difference), SAMPLE_RATE, as_log_mel)
    assert distortion == pytest.approx(10 / math.log(10) * math.sqrt(2 * (0.3**2 + 0.4**2)), rel=1e-6)


def test_mel_cepstral_distortion_is_the_rms_of_the_envelopes_difference_in_decibels():
    difference = envelope_difference({1: 0.7, 13: 0.2})
    distortion = mel_cepstral_distortion(difference, torch.zeros_like(difference), SAMPLE_RATE, as_log_mel)
    decibels = 20 * difference / math.log(10)
    assert distortion == pytest.approx(float(decibels.square().mean().sqrt()), rel=1e-6)


def test_mel_cepstral_distortion_hears_only_thirteen_coefficients():
    difference = envelope_difference({0: 2.0, 14: 1.0})
    distortion = mel_cepstral_distortion(difference, torch.zeros_like(difference), SAMPLE_RATE, as_log_mel)
    assert distortion == pytest.approx(0.0, abs=1e-6)


def test_mel_cepstral_distortion_refuses_too_few_bands():
    with pytest.raises(ValueError, match="13 bands"):
        mel_cepstral_distortion(speech(), speech(), SAMPLE_RATE, LogMelSpectrogram(n_mels=13))


def test_mr_stft_of_a_scaled_signal_is_convergence_plus_log_of_the_scale():
    distance = multi_resolution_stft(0.5 * speech(), speech(), SAMPLE_RATE)
    assert distance == pytest.approx(0.5 + math.log(2), abs=1e-3)


def test_mr_stft_is_the_mean_over_the_published_resolutions():
    prediction, target = speech(1), speech(2)
    expected = 0.0
    for n_fft, hop_length, win_length in ((512, 50, 240), (1024, 120, 600), (2048, 240, 1200)):
        window = torch.hann_window(win_length)
        p, t = (
            torch.stft(x, n_fft, hop_length, win_length, window, return_complex=True).abs()
            for x in (prediction, target)
        )
        expected += ((t - p).norm() / t.norm() + (t.log() - p.log()).abs().mean()).item() / 3
    assert multi_resolution_stft(prediction, target, SAMPLE_RATE) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize(
    ("prediction", "message"),
    [
        (speech()[:-1], "equal lengths"),
        (speech()[None], "one channel"),
        (speech().mul(torch.nan), "NaN"),
        (speech()[:1000], "at least 0.25 s"),
        (torch.zeros(8000, dtype=torch.int16), "floating-point"),
    ],
)
def test_bad_waveforms_are_named_in_one_line(prediction, message):
    with pytest.raises(ValueError, match=message) as error:
        log_mel_mae(prediction, speech(), SAMPLE_RATE, LogMelSpectrogram())
    assert "prediction" in str(error.value)
    assert "\n" not in str(error.value)
