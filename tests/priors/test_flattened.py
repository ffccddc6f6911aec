from __future__ import annotations

import re

import pytest
import torch

from priordiff.priors.flattened import fits_flattened, flattened_shape, on_columns
from tests.priors.cases import random


@pytest.mark.parametrize(
    ("shape", "batch", "expected"),
    [
        ((), 1, (1, 12)),
        ((), 5, (5, 12)),
        ((5, 3, 4), 1, (5, 3, 4)),
        ((1, 3, 4), 5, (5, 3, 4)),
        ((5, 1, 4), 1, (5, 3, 4)),
        ((5, 3, 1), 5, (5, 3, 4)),
        ((5, 1, 1), 1, (5, 1, 12)),
        ((1, 1, 3, 1), 2, (2, 1, 3, 4)),
    ],
    ids=str,
)
def test_parameters_give_a_flattened_event_its_shape(
    shape: tuple[int, ...], batch: int, expected: tuple[int, ...]
) -> None:
    assert flattened_shape("mean", shape, "covariance", batch, 12) == expected
    assert fits_flattened(expected, max([*shape[:1], batch]), 12, [torch.zeros(shape)])


@pytest.mark.parametrize("shape", [(12,), (2, 3, 5), (2, 1, 5), (2, 24), (3, 12)], ids=str)
def test_parameters_for_other_events_or_another_batch_are_an_error(shape: tuple[int, ...]) -> None:
    expected = re.escape(f"mean of shape {shape} and covariance for 2 Gaussians over events of 12 elements")
    with pytest.raises(ValueError, match=expected):
        flattened_shape("mean", shape, "covariance", 2, 12)


@pytest.mark.parametrize(
    ("shape", "fits"),
    [
        ((2, 3, 4), True),
        ((2, 3, 2), False),
        ((2, 4, 3), False),
        ((4, 3, 4), False),
        ((2, 12), False),
        ((2, 3, 4, 1), False),
        ((), False),
    ],
    ids=str,
)
def test_data_fit_if_the_parameters_broadcast_to_them(shape: tuple[int, ...], fits: bool) -> None:
    assert fits_flattened(shape, 2, 12, [torch.zeros(2, 3, 1), torch.tensor(0.5)]) is fits


@pytest.mark.parametrize("shape", [(3, 2, 4), (3, 8), (1, 8, 1), (0, 8)], ids=str)
def test_a_matrix_for_all_items_gives_what_one_for_each_gives(shape: tuple[int, ...]) -> None:
    matrix, x = random(1, 8, 8), random(*shape, seed=1)
    expected = (x.reshape(-1, 8) @ matrix[0].T).reshape(shape)
    for matrices in (matrix, matrix.expand(len(x), 8, 8), matrix.repeat(len(x), 1, 1)):
        if len(matrices):
            torch.testing.assert_close(on_columns(torch.matmul, x, matrices), expected)
