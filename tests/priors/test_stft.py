from __future__ import annotations

import copy
import pickle
import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from priordiff import DiagonalPrior, StftPrior
from priordiff.priors import inverse_tight_stft, tight_stft
from tests.priors.cases import positive, random


def smooth_gain(frames: int, bins: int, decades: float) -> Tensor:
    """A gain for 2 signals that varies smoothly over frames and bins, from 10^-decades to 1."""
    time = torch.linspace(0, 6, frames, dtype=torch.float64)[:, None]
    frequency = torch.linspace(0, 3, bins, dtype=torch.float64)
    return (
        10
        ** (-decades * (0.5 + 0.5 * torch.cos(torch.stack([time + frequency, 2 * time * frequency / 3]))))[
            :, None
        ]
    )


@given(
    window=st.sampled_from([(8, 4), (8, 2), (12, 3), (2, 1)]),
    frames=st.integers(1, 6),
    channels=st.integers(1, 2),
    seed=st.integers(0, 1000),
)
@settings(deadline=None, max_examples=25)
def test_the_root_is_symmetric_with_eigenvalues_between_the_gains(
    window: tuple[int, int], frames: int, channels: int, seed: int
) -> None:
    gain = positive(1, 1, frames, window[0] // 2 + 1, seed=seed)
    size = frames * window[1]
    prior, z = StftPrior(0.0, gain, window[1]), random(2, channels, size, seed=seed)
    root = prior.color(torch.eye(size, dtype=torch.float64)[:, None])[:, 0]
    torch.testing.assert_close(root, root.T)
    eigenvalues = torch.linalg.eigvalsh(root)
    assert gain.min() - 1e-12 < eigenvalues.min()
    assert eigenvalues.max() < gain.max() + 1e-12
    torch.testing.assert_close(prior.whiten(prior.color(z)), z)
    torch.testing.assert_close(prior.color(prior.whiten(z)), z)
    torch.testing.assert_close(prior.log_det((1, size)), 2 * torch.linalg.slogdet(root)[1][None])


@pytest.mark.parametrize("decades", [1, 2, 3])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_it_is_inverted_to_the_precision_of_the_dtype(decades: float, dtype: torch.dtype) -> None:
    prior = StftPrior(0.0, smooth_gain(16, 33, decades), 16).to(dtype)
    z = random(2, 1, 256).to(dtype)
    error = (prior.whiten(prior.color(z)) - z).norm() / z.norm()
    assert error < 4 * 10**decades * torch.finfo(dtype).eps
    residual = (prior.color(prior.whiten(z)) - z).norm() / z.norm()
    assert residual < 4 * 10**decades * torch.finfo(dtype).eps


def test_the_approximate_inverse_of_specgrad_is_far_from_it() -> None:
    gain, x = smooth_gain(16, 33, 2), random(2, 1, 256)
    approximate = inverse_tight_stft(tight_stft(x, 64, 16) / gain, 16)
    assert (StftPrior(0.0, gain, 16).color(approximate) - x).norm() > 0.1 * x.norm()


def test_a_gain_that_is_smooth_is_the_spectrum_of_the_noise() -> None:
    gain = smooth_gain(1, 33, 1)[:1].expand(1, 1, 64, 33)
    noise = StftPrior(0.0, gain, 16).sample((200, 1, 1024), torch.Generator().manual_seed(0))
    power = tight_stft(noise, 64, 16).abs().square().mean((0, 1, 2))
    # The coefficients share the energy of a quarter as many samples.
    torch.testing.assert_close((4 * power).sqrt(), gain[0, 0, 0], rtol=0.1, atol=0)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_a_gain_of_one_changes_no_bit(dtype: torch.dtype) -> None:
    prior, x = StftPrior(0.0, torch.ones(1, 1, 6, 9, dtype=dtype), 4), torch.randn(2, 1, 24, dtype=dtype)
    for operation in (prior.color, prior.whiten):
        assert torch.equal(operation(x), x)
        assert operation(x).dtype == dtype


def test_a_constant_gain_is_the_isotropic_prior() -> None:
    x, gain = random(2, 1, 24), torch.full((1, 1, 3, 9), 0.3, dtype=torch.float64)
    stft, isotropic = StftPrior(0.0, gain, 8), DiagonalPrior(0.0, gain[0, 0, 0, 0])
    torch.testing.assert_close(stft.color(x), isotropic.color(x))
    torch.testing.assert_close(stft.log_prob(x), isotropic.log_prob(x))


def test_noise_keeps_its_place_in_time() -> None:
    root = StftPrior(0.0, positive(1, 6, 5), 4).color(torch.eye(24, dtype=torch.float64))
    far = (torch.arange(24)[:, None] - torch.arange(24)).abs() >= 8
    assert root[far].abs().max() < 1e-12


def test_gradients_reach_mean_gain_and_data() -> None:
    other = DiagonalPrior(random(2, 2, 6, seed=2), positive(2, 2, 6, seed=3))
    parameters = [
        tensor.requires_grad_() for tensor in (random(2, 2, 6), positive(2, 1, 3, 3), random(2, 2, 6, seed=1))
    ]
    for function in (
        lambda prior, x: prior.sample((2, 2, 6), torch.Generator().manual_seed(0)),
        lambda prior, x: prior.color(x),
        lambda prior, x: prior.whiten(x),
        lambda prior, x: prior.log_prob(x),
        lambda prior, x: prior.kl_divergence(other),
        lambda prior, x: other.kl_divergence(prior),
    ):
        assert torch.autograd.gradcheck(
            lambda mean, gain, x, f=function: f(StftPrior(mean, gain, 2), x), parameters, fast_mode=True
        )


def test_whitening_has_second_derivatives() -> None:
    parameters = positive(1, 1, 3, 3).requires_grad_(), random(2, 1, 6).requires_grad_()
    assert torch.autograd.gradgradcheck(lambda gain, x: StftPrior(0.0, gain, 2).whiten(x), parameters)


def test_a_prior_with_a_gain_to_learn_can_be_copied() -> None:
    prior = StftPrior(0.0, torch.ones(2, 1, 4, 5, requires_grad=True), 4)
    assert copy.deepcopy(prior).gain.requires_grad
    assert pickle.loads(pickle.dumps(prior)).hop_length == 4


def test_a_gain_that_cannot_be_inverted_is_an_error_that_names_its_range() -> None:
    gain = torch.where(torch.arange(33) < 16, 1.0, 1e-12).expand(1, 1, 6, 33)
    with pytest.raises(
        ValueError, match="a gain from 1e-12 to 1 that varies like this cannot be inverted"
    ) as error:
        StftPrior(0.0, gain, 32).whiten(torch.randn(1, 1, 192))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("mean", "gain", "hop_length", "message"),
    [
        (
            0.0,
            -torch.ones(1, 3, 5),
            4,
            "gain must be positive everywhere, its smallest value in torch.float32 is -1",
        ),
        (0.0, torch.ones(3, 5), 4, "gain has shape (3, 5), expected (batch, …, frames, bins)"),
        (0.0, torch.ones(1, 3, 5), 8, "window_length=8 and hop_length=8: the window must be even"),
        (0.0, torch.ones(1, 3, 5), 3, "window_length=8 and hop_length=3: the window must be even"),
        (0.0, torch.ones(1, 3, 1), 1, "window_length=0 and hop_length=1: the window must be even"),
        (0.0, torch.full((1, 3, 5), float("nan")), 4, "gain holds 15 NaN"),
        (0.0, torch.ones(1, 3, 5, dtype=torch.int64), 4, "gain has dtype torch.int64"),
        (
            torch.zeros(1, 11),
            torch.ones(1, 3, 5),
            4,
            "mean of shape (1, 11) and gain for data of shape (1, 12)",
        ),
        (torch.zeros(12), torch.ones(1, 3, 5), 4, "mean has shape (12,)"),
    ],
)
def test_bad_parameters_are_an_error_in_one_line(
    mean: object, gain: Tensor, hop_length: int, message: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        StftPrior(mean, gain, hop_length)
    assert "\n" not in str(error.value)
