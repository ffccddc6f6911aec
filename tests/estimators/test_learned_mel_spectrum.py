from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from torch import Tensor

from priordiff import LearnedMelSpectrumEstimator, MelSpectrumEstimator
from priordiff.estimators import prior_nll
from priordiff.lapped_transform import inverse_mdct

N_MELS, HOP_LENGTH = 3, 8


def make_estimator(**config: float) -> LearnedMelSpectrumEstimator:
    return LearnedMelSpectrumEstimator(
        **{"channels": 16, "layers": 1, "n_mels": N_MELS, "hop_length": 8, **config}
    )


def with_context(batch: int, frames: int, seed: int) -> tuple[Tensor, Tensor]:
    """Log-mel frames, and noise whose loudness follows from the frame before, which no linear fit knows."""
    random = torch.Generator().manual_seed(seed)
    log_mel = torch.randn(batch, N_MELS, frames, generator=random) - 5
    log_std = torch.where(log_mel[:, :1].roll(1, dims=-1) > -5, -2.0, -4.0).mT[:, None]
    white = torch.randn(batch, 1, frames, HOP_LENGTH, generator=random)
    return log_mel, inverse_mdct(log_std.exp() * white)


def test_trained_by_likelihood_it_learns_what_a_linear_fit_cannot() -> None:
    torch.manual_seed(0)
    estimator = make_estimator()
    fitted = MelSpectrumEstimator(N_MELS, HOP_LENGTH).fit([with_context(32, 50, 0)])
    optimizer = torch.optim.Adam(estimator.parameters(), lr=1e-2)
    for step in range(200):
        log_mel, waveform = with_context(32, 50, step)
        loss = prior_nll(estimator(log_mel), waveform)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    log_mel, waveform = with_context(64, 50, 1000)
    entropy = 0.5 * torch.tensor(2 * torch.pi * torch.e).log() - 3  # of the true densities, of mean log σ −3
    learned, linear = (prior_nll(each(log_mel), waveform) for each in (estimator, fitted))
    assert learned < linear - 0.2
    assert abs(learned - entropy) < 0.1


def test_untrained_it_is_quiet_noise() -> None:
    prior = make_estimator(floor=1e-3)(torch.randn(2, N_MELS, 5))
    torch.testing.assert_close(prior.std, torch.full((2, 1, 5, HOP_LENGTH), 0.021))
    assert prior.has_zero_mean


def test_std_stays_within_its_bounds() -> None:
    estimator = make_estimator(floor=1e-2)
    for bias, bound in ((-1000.0, 0.01), (1000.0, 0.01 + HOP_LENGTH**0.5)):
        torch.nn.init.constant_(estimator.output_projection.bias, bias)
        std = estimator(torch.zeros(1, N_MELS, 4)).std
        torch.testing.assert_close(std, torch.full_like(std, bound))


def test_gradients_reach_every_parameter() -> None:
    torch.manual_seed(0)
    estimator = make_estimator()
    for parameter in estimator.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    prior_nll(estimator(torch.randn(2, N_MELS, 6) - 5), 0.1 * torch.randn(2, 1, 48)).backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in estimator.parameters())


def test_it_is_saved_and_loaded(tmp_path: Path) -> None:
    estimator = make_estimator()
    torch.nn.init.normal_(estimator.output_projection.weight)
    estimator.save_pretrained(tmp_path)
    log_mel = torch.randn(1, N_MELS, 6)
    loaded = LearnedMelSpectrumEstimator.from_pretrained(tmp_path)
    assert torch.equal(loaded(log_mel).std, estimator(log_mel).std)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"channels": 0}, "channels=0 must be positive"),
        ({"floor": 0.0}, "floor=0.0 must be positive"),
        ({"hop_length": 5}, "hop_length=5 must be a positive even number"),
    ],
)
def test_a_bad_configuration_is_an_error(config: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        make_estimator(**config)


def test_frames_with_other_bands_are_an_error() -> None:
    with pytest.raises(ValueError, match=r"log_mel has shape \(1, 4, 6\), expected \(batch, 3 mel bands"):
        make_estimator()(torch.zeros(1, 4, 6))
