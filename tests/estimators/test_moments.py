from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch

from priordiff.estimators import MomentsEstimator

SHAPE = (2, 3, 4)


def test_it_has_the_moments_of_each_element_however_the_data_are_cut() -> None:
    data = 3 + torch.arange(24).reshape(SHAPE) * torch.randn(100, *SHAPE, dtype=torch.float64)
    prior = MomentsEstimator(SHAPE, floor=0.5).double().fit(data.split(33))()
    torch.testing.assert_close(prior.mean, data.mean(0, keepdim=True))
    torch.testing.assert_close(prior.std, data.std(0, correction=0, keepdim=True).clamp(min=0.5))


def test_a_saved_estimator_gives_the_same_prior(tmp_path: Path) -> None:
    estimator = MomentsEstimator(SHAPE).fit([torch.randn(5, *SHAPE)])
    estimator.save_pretrained(tmp_path)
    noise = torch.randn(2, *SHAPE)
    loaded = MomentsEstimator.from_pretrained(tmp_path)()
    assert torch.equal(loaded.to_data(noise), estimator().to_data(noise))


def test_an_estimator_that_knows_no_data_says_so() -> None:
    with pytest.raises(ValueError, match="has not been fitted: call fit"):
        MomentsEstimator(SHAPE)()
    with pytest.raises(ValueError, match="there is no data to fit"):
        MomentsEstimator(SHAPE).fit([])
    with pytest.raises(ValueError, match=re.escape("shape (1, 2, 4, 4), expected (batch, 2, 3, 4)")):
        MomentsEstimator(SHAPE).fit([torch.zeros(1, 2, 4, 4)])


@pytest.mark.parametrize("config", [{"shape": (2, 0)}, {"shape": SHAPE, "floor": 0.0}])
def test_a_configuration_that_makes_no_sense_is_an_error(config: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"=0(\.0)? must be positive"):
        MomentsEstimator(**config)
