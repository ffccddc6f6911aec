from __future__ import annotations

import pickle

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from priordiff.estimators.statistics import Covariance, LinearRegression, Minimum, Moments

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


@given(cuts=CUTS, seed=st.integers(0, 1000), num_groups=st.integers(1, 5), data=st.data())
@settings(deadline=None)
def test_moments_do_not_depend_on_the_batches(
    cuts: list[int], seed: int, num_groups: int, data: st.DataObject
) -> None:
    values = rows(seed)[0].reshape(40, 3, 1) + 10
    groups = torch.randint(num_groups, (40,), generator=torch.Generator().manual_seed(seed))
    shares = list(zip(values.tensor_split(cuts), groups.tensor_split(cuts), strict=True))
    streamed, merged = Moments(num_groups), Moments(num_groups)
    for share in data.draw(st.permutations(shares)):
        streamed.update(*share)
        of_share = Moments(num_groups)
        of_share.update(*share)
        merged.merge(pickle.loads(pickle.dumps(of_share)))
    for moments in (streamed, merged):
        for group in range(num_groups):
            members = values[groups == group]
            assert moments.count[group] == len(members)
            if len(members):
                torch.testing.assert_close(moments.mean[group], members.mean(0), rtol=1e-13, atol=0)
                expected = members.var(0, correction=0)
                torch.testing.assert_close(moments.variance()[group], expected, rtol=1e-12, atol=1e-14)
        pooled = moments.pooled()
        torch.testing.assert_close(pooled.mean, values.mean(0, keepdim=True), rtol=1e-13, atol=0)
        expected = values.var(0, correction=0, keepdim=True)
        torch.testing.assert_close(pooled.variance(), expected, rtol=1e-12, atol=0)


@given(cuts=CUTS, seed=st.integers(0, 1000), data=st.data())
@settings(deadline=None)
def test_the_covariance_does_not_depend_on_the_batches(
    cuts: list[int], seed: int, data: st.DataObject
) -> None:
    values = rows(seed)[0] + 10
    streamed, merged = Covariance(), Covariance()
    for share in data.draw(st.permutations(list(values.tensor_split(cuts)))):
        streamed.update(share)
        of_share = Covariance()
        of_share.update(share)
        merged.merge(pickle.loads(pickle.dumps(of_share)))
    for covariance in (streamed, merged):
        assert covariance.count == 40
        torch.testing.assert_close(covariance.mean, values.mean(0), rtol=1e-13, atol=0)
        torch.testing.assert_close(covariance.matrix(), values.T.cov(correction=0), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(("dtype", "mean"), [(torch.float64, 1e6), (torch.float32, 1e3)])
def test_a_mean_far_from_zero_costs_the_variance_nothing(dtype: torch.dtype, mean: float) -> None:
    values = (mean + 1e-3 * rows(0)[0].repeat(50, 1)).to(dtype)
    # The data as they are, rounded to their dtype: subtracting the mean is exact in float64.
    expected = (values.double() - mean).var(0, correction=0)
    moments, covariance = Moments(), Covariance()
    for batch in values.split(7):
        moments.update(batch)
        covariance.update(batch)
    # 1e6 is stored to 1e-10, a ten-millionth of the deviations.
    torch.testing.assert_close(moments.variance()[0], expected, rtol=1e-7, atol=0)
    torch.testing.assert_close(covariance.matrix().diag(), expected, rtol=1e-7, atol=0)


def test_a_group_without_rows_has_none() -> None:
    moments = Moments(num_groups=3)
    moments.update(torch.ones(2, 4), groups=torch.tensor([2, 0]))
    assert moments.count.flatten().tolist() == [1, 0, 1]
    assert moments.variance().isfinite().all()


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (torch.tensor([0, 3]), r"group 3 does not lie in 0…2"),
        (torch.tensor([-1, 0]), r"group -1 does not lie in 0…2"),
        (torch.tensor([[0, 1]]), r"groups has shape \(1, 2\), expected \(2,\), one per row"),
    ],
)
def test_groups_that_do_not_fit_the_rows_are_an_error(groups: torch.Tensor, message: str) -> None:
    moments = Moments(num_groups=3)
    with pytest.raises(ValueError, match=message):
        moments.update(torch.ones(2, 4), groups)
    assert not moments.count.any()


def test_statistics_of_no_data_are_an_error() -> None:
    moments, covariance = Moments(), Covariance()
    moments.merge(Moments())
    covariance.merge(Covariance())
    moments.update(torch.ones(0, 2))
    covariance.update(torch.ones(0, 2))
    for value in (moments.variance, covariance.matrix):
        with pytest.raises(ValueError, match="there is no data to fit"):
            value()
    # A process without data does not spoil what another one has seen.
    moments.update(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    covariance.update(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    assert moments.variance().tolist() == [[1.0, 1.0]]
    assert covariance.matrix().tolist() == [[1.0, 1.0], [1.0, 1.0]]


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
    with pytest.raises(ValueError, match="holds 1 NaN or infinite values"):
        Moments().update(spoilt)
    with pytest.raises(ValueError, match="holds 1 NaN or infinite values"):
        Covariance().update(spoilt)
    for batch in ((spoilt, torch.ones(1, 1)), (torch.ones(1, 1), spoilt)):
        with pytest.raises(ValueError, match="holds 1 NaN or infinite values"):
            LinearRegression().update(*batch)
