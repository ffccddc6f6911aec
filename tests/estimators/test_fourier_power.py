from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from priordiff import SpectralPrior
from priordiff.estimators import FourierPowerEstimator

SHAPE = (2, 4, 5)


def stationary(batch: int, seed: int = 0, mean: float = 3.0) -> tuple[SpectralPrior, Tensor]:
    """Some stationary Gaussian and data drawn from it."""
    random = torch.Generator().manual_seed(seed)
    power = torch.rand(1, 2, 4, 3, generator=random, dtype=torch.float64) + 0.1
    power[:, :, 3] = power[:, :, 1]  # real data have the same power at k and -k
    mu = mean + torch.rand(1, *SHAPE, generator=random, dtype=torch.float64)
    prior = SpectralPrior(mu, power, dims=(2, 3))
    return prior, prior.sample((batch, *SHAPE), random)


def test_it_finds_the_mean_and_power_of_stationary_noise() -> None:
    prior, data = stationary(20_000)
    fitted = FourierPowerEstimator(SHAPE).fit([data])()
    torch.testing.assert_close(fitted.mean, prior.mean.float(), rtol=0, atol=0.05)
    # A power's estimate from n draws has a relative deviation of at most √(2 / n).
    torch.testing.assert_close(fitted.power, prior.power.float(), rtol=5 * 0.01, atol=0)


def test_white_training_data_have_unit_power_and_no_mean() -> None:
    _, data = stationary(50)
    prior = FourierPowerEstimator(SHAPE).double().fit([data])()
    white = prior.whiten(data - prior.mean)
    torch.testing.assert_close(white.mean(0), torch.zeros(SHAPE).double(), rtol=0, atol=1e-10)
    power = torch.fft.rfftn(white, dim=(2, 3), norm="ortho").abs().square().mean(0)
    torch.testing.assert_close(power, torch.ones_like(power))


def test_the_axes_may_be_chosen() -> None:
    _, data = stationary(50)
    for dims in ([1, -1], [3], [2, 1]):
        prior = FourierPowerEstimator(SHAPE, dims).double().fit([data])()
        expected = torch.fft.rfftn(data - data.mean(0), dim=dims, norm="ortho").abs().square().mean(0)
        torch.testing.assert_close(prior.power[0], expected)
        torch.testing.assert_close(prior.mean[0], data.mean(0))


def test_the_std_of_a_coefficient_stays_above_the_floor() -> None:
    data = stationary(50)[1]
    prior = FourierPowerEstimator(SHAPE, floor=0.7).fit([data])()
    assert prior.power.min() == pytest.approx(0.49)
    constant = torch.ones(10, *SHAPE)
    assert FourierPowerEstimator(SHAPE).fit([constant])().power.max() == pytest.approx(1e-4)


@given(cuts=st.lists(st.integers(0, 12), max_size=4).map(sorted), seed=st.integers(0, 100), data=st.data())
@settings(deadline=None)
def test_fitting_does_not_depend_on_the_batches(cuts: list[int], seed: int, data: st.DataObject) -> None:
    whole = stationary(12, seed)[1]
    shares = data.draw(st.permutations(list(whole.tensor_split(cuts))))
    expected, fitted = (FourierPowerEstimator(SHAPE).double().fit(batches) for batches in ([whole], shares))
    torch.testing.assert_close(fitted.mean, expected.mean, rtol=1e-12, atol=0)
    torch.testing.assert_close(fitted.power, expected.power, rtol=1e-12, atol=1e-13)


def test_a_saved_estimator_gives_the_same_prior(tmp_path: Path) -> None:
    estimator = FourierPowerEstimator(SHAPE, dims=[-1], floor=0.2).fit([stationary(50)[1]])
    estimator.save_pretrained(tmp_path)
    loaded = FourierPowerEstimator.from_pretrained(tmp_path)
    noise = torch.randn(2, *SHAPE)
    assert torch.equal(loaded().mean, estimator().mean)
    assert torch.equal(loaded().color(noise), estimator().color(noise))


def test_an_estimator_that_knows_no_data_says_so() -> None:
    with pytest.raises(ValueError, match="has not been fitted: call fit"):
        FourierPowerEstimator(SHAPE)()


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        ([], "there is no data to fit"),
        ([torch.zeros(0, *SHAPE)], "there is no data to fit"),
        ([torch.zeros(1, 2, 4, 4)], "data have shape (1, 2, 4, 4), expected (batch, 2, 4, 5)"),
        ([torch.full((1, *SHAPE), torch.inf)], "shape (1, 2, 4, 5) to fit on holds 40 NaN"),
    ],
)
def test_data_that_cannot_be_fitted_are_an_error(batches: list[Tensor], message: str) -> None:
    estimator = FourierPowerEstimator(SHAPE)
    with pytest.raises(ValueError, match=re.escape(message)):
        estimator.fit(batches)
    assert estimator.mean.isnan().all()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"shape": (2, 0, 4)}, "shape[1]=0 must be positive"),
        ({"shape": SHAPE, "floor": 0.0}, "floor=0.0 must be positive"),
        ({"shape": SHAPE, "dims": (0, 1)}, "dims=[0, 1] must be different axes of data"),
        ({"shape": SHAPE, "dims": (4,)}, "dims=[4] must be different axes of data"),
        ({"shape": (5,)}, "dims=[] names no axis"),
        ({"shape": SHAPE, "dims": ()}, "dims=[] names no axis"),
    ],
)
def test_a_configuration_that_makes_no_sense_is_an_error(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        FourierPowerEstimator(**config)
