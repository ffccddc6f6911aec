from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from priordiff.estimators import AxisCovarianceEstimator

MIX = torch.tensor([[1.0, 0.0, 0.0], [0.8, 0.5, 0.0], [-0.5, 0.2, 0.3]], dtype=torch.float64)


def correlated(batch: int = 6, seed: int = 0) -> Tensor:
    """Images (batch, 3, 5, 4) whose channels are mixed and shifted."""
    random = torch.Generator().manual_seed(seed)
    white = torch.randn(batch, 3, 5, 4, generator=random, dtype=torch.float64)
    return torch.einsum("ij,bjhw->bihw", MIX, white) + torch.tensor([1.0, -2.0, 5.0])[:, None, None]


def test_it_finds_the_mean_and_covariance_of_the_channels() -> None:
    prior = AxisCovarianceEstimator(size=3).double().fit([correlated(2000)])(correlated())
    torch.testing.assert_close(
        prior.mean.flatten(), torch.tensor([1.0, -2.0, 5.0]).double(), rtol=0, atol=0.05
    )
    basis = torch.eye(3).double()[:, :, None, None].expand(3, 3, 5, 4)
    root = prior.color(basis)[:, :, 0, 0].T
    torch.testing.assert_close(root @ root.T, MIX @ MIX.T, rtol=0, atol=0.05)


def test_white_training_data_are_uncorrelated() -> None:
    data = correlated()
    prior = AxisCovarianceEstimator(size=3).double().fit([data])(data)
    vectors = prior.whiten(data - prior.mean).movedim(1, 0).flatten(1)
    torch.testing.assert_close(vectors.cov(correction=0), torch.eye(3).double(), rtol=0, atol=1e-10)
    torch.testing.assert_close(vectors.mean(1), torch.zeros(3).double(), rtol=0, atol=1e-10)


def test_any_axis_may_be_meant() -> None:
    data = correlated()
    expected = AxisCovarianceEstimator(size=3).double().fit([data])
    for moved, axis in ((data.movedim(1, -1), -1), (data.movedim(1, 2), 2)):
        fitted = AxisCovarianceEstimator(size=3, axis=axis).double().fit([moved])
        torch.testing.assert_close(fitted.covariance, expected.covariance)
        noise = torch.randn_like(moved)
        torch.testing.assert_close(
            fitted(moved).color(noise).movedim(axis, 1), expected(data).color(noise.movedim(axis, 1))
        )


def test_no_direction_is_narrower_than_the_floor() -> None:
    data = correlated()
    data[:, 2] = data[:, 0] + data[:, 1]
    estimator = AxisCovarianceEstimator(size=3, floor=0.1).double().fit([data])
    eigenvalues = torch.linalg.eigvalsh(estimator.covariance)
    assert eigenvalues[0] == pytest.approx(0.01)
    assert eigenvalues[1] > 0.02
    AxisCovarianceEstimator(size=3).fit([torch.ones(4, 3, 5)])(torch.ones(1, 3, 5))


@given(cuts=st.lists(st.integers(0, 6), max_size=4).map(sorted), seed=st.integers(0, 100), data=st.data())
@settings(deadline=None)
def test_fitting_does_not_depend_on_the_batches(cuts: list[int], seed: int, data: st.DataObject) -> None:
    whole = correlated(seed=seed)
    shares = data.draw(st.permutations(list(whole.tensor_split(cuts))))
    expected, fitted = (
        AxisCovarianceEstimator(size=3).double().fit(batches) for batches in ([whole], shares)
    )
    torch.testing.assert_close(fitted.mean, expected.mean, rtol=1e-12, atol=0)
    torch.testing.assert_close(fitted.covariance, expected.covariance, rtol=1e-12, atol=1e-12)


def test_a_saved_estimator_gives_the_same_prior(tmp_path: Path) -> None:
    data = correlated().float()
    estimator = AxisCovarianceEstimator(size=4, axis=-1, floor=0.2).fit([data])
    estimator.save_pretrained(tmp_path)
    loaded = AxisCovarianceEstimator.from_pretrained(tmp_path)
    assert torch.equal(loaded(data).color(data), estimator(data).color(data))
    assert torch.equal(loaded(data).mean, estimator(data).mean)


def test_an_estimator_that_knows_no_data_says_so() -> None:
    with pytest.raises(ValueError, match="has not been fitted: call fit"):
        AxisCovarianceEstimator(size=3)(correlated())


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        ([], "there is no data to fit"),
        ([torch.zeros(0, 3, 4)], "there is no data to fit"),
        ([torch.zeros(2, 4, 3)], "data of shape (2, 4, 3) have 4 entries along axis 1, expected size=3"),
        ([torch.zeros(3)], "axis=[1] must be different axes of data with 1 dimensions"),
        ([torch.full((1, 3, 4), torch.nan)], "holds 12 NaN"),
    ],
)
def test_data_that_cannot_be_fitted_are_an_error(batches: list[Tensor], message: str) -> None:
    estimator = AxisCovarianceEstimator(size=3)
    with pytest.raises(ValueError, match=re.escape(message)):
        estimator.fit(batches)
    assert estimator.mean.isnan().all()


@pytest.mark.parametrize("config", [{"size": 0}, {"size": 3, "floor": 0.0}])
def test_a_configuration_that_is_not_positive_is_an_error(config: dict[str, Any]) -> None:
    name, value = list(config.items())[-1]
    with pytest.raises(ValueError, match=re.escape(f"{name}={value} must be positive")):
        AxisCovarianceEstimator(**config)
