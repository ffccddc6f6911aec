from __future__ import annotations

import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from priordiff import DiagonalPrior, LappedPrior
from priordiff.lapped_transform import mdct
from tests.priors.cases import positive, random


def test_coefficients_are_independent_with_the_given_std() -> None:
    std, count = positive(1, 1, 3, 4), 20_000
    prior = LappedPrior(0.0, std, hop_length=4)
    samples = prior.sample((count, 1, 12), torch.Generator().manual_seed(0))
    coefficients = mdct(samples, 4).reshape(count, 12) / std.reshape(12)
    torch.testing.assert_close(
        coefficients.T.cov(), torch.eye(12, dtype=torch.float64), rtol=0, atol=5 * (2 / count) ** 0.5
    )


@given(
    blocks=st.integers(1, 5),
    hop_length=st.sampled_from([2, 4, 10]),
    batch=st.integers(1, 3),
    seed=st.integers(0, 1000),
)
@settings(deadline=None)
def test_it_is_a_diagonal_prior_of_the_coefficients(
    blocks: int, hop_length: int, batch: int, seed: int
) -> None:
    std = positive(batch, 1, blocks, hop_length, seed=seed)
    x = random(batch, 1, blocks * hop_length, seed=seed)
    lapped, diagonal = LappedPrior(0.0, std, hop_length), DiagonalPrior(0.0, std)
    torch.testing.assert_close(lapped.log_prob(x), diagonal.log_prob(mdct(x, hop_length)))
    torch.testing.assert_close(
        lapped.kl_divergence(LappedPrior(0.0, std.flip(-1), hop_length)),
        diagonal.kl_divergence(DiagonalPrior(0.0, std.flip(-1))),
    )


def test_a_constant_std_is_the_isotropic_prior() -> None:
    x = random(2, 1, 24)
    lapped, isotropic = LappedPrior(0.0, torch.full((1, 1, 3, 8), 0.3).double(), 8), DiagonalPrior(0.0, 0.3)
    torch.testing.assert_close(lapped.color(x), isotropic.color(x))
    torch.testing.assert_close(lapped.log_prob(x), isotropic.log_prob(x), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_a_std_of_one_changes_no_bit(dtype: torch.dtype) -> None:
    prior, x = LappedPrior(0.0, torch.ones(1, 1, 3, 8, dtype=dtype), 8), torch.randn(2, 1, 24, dtype=dtype)
    for operation in (prior.color, prior.whiten):
        assert torch.equal(operation(x), x)
        assert operation(x).dtype == dtype


def test_the_root_is_symmetric_and_keeps_noise_in_its_place() -> None:
    prior = LappedPrior(0.0, positive(1, 4, 6), hop_length=6)
    root = prior.color(torch.eye(24, dtype=torch.float64))
    torch.testing.assert_close(root, root.T)
    far = (torch.arange(24)[:, None] - torch.arange(24)).abs() >= 18
    assert root[far].abs().max() < 1e-12


def test_a_spectrum_of_six_decades_has_an_exact_inverse() -> None:
    std = torch.logspace(-6, 0, 64, dtype=torch.float64).expand(1, 1, 5, 64)
    prior, z = LappedPrior(0.0, std, hop_length=64), random(2, 1, 320)
    torch.testing.assert_close(prior.whiten(prior.color(z)), z, rtol=0, atol=1e-8)


@pytest.mark.parametrize(
    ("mean", "std", "hop_length", "message"),
    [
        (
            0.0,
            torch.ones(1, 1, 3, 8),
            4,
            "std has shape (1, 1, 3, 8), expected (batch, …, blocks, hop_length=4)",
        ),
        (0.0, torch.ones(3, 8), 8, "std has shape (3, 8), expected (batch, …, blocks, hop_length=8)"),
        (0.0, torch.ones(1, 3, 5), 5, "hop_length=5 must be a positive even number"),
        (0.0, torch.ones(1, 3, 0), 0, "hop_length=0 must be a positive even number"),
        (
            0.0,
            -torch.ones(1, 3, 4),
            4,
            "std must be positive everywhere, its smallest value in torch.float32 is -1",
        ),
        (0.0, torch.full((1, 3, 4), float("nan")), 4, "std holds 12 NaN"),
        (0.0, torch.ones(1, 3, 4, dtype=torch.int64), 4, "std has dtype torch.int64"),
        (
            torch.zeros(1, 11),
            torch.ones(1, 3, 4),
            4,
            "mean of shape (1, 11) and std for data of shape (1, 12)",
        ),
        (torch.zeros(2, 12), torch.ones(3, 3, 4), 4, "data of shape (3, 12)"),
        (torch.zeros(12), torch.ones(1, 3, 4), 4, "mean has shape (12,)"),
    ],
)
def test_bad_parameters_are_an_error_in_one_line(
    mean: object, std: torch.Tensor, hop_length: int, message: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        LappedPrior(mean, std, hop_length)
    assert "\n" not in str(error.value)


def test_data_that_are_longer_or_shorter_than_the_prior_are_an_error() -> None:
    for samples in (8, 11, 16):
        with pytest.raises(ValueError, match=rf"\(1, 12\).* \(2, 1, {samples}\)"):
            LappedPrior(0.0, torch.ones(1, 1, 3, 4), 4).color(torch.zeros(2, 1, samples))
