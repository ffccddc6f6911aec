import numpy as np
import pytest
import torch

from priordiff.audio.metrics import UndefinedMetricError, f0_rmse, fundamental_frequency, voicing_error

SAMPLE_RATE = 16000
SECONDS = 1.0


def voice(frequency, seconds=SECONDS):
    time = torch.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return 0.1 * sum(torch.cos(2 * torch.pi * frequency * k * time) / k for k in range(1, 20))


def noise():
    return 0.1 * torch.randn(int(SECONDS * SAMPLE_RATE), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("frequency", [90.0, 150.0, 333.0])
def test_the_fundamental_of_a_harmonic_tone_is_found(frequency):
    f0 = fundamental_frequency(voice(frequency), SAMPLE_RATE)
    assert len(f0) == SECONDS * 200 + 1
    assert np.median(f0) == pytest.approx(frequency, rel=2e-3)


@pytest.mark.parametrize("other", [120.0, 180.0])
def test_f0_rmse_is_the_distance_of_two_tones_in_hertz(other):
    assert f0_rmse(voice(other), voice(150.0), SAMPLE_RATE) == pytest.approx(30.0, abs=0.5)


def test_a_waveform_has_no_pitch_error_to_itself():
    assert f0_rmse(voice(150.0), voice(150.0), SAMPLE_RATE) == 0.0
    assert voicing_error(voice(150.0), voice(150.0), SAMPLE_RATE) == 0.0


def test_noise_in_place_of_a_voice_is_a_voicing_error():
    assert voicing_error(noise(), voice(150.0), SAMPLE_RATE) > 0.8


def test_half_a_voice_is_a_voicing_error_of_one_half():
    half = voice(150.0)
    half[len(half) // 2 :] = 0
    assert voicing_error(half, voice(150.0), SAMPLE_RATE) == pytest.approx(0.5, abs=0.05)


def test_f0_rmse_of_silence_is_undefined_rather_than_nan():
    with pytest.raises(UndefinedMetricError, match="no frame is voiced"):
        f0_rmse(torch.zeros_like(voice(150.0)), voice(150.0), SAMPLE_RATE)


@pytest.mark.parametrize("metric", [f0_rmse, voicing_error])
def test_a_missing_package_names_the_extra(metric, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyworld", None)
    with pytest.raises(ImportError, match=r"priordiff\[audio\]"):
        metric(voice(150.0), voice(150.0), SAMPLE_RATE)
