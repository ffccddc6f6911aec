from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from priordiff.estimators import LocalRegressionEstimator


def pairs(items: int = 20, noise: float = 0.0) -> tuple[Tensor, Tensor, Tensor]:
    """Images, what a 3 × 3 filter makes of them, and the filter."""
    random = torch.Generator().manual_seed(0)
    image = torch.randn(items, 2, 6, 5, generator=random, dtype=torch.float64) + 1
    weight = torch.randn(3, 2, 3, 3, generator=random, dtype=torch.float64)
    bias = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    filtered = F.conv2d(F.pad(image, (1,) * 4, mode="replicate"), weight, bias)
    error = torch.randn(filtered.shape, generator=random, dtype=torch.float64)
    return image, filtered + noise * error, weight


def test_it_finds_the_filter() -> None:
    image, filtered, weight = pairs()
    estimator = LocalRegressionEstimator(2, 3, ridge=1e-12).double().fit([(image, filtered)])
    torch.testing.assert_close(estimator.weight, weight, rtol=1e-7, atol=1e-7)
    torch.testing.assert_close(estimator(image).mean, filtered, rtol=1e-7, atol=1e-7)
    torch.testing.assert_close(estimator(image).std[0].flatten(), torch.full((3,), 0.01).double())


def test_its_std_is_the_error_that_is_left() -> None:
    image, noisy, _ = pairs(noise=0.7)
    prior = LocalRegressionEstimator(2, 3).double().fit([(image, noisy)])(image)
    error = (noisy - prior.mean).square().mean((0, 2, 3)).sqrt()
    torch.testing.assert_close(prior.std[0].flatten(), error, rtol=1e-6, atol=0)
    assert error.max() < 0.75


def test_of_a_conditioning_that_says_nothing_it_has_the_moments_of_the_data() -> None:
    image, noisy, _ = pairs(noise=0.7)
    prior = LocalRegressionEstimator(2, 3).double().fit([(torch.zeros_like(image), noisy)])(image)
    mean = noisy.mean((0, 2, 3), keepdim=True)
    torch.testing.assert_close(prior.mean, mean.expand_as(prior.mean))
    std = (noisy - mean).square().mean((0, 2, 3), keepdim=True).sqrt()
    torch.testing.assert_close(prior.std, std.expand_as(prior.std))


def test_fitting_does_not_depend_on_the_batches() -> None:
    image, noisy, _ = pairs(noise=0.7)
    batches = list(zip(image.split(7), noisy.split(7), strict=True))
    one, many = (LocalRegressionEstimator(2, 3).double().fit(each) for each in ([(image, noisy)], batches))
    torch.testing.assert_close(one.weight, many.weight)
    torch.testing.assert_close(one.std, many.std)


def test_a_saved_estimator_gives_the_same_prior(tmp_path: Path) -> None:
    image, noisy, _ = (tensor.float() for tensor in pairs(noise=0.7))
    estimator = LocalRegressionEstimator(2, 3, kernel_size=5).fit([(image, noisy)])
    estimator.save_pretrained(tmp_path)
    loaded = LocalRegressionEstimator.from_pretrained(tmp_path)
    assert torch.equal(loaded(image).to_data(noisy), estimator(image).to_data(noisy))


def test_an_estimator_that_knows_no_data_says_so() -> None:
    with pytest.raises(ValueError, match="has not been fitted: call fit"):
        LocalRegressionEstimator(2, 3)(torch.zeros(1, 2, 4, 4))
    with pytest.raises(ValueError, match="there is no data to fit"):
        LocalRegressionEstimator(2, 3).fit([])


@pytest.mark.parametrize(
    ("image", "data", "message"),
    [
        (
            (1, 4, 4, 4),
            (1, 3, 4, 4),
            "conditioning has shape (1, 4, 4, 4), expected (batch, 2, height, width)",
        ),
        ((1, 2, 4, 4), (1, 3, 8, 8), "data have shape (1, 3, 8, 8), expected (1, 3, 4, 4)"),
    ],
)
def test_images_of_other_shapes_are_an_error(
    image: tuple[int, ...], data: tuple[int, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        LocalRegressionEstimator(2, 3).fit([(torch.zeros(image), torch.zeros(data))])


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"in_channels": 0}, "in_channels=0 must be positive"),
        ({"kernel_size": 2}, "kernel_size=2 must be odd"),
        ({"ridge": 0.0}, "ridge=0.0 must be positive"),
        ({"floor": -1.0}, "floor=-1.0 must be positive"),
    ],
)
def test_a_configuration_that_makes_no_sense_is_an_error(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        LocalRegressionEstimator(**{"in_channels": 2, "out_channels": 3, **config})
