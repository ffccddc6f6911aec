from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
import torch
from torch import Tensor

from priordiff import MelSpectrumEstimator
from priordiff.lapped_transform import inverse_mdct, mdct

N_MELS, HOP_LENGTH = 3, 8


def true_log_std(log_mel: Tensor) -> Tensor:
    """Some σ (batch, 1, frames, hop) that is log-linear in the log-mel, like that of the estimator."""
    random = torch.Generator().manual_seed(5)
    weight = 0.3 * torch.randn(HOP_LENGTH, N_MELS, generator=random, dtype=torch.float64)
    bias = torch.linspace(-1, -3, HOP_LENGTH, dtype=torch.float64)
    return (log_mel.double().mT @ weight.T + bias)[:, None]


def synthetic(batch: int, frames: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Log-mel frames and waveforms that are Gaussian noise with the σ above."""
    random = torch.Generator().manual_seed(seed)
    log_mel = torch.randn(batch, N_MELS, frames, generator=random)
    white = torch.randn(batch, 1, frames, HOP_LENGTH, generator=random, dtype=torch.float64)
    return log_mel, inverse_mdct(true_log_std(log_mel).exp() * white)


def make_estimator(**config: float) -> MelSpectrumEstimator:
    return MelSpectrumEstimator(N_MELS, HOP_LENGTH, **{"floor": 1e-4, **config})


def test_it_finds_the_std_of_gaussian_noise() -> None:
    estimator = make_estimator(ceiling=10.0).fit([synthetic(40, 1000)])
    log_mel, _ = synthetic(1, 50, seed=1)
    # A log-power has the variance π²/2, so its half the standard deviation 1.1, over 40,000 frames: 0.006.
    difference = estimator(log_mel).std.log() - true_log_std(log_mel)
    assert difference.abs().max() < 5 * math.pi / 8**0.5 * (1 + N_MELS) ** 0.5 / 200


def test_white_training_data_have_unit_power() -> None:
    log_mel, waveform = synthetic(20, 500)
    prior = make_estimator(ceiling=10.0).fit([(log_mel, waveform)])(log_mel)
    white = mdct(prior.to(torch.float64).whiten(waveform), HOP_LENGTH)
    torch.testing.assert_close(
        white.square().mean((0, 1, 2)), torch.ones(HOP_LENGTH).double(), rtol=0, atol=0.1
    )


def test_the_std_stays_between_floor_and_ceiling() -> None:
    estimator = make_estimator(floor=0.05, ceiling=0.2).fit([synthetic(4, 50)])
    std = estimator(synthetic(4, 50)[0]).std
    assert std.min() == pytest.approx(0.05)
    assert std.max() == pytest.approx(0.2)


def test_digital_silence_leaves_the_fit_finite() -> None:
    estimator = make_estimator(floor=1e-3).fit([(torch.full((2, N_MELS, 10), -11.5), torch.zeros(2, 1, 80))])
    std = estimator(torch.full((1, N_MELS, 4), -11.5)).std
    torch.testing.assert_close(std, torch.full_like(std, 1e-3))


def test_fitting_does_not_depend_on_the_batches() -> None:
    log_mel, waveform = synthetic(6, 30)
    expected = make_estimator().double().fit([(log_mel, waveform)])
    items = [(log_mel[[i]], waveform[[i]]) for i in (3, 1, 5, 0, 4, 2)]
    pairs = [(log_mel[i : i + 2], waveform[i : i + 2]) for i in (4, 0, 2)]
    for batches in (items, pairs):
        fitted = make_estimator().double().fit(iter(batches))
        torch.testing.assert_close(fitted.weight, expected.weight, rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(fitted.bias, expected.bias, rtol=1e-9, atol=1e-9)


def test_a_saved_estimator_gives_the_same_prior(tmp_path: Path) -> None:
    estimator = make_estimator().fit([synthetic(4, 50)])
    estimator.save_pretrained(tmp_path)
    assert (tmp_path / "diffusion_pytorch_model.safetensors").is_file()
    loaded, (log_mel, waveform) = MelSpectrumEstimator.from_pretrained(tmp_path), synthetic(2, 5)
    assert torch.equal(loaded(log_mel).std, estimator(log_mel).std)
    assert torch.equal(loaded(log_mel).color(waveform), estimator(log_mel).color(waveform))


def test_an_estimator_that_knows_no_data_says_so(tmp_path: Path) -> None:
    make_estimator().save_pretrained(tmp_path)
    for estimator in (make_estimator(), MelSpectrumEstimator.from_pretrained(tmp_path)):
        with pytest.raises(ValueError, match="has not been fitted: call fit"):
            estimator(torch.zeros(1, N_MELS, 4))


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        ([], "there is no data to fit"),
        (
            [(torch.zeros(1, 4, 5), torch.zeros(1, 1, 40))],
            "log_mel has shape (1, 4, 5), expected (batch, 3 mel",
        ),
        ([(torch.zeros(3, 5), torch.zeros(1, 40))], "log_mel has shape (3, 5)"),
        ([(torch.zeros(1, 3, 5), torch.zeros(1, 40))], "waveform has shape (1, 40), expected (1, 1, 40)"),
        (
            [(torch.zeros(1, 3, 5), torch.zeros(1, 1, 41))],
            "waveform has shape (1, 1, 41), expected (1, 1, 40)",
        ),
        ([(torch.full((1, 3, 5), torch.nan), torch.zeros(1, 1, 40))], "holds 15 NaN"),
        ([(torch.zeros(1, 3, 5), torch.full((1, 1, 40), torch.nan))], "holds 40 NaN"),
    ],
)
def test_data_that_cannot_be_fitted_are_an_error(batches: list, message: str) -> None:
    estimator = make_estimator()
    with pytest.raises(ValueError, match=re.escape(message)):
        estimator.fit(batches)
    assert estimator.bias.isnan().all()


def test_frames_of_another_number_of_bands_are_an_error() -> None:
    with pytest.raises(ValueError, match=r"log_mel has shape \(1, 4, 5\), expected \(batch, 3 mel bands"):
        make_estimator().fit([synthetic(4, 50)])(torch.zeros(1, 4, 5))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"n_mels": 0}, "n_mels=0 must be positive"),
        ({"hop_length": 7}, "hop_length=7 must be a positive even number"),
        ({"hop_length": 0}, "hop_length=0 must be a positive even number"),
        ({"ridge": 0.0}, "ridge=0.0 must be positive"),
        ({"floor": -1.0}, "floor=-1.0 must be positive"),
        ({"floor": 0.5, "ceiling": 0.5}, "ceiling=0.5 must be larger than floor=0.5"),
    ],
)
def test_a_configuration_that_makes_no_sense_is_an_error(config: dict, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        MelSpectrumEstimator(**config)
