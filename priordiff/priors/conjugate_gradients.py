"""Solving linear equations without a matrix."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["conjugate_gradients"]

MAX_ITERATIONS = 1000


def conjugate_gradients(
    multiply: Callable[[Tensor], Tensor], precondition: Callable[[Tensor], Tensor], right: Tensor
) -> Tensor:
    r"""Solves $A y = r$ for each signal on the last axis, to the precision of its dtype.

    Preconditioned conjugate gradients (Hestenes and Stiefel, 1952; Saad, *Iterative Methods for Sparse Linear
    Systems*, algorithm 9.1), twice: the second round starts from the residual that the first really left,
    which its recursion misses by what it rounded. A signal is left alone as soon as it has converged. If
    $M^{-1} r$ is the solution it is so after one step of length 1, which changes no bit.

    Args:
        multiply: $A$, symmetric positive definite.
        precondition: $M^{-1}$, symmetric positive definite with $M^{-1} \ge A^{-1}$, so that the residual
            $\rho$ bounds the error in the norm of $A$: $\lVert e\rVert_A^2 \le \rho^\top M^{-1}\rho$.
        right: $r$, signals (…, N).

    Returns:
        $y$ (…, N), NaN for signals that hold NaN or infinity.

    Raises:
        ValueError: if it does not converge.
    """
    tolerance = torch.finfo(right.dtype).eps ** 2
    finite = right.isfinite().all(-1, keepdim=True)
    right = torch.where(finite, right, 0)
    solution = torch.zeros_like(right)
    for _ in range(2):
        residual = right - multiply(solution)
        direction = preconditioned = precondition(residual)
        error = _dot(residual, preconditioned)
        for _ in range(MAX_ITERATIONS):
            unfinished = ~(error <= tolerance * _dot(right, solution))
            if not unfinished.any():
                break
            image = multiply(direction)
            step = torch.where(unfinished, error / _dot(direction, image), 0)
            solution = solution + step * direction
            residual = residual - step * image
            preconditioned = precondition(residual)
            previous_error, error = error, _dot(residual, preconditioned)
            direction = preconditioned + torch.where(unfinished, error / previous_error, 0) * direction
        else:
            relative_error = (error / _dot(right, solution)).sqrt()[unfinished]
            raise ValueError(
                f"no solution after {MAX_ITERATIONS} steps of conjugate gradients, with a relative error of "
                f"{float(relative_error.max()):.2g}"
            )
    return torch.where(finite, solution, torch.nan)


def _dot(first: Tensor, second: Tensor) -> Tensor:
    return (first * second).sum(-1, keepdim=True)
