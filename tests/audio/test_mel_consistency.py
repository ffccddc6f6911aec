from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from torch import Tensor

pytest.importorskip("torchaudio")

from priordiff.audio import LogMelSpectrogram, mel_consistent

SMALL = {"sample_rate": 8000, "n_fft": 64, "win_length": 64, "hop_length": 16, "n_mels": 8, "f_max": 4000.0}


def speech_like(transform: LogMelSpectrogram, frames: int = 40, seed: int = 0) -> Tensor:
    """Two waveforms (2, N) whose loudness and colour change."""
    generator = torch.Generator().manual_seed(seed)
    samples = frames * transform.hop_length
    dtype = transform.window.dtype
    noise = torch.randn(2, samples, generator=generator).to(dtype)
    time = torch.arange(samples, dtype=dtype) / samples
    return 0.1 * noise * (0.1 + time) + 0.2 * torch.sin(300 * time * (1 + time))


def divergence(waveform: Tensor, log_mel: Tensor, transform: LogMelSpectrogram) -> Tensor:
    """The generalised divergence of each waveform's mel magnitudes from those given."""
    own = transform(waveform)
    return (log_mel.exp() * (log_mel - own) - log_mel.exp() + own.exp()).sum(dim=(1, 2))


@pytest.mark.parametrize(
    "options", [{}, {"win_length": 48}, {"hop_length": 8}, {"f_min": 500.0, "f_max": 3000.0}, {"n_mels": 3}]
)
def test_each_step_brings_the_mel_closer(options: dict[str, float]) -> None:
    transform = LogMelSpectrogram(**{**SMALL, **options}).double()
    log_mel = transform(speech_like(transform))
    waveform = speech_like(transform, seed=1)
    errors = [
        divergence(mel_consistent(waveform, log_mel, transform, steps), log_mel, transform)
        for steps in (0, 1, 2, 4, 8)
    ]
    for before, after in pairwise(errors):
        assert (after < before).all()
    assert (errors[-1] < 0.3 * errors[0]).all()


def test_a_waveform_that_has_its_mel_already_stays_as_it_is() -> None:
    transform = LogMelSpectrogram(**SMALL).double()
    waveform = speech_like(transform)
    torch.testing.assert_close(
        mel_consistent(waveform, transform(waveform), transform), waveform, rtol=0, atol=1e-12
    )


def test_no_steps_change_nothing() -> None:
    transform = LogMelSpectrogram(**SMALL)
    waveform = speech_like(transform)
    assert torch.equal(mel_consistent(waveform, torch.zeros(2, 8, 40), transform, 0), waveform)


def test_a_waveform_of_the_right_colour_gets_the_right_loudness_in_one_step() -> None:
    transform = LogMelSpectrogram(**{**SMALL, "n_mels": 20}).double()
    waveform = speech_like(transform)
    louder = mel_consistent(waveform, transform(waveform) + math.log(2), transform, 1)
    covered = transform.spectrum(louder - 2 * waveform)[:, transform.filters.sum(dim=0) > 0]
    # All but the direct current and the highest frequency, which no filter covers.
    assert covered.abs().square().sum() < 1e-2 * transform.spectrum(waveform).abs().square().sum()


def test_frequencies_that_no_filter_covers_keep_their_loudness() -> None:
    transform = LogMelSpectrogram(**{**SMALL, "f_max": 2000.0}).double()
    time = torch.arange(640, dtype=torch.float64) / 8000
    high = 0.1 * torch.sin(2 * math.pi * 3500 * time)[None]
    silent = torch.full((1, 8, 40), math.log(1e-5), dtype=torch.float64)
    result = mel_consistent(high, silent, transform)
    torch.testing.assert_close(result[:, 64:-64], high[:, 64:-64], rtol=0, atol=5e-3)


def test_silence_and_full_scale_stay_finite() -> None:
    transform = LogMelSpectrogram(**SMALL)
    silent = torch.full((2, 8, 40), math.log(1e-5))
    loud = torch.sign(speech_like(transform))
    assert mel_consistent(loud, silent, transform).abs().amax() < 2e-2
    assert mel_consistent(torch.zeros(2, 640), transform(loud), transform).isfinite().all()


def test_each_waveform_of_a_batch_is_treated_alone() -> None:
    transform = LogMelSpectrogram(**SMALL).double()
    log_mel, waveform = transform(speech_like(transform)), speech_like(transform, seed=1)
    together = mel_consistent(waveform, log_mel, transform, 3)
    alone = torch.cat([mel_consistent(waveform[i : i + 1], log_mel[i : i + 1], transform, 3) for i in (0, 1)])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-12)


def test_windows_that_do_not_overlap_leave_the_samples_between_them() -> None:
    transform = LogMelSpectrogram(**{**SMALL, "hop_length": 64, "win_length": 32}).double()
    waveform = speech_like(transform, frames=10)
    result = mel_consistent(waveform, transform(waveform) + 1.0, transform, 1)
    blocks = result.reshape(2, 10, 64), waveform.reshape(2, 10, 64)
    assert torch.equal(blocks[0][..., :16], blocks[1][..., :16])
    assert not torch.equal(blocks[0][..., 24:40], blocks[1][..., 24:40])
    assert result.abs().amax() < 10


def test_autocast_changes_nothing() -> None:
    transform = LogMelSpectrogram(**SMALL)
    log_mel, waveform = transform(speech_like(transform)), speech_like(transform, seed=1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        under_autocast = mel_consistent(waveform, log_mel, transform)
    assert torch.equal(under_autocast, mel_consistent(waveform, log_mel, transform))


@pytest.mark.parametrize(
    ("samples", "shape"), [(640, (1, 8, 40)), (640, (2, 9, 40)), (640, (2, 8, 39)), (639, (2, 8, 39))]
)
def test_shapes_that_do_not_fit_are_named(samples: int, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=rf"\(2, {samples}\).*expected log_mel \(batch, 8, frames\)"):
        mel_consistent(torch.zeros(2, samples), torch.zeros(shape), LogMelSpectrogram(**SMALL))


def test_a_negative_number_of_steps_is_refused() -> None:
    with pytest.raises(ValueError, match="num_steps=-1"):
        mel_consistent(torch.zeros(1, 640), torch.zeros(1, 8, 40), LogMelSpectrogram(**SMALL), -1)
