"""Multiplying by a matrix that is diagonal in a fast transform."""

from __future__ import annotations

from collections.abc import Callable

import torch
from einops import reduce
from torch import Tensor

__all__ = ["multiply_in_basis"]


def multiply_in_basis(
    x: Tensor,
    parameter: Tensor,
    weights: Callable[[Tensor], Tensor],
    transform: Callable[[Tensor], Tensor],
    transpose: Callable[[Tensor], Tensor],
) -> Tensor:
    r"""$T^\top\operatorname{diag}(w)\,T x$ for a transform with $T^\top T = I$, exactly $x$ where $w = 1$.

    It is computed as $s x + T^\top\operatorname{diag}(w - s)\,T x$ with $s$ the least weight of each batch
    item: the same matrix, but weights that are all equal multiply $x$ bit for bit, whatever the transform
    rounds. No accuracy is lost, since both terms are positive and neither is larger than their sum. It is
    computed in float32 at least; the result has the promoted dtype of `x` and `parameter`.

    Args:
        x: data, batch first.
        parameter: what the weights are computed from, batch first (a batch of 1 serves every item).
        weights: from the parameter to $w > 0$, of the shape of, or broadcastable to, the coefficients.
        transform: $T$, from data to coefficients.
        transpose: $T^\top$, from coefficients to data.
    """
    result_dtype = torch.promote_types(x.dtype, parameter.dtype)
    compute_dtype = torch.promote_types(result_dtype, torch.float32)
    x, factors = x.to(compute_dtype), weights(parameter.to(compute_dtype))
    least = reduce(factors.detach(), "batch ... -> batch", "min")
    data_least, factor_least = (least.reshape(-1, *[1] * (tensor.dim() - 1)) for tensor in (x, factors))
    rest = transpose((factors - factor_least) * transform(x))
    return torch.addcmul(rest, data_least, x).to(result_dtype)
