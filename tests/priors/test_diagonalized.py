from __future__ import annotations

import pytest
import torch
from torch import Tensor

from priordiff.lapped_transform import inverse_mdct, mdct
from priordiff.priors.diagonalized import multiply_in_basis
from tests.priors.cases import positive, random


def multiply(x: Tensor, weights: Tensor) -> Tensor:
    """Multiplies by weights (batch, blocks, 16) in a lapped transform."""
    return multiply_in_basis(x, weights, lambda w: w, lambda data: mdct(data, 16), inverse_mdct)


def test_it_is_the_plain_product_in_the_basis() -> None:
    x, weights = random(3, 64), positive(3, 4, 16)
    torch.testing.assert_close(multiply(x, weights), inverse_mdct(weights * mdct(x, 16)))
    torch.testing.assert_close(multiply(x, weights[:1]), inverse_mdct(weights[:1] * mdct(x, 16)))


def test_items_whose_weights_are_equal_are_multiplied_exactly_beside_others_that_are_not() -> None:
    x, weights = torch.randn(3, 64), positive(3, 4, 16).float()
    weights[1], weights[2] = 1.0, 0.3
    product = multiply(x, weights)
    assert torch.equal(product[1], x[1])
    assert torch.equal(product[2], 0.3 * x[2])


@pytest.mark.parametrize("decades", [0, 1, 4, 6])
def test_it_is_as_accurate_as_the_plain_product(decades: int) -> None:
    x, weights = random(8, 1024), 10 ** (-decades * (positive(8, 64, 16) - 0.2))
    for w in (weights, 1 / weights):
        exact = inverse_mdct(w * mdct(x, 16))
        plain = inverse_mdct(w.float() * mdct(x.float(), 16))
        error, plain_error = (
            (y - exact).square().mean().sqrt() for y in (multiply(x.float(), w.float()), plain)
        )
        assert error < 1.1 * plain_error


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_rounded_once_at_the_end(dtype: torch.dtype) -> None:
    x, weights = torch.randn(2, 64).to(dtype), positive(2, 4, 16).to(dtype)
    product = multiply(x, weights)
    assert product.dtype == dtype
    torch.testing.assert_close(product, multiply(x.double(), weights).to(dtype))


def test_gradients_reach_data_and_weights_though_the_least_weight_is_taken_out() -> None:
    x, weights = random(2, 32).requires_grad_(), positive(2, 2, 16).requires_grad_()
    assert torch.autograd.gradcheck(multiply, (x, weights))
    assert torch.autograd.gradgradcheck(multiply, (x, weights))
