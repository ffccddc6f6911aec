from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from priordiff.estimators import ClassMomentsEstimator, prior_nll


def frames(batch: int = 6, length: int = 20, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Labels of 3 classes with means 0, 1, 2 and stds 1, 2, 3, data of 2 bands, and a mask."""
    random = torch.Generator().manual_seed(seed)
    labels = torch.randint(3, (batch, length), generator=random)
    noise = torch.randn(batch, 2, length, generator=random, dtype=torch.float64)
    mask = torch.arange(length) < torch.randint(1, length + 1, (batch, 1), generator=random)
    return labels, labels[:, None] + (labels[:, None] + 1) * noise, mask


def test_each_class_has_its_own_mean_and_std() -> None:
    labels, data, _ = frames(40, 100)
    estimator = ClassMomentsEstimator(3, (2,)).double().fit([(labels, data)])
    for label in range(3):
        members = data.movedim(1, -1)[labels == label]
        torch.testing.assert_close(estimator.mean[label], members.mean(0))
        torch.testing.assert_close(estimator.std[label], members.std(0, correction=0))
    prior = estimator(torch.tensor([[2, 0]]))
    torch.testing.assert_close(prior.mean, torch.tensor([[[2.0, 0.0]] * 2]).double(), rtol=0, atol=0.3)
    torch.testing.assert_close(prior.std, torch.tensor([[[3.0, 1.0]] * 2]).double(), rtol=0, atol=0.3)


def test_whitened_data_of_every_class_are_standard() -> None:
    labels, data, _ = frames()
    prior = ClassMomentsEstimator(3, (2,), floor=1e-3).double().fit([(labels, data)])(labels)
    white = prior.whiten(data - prior.mean)
    for label in range(3):
        members = white.movedim(1, -1)[labels == label]
        torch.testing.assert_close(members.mean(0), torch.zeros(2).double(), rtol=0, atol=1e-12)
        torch.testing.assert_close(members.square().mean(0), torch.ones(2).double())


@pytest.mark.parametrize("shape", [(2, 3), (1, 3), (2, 1)])
def test_the_likelihood_of_every_class_is_that_of_its_prior_also_far_from_zero(
    shape: tuple[int, int],
) -> None:
    labels = torch.randint(3, (6, 20), generator=torch.Generator().manual_seed(0))
    noise = torch.randn(6, 2, 3, 20, generator=torch.Generator().manual_seed(1))
    data = 1000 + labels[:, None, None] + noise
    estimator = ClassMomentsEstimator(3, shape).fit([(labels, data)])
    likelihood = estimator.log_likelihood(data)
    assert likelihood.shape == (6, 3, 20)
    for label in range(3):
        prior = estimator(torch.full((6, 20), label))
        gaussian = torch.distributions.Normal(prior.mean.double(), prior.std.double())
        expected = gaussian.log_prob(data.double()).sum(dim=(1, 2))
        torch.testing.assert_close(likelihood[:, label].double(), expected, rtol=1e-3, atol=1e-2)


def test_the_likelihood_of_data_of_another_shape_is_refused() -> None:
    labels, data, _ = frames()
    estimator = ClassMomentsEstimator(3, (2,))
    with pytest.raises(ValueError, match="has not been fitted"):
        estimator.log_likelihood(data)
    with pytest.raises(ValueError, match=r"shape \(6, 1, 20\)"):
        estimator.double().fit([(labels, data)]).log_likelihood(data[:, :1])


def test_a_label_may_describe_a_whole_image() -> None:
    labels, images = torch.tensor([0, 1, 1]), torch.randn(3, 3, 4, 5)
    estimator = ClassMomentsEstimator(2, (3, 4, 5)).fit([(labels, images)])
    torch.testing.assert_close(estimator(torch.tensor([1])).mean, images[1:].mean(0, keepdim=True))
    assert torch.equal(estimator(torch.tensor([0])).std, torch.full((1, 3, 4, 5), 0.1))


def test_dimensions_of_size_one_are_pooled() -> None:
    labels, images = torch.tensor([0, 1, 1]), torch.randn(3, 3, 4, 5)
    prior = ClassMomentsEstimator(2, (3, 1, 1)).fit([(labels, images)])(torch.tensor([1, 0]))
    assert prior.mean.shape == (2, 3, 1, 1)
    torch.testing.assert_close(prior.mean[0, :, 0, 0], images[1:].mean((0, 2, 3)))
    torch.testing.assert_close(prior.std[0, :, 0, 0], images[1:].std((0, 2, 3), correction=0))
    torch.testing.assert_close(prior.std[1, :, 0, 0], images[0].std((1, 2), correction=0))
    assert prior.sample((2, 3, 4, 5)).shape == (2, 3, 4, 5)


def test_padding_is_not_data_and_has_a_standard_prior() -> None:
    labels, data, mask = frames()
    spoilt = data.masked_fill(~mask[:, None], float("nan")), labels.masked_fill(~mask, -1)
    estimator = ClassMomentsEstimator(3, (2,)).double().fit([(spoilt[1], spoilt[0], mask)])
    members = data.movedim(1, -1)[(labels == 1) & mask]
    torch.testing.assert_close(estimator.mean[1], members.mean(0))
    prior = estimator(spoilt[1], mask)
    padding = ~mask[:, None].expand(-1, 2, -1)
    assert (prior.mean[padding] == 0).all()
    assert (prior.std[padding] == 1).all()
    torch.testing.assert_close(prior.std[~padding], estimator(labels).std[~padding])


def test_a_class_without_data_has_the_moments_of_all_data() -> None:
    labels, data, _ = frames()
    estimator = ClassMomentsEstimator(5, (2,)).double().fit([(labels, data)])
    torch.testing.assert_close(estimator.mean[4], data.mean((0, 2)))
    torch.testing.assert_close(estimator.std[3], data.std((0, 2), correction=0))


def test_shrinkage_counts_the_moments_of_all_data_as_so_many_rows_of_each_class() -> None:
    labels, data, _ = frames()
    labels = labels.clamp(max=1)  # the third class has no data
    estimator = ClassMomentsEstimator(3, (2,), floor=1e-3, shrinkage=4).double().fit([(labels, data)])
    rows = data.movedim(1, -1).flatten(0, 1)
    middle, deviation = rows.mean(0), rows.std(0, correction=0)
    for label in range(3):
        # Two rows at ±σ around the mean, twice, have the moments of all data.
        pretended = torch.stack([middle + deviation, middle - deviation] * 2)
        members = torch.cat([rows[labels.flatten() == label], pretended])
        torch.testing.assert_close(estimator.mean[label], members.mean(0))
        torch.testing.assert_close(estimator.std[label], members.std(0, correction=0))


def test_shrinkage_describes_held_out_data_of_small_classes_better() -> None:
    random = torch.Generator().manual_seed(0)
    means = 0.6 * torch.randn(20, 4, generator=random)

    def draw(count: int) -> tuple[Tensor, Tensor]:
        labels = torch.arange(20).repeat(count)
        return labels, means[labels] + torch.randn(len(labels), 4, generator=random)

    few, many = draw(4), draw(100)

    def nll(shrinkage: float) -> float:
        estimator = ClassMomentsEstimator(20, (4,), shrinkage=shrinkage).fit([few])
        return float(prior_nll(estimator(many[0]), many[1]))

    assert nll(10) < nll(0) - 0.2
    assert nll(10) < nll(1e6)  # which is that of all data


def test_the_std_stays_above_the_floor() -> None:
    labels, data, _ = frames()
    estimator = ClassMomentsEstimator(3, (2,), floor=2.5).fit([(labels, data)])
    assert estimator.std.min() == 2.5
    assert estimator.std.max() > 2.5


@given(cuts=st.lists(st.integers(0, 6), max_size=4).map(sorted), seed=st.integers(0, 100), data=st.data())
@settings(deadline=None)
def test_fitting_does_not_depend_on_the_batches(cuts: list[int], seed: int, data: st.DataObject) -> None:
    whole = frames(seed=seed)
    shares = data.draw(
        st.permutations(list(zip(*(tensor.tensor_split(cuts) for tensor in whole), strict=True)))
    )
    expected, fitted = (ClassMomentsEstimator(3, (2,)).double().fit(batches) for batches in ([whole], shares))
    torch.testing.assert_close(fitted.mean, expected.mean, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(fitted.std, expected.std, rtol=1e-12, atol=1e-12)


def test_a_saved_estimator_gives_the_same_prior(tmp_path: Path) -> None:
    labels, data, mask = frames()
    estimator = ClassMomentsEstimator(3, (2,), floor=0.2).fit([(labels, data)])
    estimator.save_pretrained(tmp_path)
    loaded = ClassMomentsEstimator.from_pretrained(tmp_path)
    assert loaded.config.floor == 0.2
    assert torch.equal(loaded(labels, mask).mean, estimator(labels, mask).mean)
    assert torch.equal(loaded(labels, mask).std, estimator(labels, mask).std)


def test_an_estimator_that_knows_no_data_says_so() -> None:
    with pytest.raises(ValueError, match="has not been fitted: call fit"):
        ClassMomentsEstimator(3, (2,))(torch.zeros(1, 4, dtype=torch.long))


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        (None, "there is no data to fit"),
        (
            (torch.zeros(2, 5).long(), torch.zeros(2, 3, 5)),
            "data have shape (2, 3, 5) and labels (2, 5), expected (batch, *(2,), *positions)",
        ),
        ((torch.zeros(2, 5).long(), torch.zeros(2, 2, 6)), "data have shape (2, 2, 6) and labels (2, 5)"),
        ((torch.zeros(2).long(), torch.zeros(2)), "data have shape (2,) and labels (2,)"),
        ((torch.zeros(2, 5).long(), torch.zeros(2)), "data have shape (2,) and labels (2, 5)"),
        ((torch.full((1, 5), 3), torch.zeros(1, 2, 5)), "label 3 does not lie in 0…2"),
        ((torch.full((1, 5), -1), torch.zeros(1, 2, 5)), "label -1 does not lie in 0…2"),
        ((torch.zeros(1, 5), torch.zeros(1, 2, 5)), "labels have dtype torch.float32, expected integers"),
        (
            (torch.zeros(1, 5).long(), torch.zeros(1, 2, 5), torch.ones(1, 4)),
            "mask has shape (1, 4) and labels (1, 5), expected the same",
        ),
        ((torch.zeros(1, 5).long(), torch.full((1, 2, 5), torch.nan)), "holds 10 NaN"),
    ],
)
def test_data_that_cannot_be_fitted_are_an_error(batch: Any, message: str) -> None:
    estimator = ClassMomentsEstimator(3, (2,))
    with pytest.raises(ValueError, match=re.escape(message)):
        estimator.fit([] if batch is None else [batch])
    assert estimator.mean.isnan().all()


def test_an_unknown_label_is_an_error() -> None:
    estimator = ClassMomentsEstimator(3, (2,)).fit([frames()[:2]])
    with pytest.raises(ValueError, match="label 7 does not lie in 0…2"):
        estimator(torch.tensor([[0, 7]]))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"num_classes": 0, "shape": (2,)}, "num_classes=0 must be positive"),
        ({"num_classes": 3, "shape": (2, 0)}, "shape[1]=0 must be positive"),
        ({"num_classes": 3, "shape": (2,), "floor": 0.0}, "floor=0.0 must be positive"),
        ({"num_classes": 3, "shape": (2,), "shrinkage": -1}, "shrinkage=-1, expected a number of at least 0"),
    ],
)
def test_a_configuration_that_makes_no_sense_is_an_error(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        ClassMomentsEstimator(**config)
