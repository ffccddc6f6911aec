from __future__ import annotations

import re

import pytest
import torch

from priordiff.priors.parameters import cholesky_root
from tests.priors.cases import random


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_a_root_is_triangular_and_gives_back_its_covariance(dtype: torch.dtype) -> None:
    factor = random(2, 3, 5, 5)
    covariance = (factor @ factor.mT + torch.eye(5)).to(dtype)
    root = cholesky_root("covariance", covariance)
    assert root.dtype == dtype
    assert torch.equal(root, root.tril())
    tolerance = 4 * torch.finfo(dtype).eps * float(covariance.abs().max())
    torch.testing.assert_close(root.double() @ root.double().mT, covariance.double(), atol=tolerance, rtol=0)


def test_rounding_does_not_count_as_asymmetry() -> None:
    covariance = torch.tensor([[2.0, 1.0 + 1e-6], [1.0, 2.0]])
    root = cholesky_root("covariance", covariance)
    torch.testing.assert_close(root, cholesky_root("covariance", covariance.mT))


def test_the_identity_is_its_own_root() -> None:
    assert torch.equal(cholesky_root("covariance", torch.eye(7)), torch.eye(7))


@pytest.mark.parametrize(
    ("covariance", "message"),
    [
        (torch.ones(3), "covariance has shape (3,), expected square matrices (…, n, n)"),
        (torch.ones(2, 3), "covariance has shape (2, 3), expected square matrices (…, n, n)"),
        (
            torch.tensor([[1.0, 0.5], [0.25, 1.0]]),
            "covariance must be symmetric, it differs from its transpose by up to 0.25",
        ),
        (
            torch.tensor([[1.0, 2.0], [2.0, 1.0]]),
            "covariance must be positive definite, its smallest eigenvalue is -1 (its largest 3)",
        ),
        (
            torch.stack([torch.eye(2), torch.tensor([[1.0, 1.5], [1.5, 1.0]])]),
            "covariance must be positive definite, its smallest eigenvalue is -0.5 (its largest 2.5)",
        ),
        (-torch.eye(2, dtype=torch.float16), "its smallest eigenvalue is -1"),
    ],
)
def test_what_is_no_covariance_is_an_error_in_one_line(covariance: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        cholesky_root("covariance", covariance)
    assert "\n" not in str(error.value)
