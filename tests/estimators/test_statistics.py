from __future__ import annotations

import pickle

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from priordiff.estimators.statistics import LinearRegression, Minimum

CUTS = st.lists(st.integers(0, 40), max_size=6).map(sorted)


def rows(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(seed)
    features = torch.randn(40, 3, generator=random, dtype=torch.float64)
    return features, torch.randn(40, 2, generator=random, dtype=torch.float64)


@given(cuts=CUTS, seed=st.integers(0, 1000), data=st.data())
@settings(deadline=None)
def test_the_minimum_does_not_depend_on_the_batches(cuts: list[int], seed: int, data: st.DataObject) -> None:
    values = rows(seed)[0]
    shares = data.draw(st.permutations(list(values.tensor_split(cuts))))
    whole, streamed, merged = Minimum(), Minimum(), Minimum()
    whole.update(values)
    for share in shares:
        streamed.update(share)
        of_share = Minimum()
        of_share.update(share)
        merged.merge(of_share)
    assert whole.value == streamed.value == merged.value == float(values.min())


@given(cuts=CUTS, seed=st.integers(0, 1000), data=st.data())
@settings(deadline=None)
def test_the_regression_does_not_depend_on_the_batches(
    cuts: list[int], seed: int, data: st.DataObject
) -> None:
    features, targets = rows(seed)
    shares = list(zip(features.tensor_split(cuts), targets.tensor_split(cuts), strict=True))
    streamed, merged = LinearRegression(), LinearRegression()
    for share in data.draw(st.permutations(shares)):
        streamed.update(*share)
        of_share = LinearRegression()
        of_share.update(*share)
        merged.merge(pickle.loads(pickle.dumps(of_share)))
    # A constant of 1e-12 is no ridge to speak of: this is plain least squares.
    expected = torch.linalg.lstsq(features, targets).solution
    for regression in (streamed, merged):
        assert regression.count == 40
        torch.testing.assert_close(regression.solve(ridge=1e-12), expected, rtol=1e-9, atol=1e-9)


def test_merging_with_nothing_changes_nothing() -> None:
    features, targets = rows(0)
    regression, empty = LinearRegression(), LinearRegression()
    regression.update(features, targets)
    expected = regression.solve(1e-6)
    empty.merge(regression)
    regression.merge(LinearRegression())
    assert torch.equal(regression.solve(1e-6), expected)
    assert torch.equal(empty.solve(1e-6), expected)


def test_a_ridge_determines_what_the_data_do_not() -> None:
    regression = LinearRegression()
    regression.update(torch.ones(4, 2), torch.ones(4, 1))
    torch.testing.assert_close(
        regression.solve(1e-6), torch.full((2, 1), 0.5, dtype=torch.float64), atol=1e-5, rtol=0
    )


def test_a_regression_on_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="there is no data to fit"):
        LinearRegression().solve(1e-6)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_values_that_are_no_numbers_are_an_error(bad: float) -> None:
    spoilt = torch.tensor([[1.0, bad]])
    with pytest.raises(ValueError, match=r"shape \(1, 2\).* holds 1 NaN or infinite values"):
        Minimum().update(spoilt)
    for batch in ((spoilt, torch.ones(1, 1)), (torch.ones(1, 1), spoilt)):
        with pytest.raises(ValueError, match="holds 1 NaN or infinite values"):
            LinearRegression().update(*batch)
