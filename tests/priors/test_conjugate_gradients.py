from __future__ import annotations

import pytest
import torch
from torch import Tensor

from priordiff.priors.conjugate_gradients import conjugate_gradients
from tests.priors.cases import covariance, random


def solve(matrix: Tensor, right: Tensor, preconditioner: Tensor | None = None) -> Tensor:
    """Solves for signals (…, n) with symmetric matrices (…, n, n)."""
    if preconditioner is None:
        preconditioner = torch.eye(matrix.shape[-1], dtype=matrix.dtype) / 0.2  # above every inverse

    def times(factor: Tensor, x: Tensor) -> Tensor:
        return (factor @ x[..., None])[..., 0]

    return conjugate_gradients(lambda x: times(matrix, x), lambda x: times(preconditioner, x), right)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
def test_it_solves_each_system_to_the_precision_of_the_dtype(dtype: torch.dtype, scale: float) -> None:
    matrix, right = covariance(3, 12, 12), random(3, 12) * torch.tensor([[1.0], [1e-6], [100.0]])
    solution = solve(matrix.to(dtype), scale * right.to(dtype))
    expected = scale * torch.linalg.solve(matrix, right)
    error = (solution - expected).norm(dim=1) / expected.norm(dim=1)
    assert (error < 50 * torch.finfo(dtype).eps).all()


def test_an_ill_conditioned_system_leaves_no_residual() -> None:
    orthogonal = torch.linalg.qr(random(40, 40))[0]
    matrix = (orthogonal * torch.logspace(0, -5, 40, dtype=torch.float64)) @ orthogonal.T
    right = matrix @ random(40)
    preconditioner = torch.eye(40) * 1e5
    solution = solve(matrix.float(), right.float(), preconditioner).double()
    residual = matrix.float().double() @ solution - right.float().double()
    assert residual.norm() < 1e-6 * right.norm()


def test_signals_that_the_preconditioner_solves_keep_its_solution_bit_for_bit() -> None:
    matrix = torch.stack([torch.eye(5), covariance(5, 5).float()])
    preconditioner = torch.stack([torch.eye(5), 5 * torch.eye(5)])
    right = torch.randn(2, 5)
    solution = solve(matrix, right, preconditioner)
    assert torch.equal(solution[0], right[0])
    torch.testing.assert_close(matrix[1] @ solution[1], right[1])


def test_silence_and_nan_keep_no_other_signal_from_its_solution() -> None:
    matrix, right = covariance(3, 5, 5), random(3, 5)
    right[0], right[1] = 0.0, float("nan")
    solution = solve(matrix, right)
    assert torch.equal(solution[0], right[0])
    assert solution[1].isnan().all()
    torch.testing.assert_close(solution[2], torch.linalg.solve(matrix[2], right[2]))


def test_not_converging_is_an_error() -> None:
    matrix = torch.logspace(0, 15, 400, dtype=torch.float64).diag()
    with pytest.raises(
        ValueError, match="no solution after 1000 steps of conjugate gradients, with a relative error of "
    ):
        solve(matrix, random(400))
