from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from priordiff import DiagonalPrior, PriorEstimator
from priordiff.estimators import (
    ClassMomentsEstimator,
    FourierPowerEstimator,
    LowRankEstimator,
    ResidualEstimator,
)

SHAPE = (2, 4, 4)


class IdentityEstimator(PriorEstimator):
    """An image as its own mean."""

    def forward(self, image: Tensor) -> DiagonalPrior:
        return DiagonalPrior(image, 1.0)


def labelled(items: int = 60) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(0)
    labels = torch.arange(items) % 3
    common = torch.randn(items, 1, 1, 1, generator=random)
    return labels, labels[:, None, None, None] + common + 0.3 * torch.randn(items, *SHAPE, generator=random)


def test_it_has_the_mean_of_the_class_and_the_covariance_of_the_rest() -> None:
    labels, data = labelled()
    estimator = ResidualEstimator(ClassMomentsEstimator(3, SHAPE), LowRankEstimator(SHAPE, 1))
    prior = estimator.fit([(labels, data)])(labels)
    moments = ClassMomentsEstimator(3, SHAPE).fit([(labels, data)])(labels)
    torch.testing.assert_close(prior.mean, moments.mean)
    of_rest = LowRankEstimator(SHAPE, 1).fit([data - moments.mean])()
    noise = torch.randn(len(data), *SHAPE)
    torch.testing.assert_close(prior.color(noise), of_rest.color(noise))
    assert prior.log_prob(data).mean() > moments.log_prob(data).mean() + 5


def test_a_mean_that_needs_no_fit_is_left_alone_and_its_bias_is_found() -> None:
    image = torch.randn(30, *SHAPE)
    estimator = ResidualEstimator(IdentityEstimator(), FourierPowerEstimator(SHAPE))
    prior = estimator.fit([(image, image + 2)])(image)
    torch.testing.assert_close(prior.mean, image + 2)


def test_a_saved_estimator_loads_without_its_parts(tmp_path: Path) -> None:
    labels, data = labelled()
    estimator = ResidualEstimator(ClassMomentsEstimator(3, SHAPE, 0.2), FourierPowerEstimator(SHAPE, [-1]))
    estimator.fit([(labels, data)]).save_pretrained(tmp_path)
    loaded = ResidualEstimator.from_pretrained(tmp_path)
    assert isinstance(loaded.mean_estimator, ClassMomentsEstimator)
    assert torch.equal(loaded(labels).to_data(data), estimator(labels).to_data(data))
    IdentityEstimator.__name__ = "SomebodysEstimator"  # one that a user has defined
    own = ResidualEstimator(IdentityEstimator(), FourierPowerEstimator(SHAPE)).fit([(data, data)])
    own.save_pretrained(tmp_path / "own")
    loaded = ResidualEstimator.from_pretrained(tmp_path / "own")
    assert torch.equal(loaded(data).to_data(data), own(data).to_data(data))


def test_batches_that_can_be_gone_through_once_are_refused() -> None:
    def generator() -> Iterator[tuple[Tensor, Tensor]]:
        yield labelled()

    estimator = ResidualEstimator(ClassMomentsEstimator(3, SHAPE), LowRankEstimator(SHAPE, 1))
    with pytest.raises(
        ValueError, match="batches is a generator, which can be gone through once: give a list"
    ):
        estimator.fit(generator())


def test_an_estimator_that_is_not_there_is_named() -> None:
    with pytest.raises(ValueError, match="no estimator called 'TheirEstimator' is known: import"):
        ResidualEstimator({"_class_name": "TheirEstimator"}, FourierPowerEstimator(SHAPE))
