from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
import torch

from priordiff.estimators import OffsetNoiseEstimator


def test_the_covariance_is_that_of_a_shift_of_each_channel() -> None:
    like = torch.zeros(1, 2, 3, 2, dtype=torch.float64)
    prior = OffsetNoiseEstimator(strength=0.5)(like)
    basis = torch.eye(12, dtype=torch.float64).reshape(12, 2, 3, 2)
    root = prior.color(basis).flatten(1).T
    one_channel = torch.eye(6).double() + 0.25 * torch.ones(6, 6).double()
    torch.testing.assert_close(root @ root.T, torch.block_diag(one_channel, one_channel))


def test_it_is_the_published_noise() -> None:
    shape, strength = (20_000, 2, 4, 4), 0.7
    published = torch.randn(shape) + strength * torch.randn(shape[0], shape[1], 1, 1)
    ours = OffsetNoiseEstimator(strength)(torch.zeros(shape)).sample(shape)
    expected, moments = (noise.flatten(1).T.cov() for noise in (published, ours))
    torch.testing.assert_close(
        moments, expected, rtol=0, atol=5 * math.sqrt(2 / shape[0]) * (1 + strength**2)
    )


@pytest.mark.parametrize("shape", [(2, 3), (2, 1, 100), (1, 2, 3, 4, 5)])
def test_data_may_have_any_number_of_axes(shape: tuple[int, ...]) -> None:
    like = torch.randn(shape, dtype=torch.float64)
    prior = OffsetNoiseEstimator(0.3)(like)
    pixels = math.prod(shape[2:])
    expected = torch.tensor(shape[1] * math.log1p(0.09 * pixels), dtype=torch.float64)
    torch.testing.assert_close(prior.log_det(shape[1:]), expected[None])
    torch.testing.assert_close(prior.whiten(prior.color(like)), like)


def test_no_strength_is_white_noise() -> None:
    like = torch.randn(2, 3, 4, 4)
    assert torch.equal(OffsetNoiseEstimator(0.0)(like).color(like), like)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_the_prior_has_the_dtype_of_the_data(dtype: torch.dtype) -> None:
    like = torch.randn(2, 3, 8, 8, dtype=dtype)
    prior = OffsetNoiseEstimator(0.3)(like)
    prior.require_fit(like)
    assert prior.color(like).dtype == dtype


def test_a_saved_estimator_gives_the_same_prior(tmp_path: Path) -> None:
    like, estimator = torch.randn(2, 3, 8, 8), OffsetNoiseEstimator(0.3)
    estimator.save_pretrained(tmp_path)
    assert torch.equal(
        OffsetNoiseEstimator.from_pretrained(tmp_path)(like).color(like), estimator(like).color(like)
    )


def test_what_makes_no_sense_is_an_error() -> None:
    with pytest.raises(ValueError, match=re.escape("strength=-0.1 must not be negative")):
        OffsetNoiseEstimator(-0.1)
    with pytest.raises(ValueError, match=re.escape("data have shape (3,), expected (batch, channels, …)")):
        OffsetNoiseEstimator()(torch.zeros(3))
