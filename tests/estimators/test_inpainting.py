from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from priordiff import InpaintingEstimator, LowRankPrior
from priordiff.estimators import LowRankEstimator

SHAPE = (2, 3, 4)
RANK = 3
ERROR = 0.3


def whole(batch: int) -> Tensor:
    """Data of three factors, float64."""
    random = torch.Generator().manual_seed(0)
    diagonal = 0.2 + torch.rand(1, *SHAPE, generator=random, dtype=torch.float64)
    factor = torch.randn(1, *SHAPE, RANK, generator=random, dtype=torch.float64)
    return LowRankPrior(torch.ones(1, *SHAPE).double(), diagonal, factor).sample((batch, *SHAPE), random)


def masks(batch: int) -> Tensor:
    """1 where data are hidden, in a place of its own for each item."""
    random = torch.Generator().manual_seed(1)
    return (torch.rand(batch, 1, *SHAPE[1:], generator=random) < 0.5).double()


def given(data: Tensor, mask: Tensor, error: float = 0.0) -> Tensor:
    noise = error * torch.randn(data.shape, generator=torch.Generator().manual_seed(2), dtype=data.dtype)
    return torch.cat([torch.where(mask == 1, 0.0, data + noise), mask], dim=1)


def fitted(error: float = ERROR, **config: Any) -> tuple[InpaintingEstimator, Tensor, Tensor]:
    data, mask = whole(1000), masks(1000)
    image = given(data, mask, error)
    estimator = InpaintingEstimator(SHAPE, RANK, **{"floor": 1e-3, **config}).double()
    return estimator.fit(list(zip(image.split(300), data.split(300), strict=True))), image, data


def covariance_of(prior: LowRankPrior) -> Tensor:
    factor = prior.factor
    return torch.diag_embed(prior.diagonal.flatten(1)) + factor @ factor.mT


def test_it_is_the_conditional_of_the_dense_gaussian() -> None:
    estimator, image, _ = fitted()
    image = image[:5]
    prior = estimator(image)
    joint = estimator.whole()
    covariance, mean = covariance_of(joint)[0], joint.mean.flatten()
    noise = estimator.error.expand(1, *SHAPE).flatten().square()
    for item in range(5):
        seen = (image[item, -1] == 0).expand(SHAPE).flatten()
        observed = covariance[seen][:, seen] + noise[seen].diag()
        gain = torch.linalg.solve(observed, covariance[seen]).T
        expected_mean = mean + gain @ (image[item, :-1].flatten()[seen] - mean[seen])
        torch.testing.assert_close(prior.mean[item].flatten(), expected_mean, rtol=1e-10, atol=1e-10)
        expected = covariance - gain @ covariance[seen]
        torch.testing.assert_close(covariance_of(prior)[item], expected, rtol=1e-10, atol=1e-10)


def test_without_an_error_hidden_elements_follow_the_textbook_and_seen_ones_stay() -> None:
    estimator, image, data = fitted(error=0.0, floor=1e-4)
    image, data = image[:3], data[:3]
    prior, joint = estimator(image), estimator.whole()
    covariance, mean = covariance_of(joint)[0], joint.mean.flatten()
    for item in range(3):
        seen = (image[item, -1] == 0).expand(SHAPE).flatten()
        gain = torch.linalg.solve(covariance[seen][:, seen], covariance[seen][:, ~seen]).T
        expected = mean[~seen] + gain @ (data[item].flatten()[seen] - mean[seen])
        torch.testing.assert_close(prior.mean[item].flatten()[~seen], expected, rtol=1e-5, atol=1e-5)
        left = covariance[~seen][:, ~seen] - gain @ covariance[seen][:, ~seen]
        torch.testing.assert_close(covariance_of(prior)[item][~seen][:, ~seen], left, rtol=1e-5, atol=1e-5)
        own = covariance_of(prior)[item].diagonal()[seen].sqrt()
        torch.testing.assert_close(
            prior.mean[item].flatten()[seen], data[item].flatten()[seen], rtol=0, atol=1e-4
        )
        torch.testing.assert_close(own, torch.full_like(own, 1e-4), rtol=1e-3, atol=0)


