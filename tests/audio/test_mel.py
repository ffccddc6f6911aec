from __future__ import annotations

import math
import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.golden import PRIOR_CONDITIONS, Golden

pytest.importorskip("torchaudio")

from priordiff.audio import LogMelSpectrogram
from priordiff.audio.mel import foreign_log_mels, mel_filter_bank

SMALL = {"sample_rate": 8000, "n_fft": 64, "win_length": 64, "hop_length": 16, "n_mels": 8, "f_max": 4000.0}


def slaney_mel(hertz: float) -> float:
    """Slaney's scale: linear below 1000 Hz, logarithmic above."""
    return hertz * 3 / 200 if hertz < 1000 else 15 + math.log(hertz / 1000) * 27 / math.log(6.4)


@pytest.mark.parametrize("name", PRIOR_CONDITIONS)
def test_it_is_the_published_log_mel(name: str) -> None:
    tensors = Golden(name).tensors
    torch.testing.assert_close(LogMelSpectrogram()(tensors["waveform"]), tensors["mel"], rtol=0, atol=1e-5)


@given(samples=st.integers(25, 400), batch=st.integers(1, 3))
@settings(deadline=None)
def test_there_is_a_frame_for_every_whole_hop(samples: int, batch: int) -> None:
    assert LogMelSpectrogram(**SMALL)(torch.zeros(batch, samples)).shape == (batch, 8, samples // 16)


@pytest.mark.parametrize("hop_length", [2, 20, 64])
def test_any_hop_up_to_the_window_works(hop_length: int) -> None:
    log_mel = LogMelSpectrogram(**{**SMALL, "hop_length": hop_length})
    assert log_mel(torch.zeros(1, 320)).shape == (1, 8, 320 // hop_length)


@pytest.mark.parametrize("hertz", [110.0, 440.0, 1000.0, 3000.0, 7000.0])
def test_a_pure_tone_is_loudest_in_the_band_of_its_frequency(hertz: float) -> None:
    tone = torch.sin(2 * math.pi * hertz * torch.arange(22050) / 22050)
    bands = LogMelSpectrogram()(0.5 * tone[None]).mean(dim=-1)[0]
    spacing = slaney_mel(8000.0) / 81
    expected = slaney_mel(hertz) / spacing - 1
    # Low bands are narrower than a bin of the Fourier transform, 21.5 Hz.
    assert abs(int(bands.argmax()) - expected) <= 1


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_default_of_half_precision_takes_nothing_from_the_filters(dtype: torch.dtype) -> None:
    expected, waveform = LogMelSpectrogram(**SMALL), 0.1 * torch.randn(1, 400)
    torch.set_default_dtype(dtype)
    try:
        log_mel = LogMelSpectrogram(**SMALL)
        assert torch.get_default_dtype() == dtype
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.equal(log_mel.filters, expected.filters)
    assert torch.equal(log_mel(waveform), expected(waveform))


def test_ten_times_the_amplitude_adds_log_ten() -> None:
    log_mel = LogMelSpectrogram()
    noise = 0.05 * torch.randn(1, 5120)
    difference = log_mel(10 * noise) - log_mel(noise)
    torch.testing.assert_close(difference, torch.full_like(difference, math.log(10)), rtol=0, atol=1e-2)


def test_silence_has_a_floor() -> None:
    quiet = LogMelSpectrogram()(torch.zeros(1, 5120))
    assert quiet.isfinite().all()
    assert quiet.min() >= math.log(1e-5) - 1e-5


def test_a_frame_is_centred_on_its_hop() -> None:
    click = torch.zeros(1, 5120)
    click[0, 256 * 9 + 128] = 1.0
    assert LogMelSpectrogram()(click).mean(dim=1).argmax() == 9


def test_gradients_reach_a_silent_waveform() -> None:
    waveform = torch.zeros(1, 320, requires_grad=True)
    LogMelSpectrogram(**SMALL)(waveform).sum().backward()
    assert waveform.grad.isfinite().all()


def test_it_computes_in_double_precision_if_asked() -> None:
    assert LogMelSpectrogram(**SMALL).double()(torch.zeros(1, 320).double()).dtype == torch.float64


def test_each_filter_is_a_triangle_of_unit_area() -> None:
    filters = mel_filter_bank(22050, 8192, 40, 0.0, 8000.0)
    assert (filters >= 0).all()
    torch.testing.assert_close(filters.sum(1) * 22050 / 8192, torch.ones(40), rtol=0.02, atol=0)
    # Each band ends where the band after the next one begins.
    assert ((filters[:-2] > 0) & (filters[2:] > 0)).sum() == 0


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"win_length": 65}, "win_length=65 must lie in 1…n_fft=64"),
        ({"win_length": 0}, "win_length=0 must lie in 1…n_fft=64"),
        ({"hop_length": 66}, "hop_length=66 must lie in 1…n_fft=64"),
        ({"hop_length": 0}, "hop_length=0 must lie in 1…n_fft=64"),
        ({"hop_length": 15}, "hop_length=15 must lie in 1…n_fft=64 and differ from it by an even"),
        ({"n_mels": 0}, "n_mels=0 must be at least 1"),
        ({"f_max": 4001.0}, "f_min=0.0, f_max=4001.0 must satisfy 0 <= f_min < f_max <= 4000.0"),
        ({"f_min": -1.0}, "f_min=-1.0"),
        ({"f_min": 4000.0}, "f_min=4000.0, f_max=4000.0"),
        ({"sample_rate": 0}, "sample_rate=0"),
    ],
)
def test_a_configuration_that_makes_no_sense_is_an_error(config: dict, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        LogMelSpectrogram(**{**SMALL, **config})


@pytest.mark.parametrize(
    ("waveform", "message"),
    [
        (torch.zeros(320), "waveform has shape (320,), expected (batch, samples)"),
        (torch.zeros(2, 1, 320), "waveform has shape (2, 1, 320), expected (batch, samples)"),
        (torch.zeros(1, 24), "waveform has 24 samples, too few for one frame: at least 25 are needed"),
        (torch.zeros(1, 0), "waveform has 0 samples"),
        (torch.zeros(1, 320, dtype=torch.int16), "waveform has dtype torch.int16, expected torch.float32"),
        (torch.zeros(1, 320).double(), "waveform has dtype torch.float64, expected torch.float32"),
    ],
)
def test_waveforms_that_do_not_fit_are_an_error_in_one_line(waveform: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        LogMelSpectrogram(**SMALL)(waveform)
    assert "\n" not in str(error.value)


def test_autocast_does_not_coarsen_it() -> None:
    waveform = torch.randn(1, 4096, generator=torch.Generator().manual_seed(0))
    transform = LogMelSpectrogram()
    expected = transform(waveform)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(transform(waveform), expected)


DEFAULTS = {"sample_rate": 22050, "n_fft": 1024, "win_length": 1024}


@pytest.mark.parametrize(
    "parameters",
    [DEFAULTS, SMALL, {**DEFAULTS, "n_mels": 128}, {**DEFAULTS, "n_fft": 512, "win_length": 400}],
)
def test_no_waveform_at_full_scale_or_below_leaves_the_range(parameters: dict) -> None:
    transform = LogMelSpectrogram(**parameters)
    time = torch.arange(8192) / parameters["sample_rate"]
    waveforms = [torch.zeros(8192), torch.ones(8192), torch.randn(8192).sign()]
    centres = (transform.filters.argmax(dim=1) * parameters["sample_rate"] / parameters["n_fft"]).unique()
    waveforms += [torch.sin(2 * math.pi * hertz * time).sign() for hertz in centres]
    log_mels = [transform(waveform[None]) for waveform in waveforms]
    assert foreign_log_mels(log_mels, parameters) is None


@pytest.mark.parametrize(
    "convert",
    [
        lambda log_mel: log_mel * 20 / math.log(10),
        lambda log_mel: 2 * log_mel,
        lambda log_mel: 100 * log_mel.exp(),
        lambda log_mel: log_mel + math.log(32768),
    ],
    ids=["decibels", "powers", "no logarithms", "integers"],
)
def test_other_conventions_leave_the_range(convert: object) -> None:
    speech = 0.9 * torch.sin(2 * math.pi * 200 * torch.arange(8192) / 22050)
    log_mels = [LogMelSpectrogram()(waveform[None]) for waveform in (speech, torch.zeros(8192))]
    assert foreign_log_mels(log_mels, DEFAULTS) is None
    assert "decibels" in foreign_log_mels([convert(log_mel) for log_mel in log_mels], DEFAULTS)


def test_a_padded_piece_has_the_frames_of_the_whole() -> None:
    log_mel, waveform = LogMelSpectrogram(hop_length=256), torch.randn(2, 20 * 256) / 10
    start, stop = 5 * 256 - log_mel.padding, 9 * 256 + log_mel.padding
    torch.testing.assert_close(log_mel(waveform[:, start:stop], padded=True), log_mel(waveform)[..., 5:9])
    with pytest.raises(ValueError, match="1023 samples, too few for one frame: at least 1024"):
        log_mel(waveform[:, :1023], padded=True)