def test_the_error_of_what_is_seen_is_measured_for_each_channel() -> None:
    data, mask = whole(2000), masks(2000)
    image = given(data, mask)
    image[:, 0] += torch.where(mask[:, 0] == 1, 100.0, 0.25)
    estimator = InpaintingEstimator(SHAPE, RANK, floor=0.05).double().fit([(image, data)])
    torch.testing.assert_close(estimator.error.flatten(), torch.tensor([0.25, 0.05]).double())


def test_what_is_seen_is_worth_more_than_the_moments_of_all_data() -> None:
    estimator, image, data = fitted(error=0.0, floor=0.1)
    joint = LowRankEstimator(SHAPE, RANK, 0.1).double().fit([data])()
    assert estimator(image).log_prob(data).mean() > joint.log_prob(data).mean() + 10


def test_what_stands_in_the_hole_does_not_matter() -> None:
    estimator, image, _ = fitted()
    filled = torch.where(image[:2, -1:] == 1, torch.nan, image[:2, :-1])
    other = estimator(torch.cat([filled, image[:2, -1:]], dim=1))
    assert torch.equal(other.mean, estimator(image[:2]).mean)


def test_an_image_that_is_hidden_whole_has_the_prior_of_all_data() -> None:
    estimator, _, _ = fitted()
    nothing = torch.cat([torch.zeros(1, *SHAPE), torch.ones(1, 1, *SHAPE[1:])], dim=1).double()
    prior, joint = estimator(nothing), estimator.whole()
    torch.testing.assert_close(prior.mean, joint.mean)
    torch.testing.assert_close(covariance_of(prior), covariance_of(joint))


def test_fitting_does_not_depend_on_the_batches() -> None:
    data, mask = whole(40), masks(40)
    image = given(data, mask, ERROR)
    one, three = (
        InpaintingEstimator(SHAPE, RANK)
        .double()
        .fit(list(zip(image.split(size), data.split(size), strict=True)))
        for size in (40, 15)
    )
    torch.testing.assert_close(one(image).mean, three(image).mean, rtol=1e-8, atol=1e-8)


def test_a_saved_estimator_gives_the_same_prior(tmp_path: Path) -> None:
    estimator, image, _ = fitted()
    estimator.float().save_pretrained(tmp_path)
    loaded = InpaintingEstimator.from_pretrained(tmp_path)
    noise = torch.randn(2, *SHAPE)
    assert torch.equal(loaded(image[:2].float()).to_data(noise), estimator(image[:2].float()).to_data(noise))


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (torch.zeros(1, 2, 3, 4), "image has shape (1, 2, 3, 4), expected (batch, 3, 3, 4)"),
        (torch.full((1, 3, 3, 4), 0.5), "the last channel, a mask, has values from 0.5 to 0.5, expected 1"),
    ],
)
def test_an_image_without_a_mask_is_an_error(image: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        fitted()[0](image.double())


def test_it_says_that_it_has_not_been_fitted_or_cannot_be() -> None:
    with pytest.raises(ValueError, match="has not been fitted: call fit"):
        InpaintingEstimator(SHAPE, RANK)(torch.zeros(1, 3, 3, 4))
    with pytest.raises(ValueError, match="nothing is seen of any item"):
        InpaintingEstimator(SHAPE, RANK).fit([(torch.ones(2, 3, 3, 4), torch.randn(2, *SHAPE))])
    with pytest.raises(ValueError, match=re.escape("shape=[4, 4], expected (channels, height, width)")):
        InpaintingEstimator((4, 4))


def test_single_precision_knows_how_sure_it_is_of_what_is_seen_to_its_last_digits() -> None:
    estimator, image, _ = fitted(error=0.0, floor=1e-4)
    exact = estimator(image[:20])
    prior = estimator.float()(image[:20].float())
    torch.testing.assert_close(prior.diagonal.double(), exact.diagonal, rtol=1e-6, atol=0)
    torch.testing.assert_close(prior.variance().double(), exact.variance(), rtol=1e-5, atol=0)
    torch.testing.assert_close(prior.mean.double(), exact.mean, rtol=0, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_in_half_precision_it_computes_in_single(dtype: torch.dtype) -> None:
    estimator, image, _ = fitted()
    exact = estimator.float()(image[:3].float())
    prior = estimator.to(dtype)(image[:3].to(dtype))
    assert prior.mean.dtype == torch.float32
    torch.testing.assert_close(prior.mean, exact.mean, rtol=0.1, atol=0.1)
    torch.testing.assert_close(prior.variance(), exact.variance(), rtol=0.1, atol=0.1)
