"""Solvers clip x_0 where it means something: in data space."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from priordiff.priors import GaussianPrior
from priordiff.schedulers.spaces import to_data, to_white

__all__ = ["ClampInDataSpace"]

_CLAMPS = {torch.clamp, torch.clip, Tensor.clamp, Tensor.clip}


class ClampInDataSpace(TorchFunctionMode):
    r"""Within this context a clamp of a white state is a clamp of the data it stands for.

    A diffusers solver that is configured to clip writes `pred_original_sample.clamp(-range, range)` in the
    middle of its `step`. When the solver runs on $z = L^{-1}(x - \mu)$, the range is still meant for $x$; so
    a clamp of a tensor of the state's shape becomes $z \mapsto L^{-1}(\operatorname{clamp}(\mu + L z) -
    \mu)$. Clamps of anything else, such as a variance, are left alone.

    Args:
        prior: N(μ, Σ).
        shape: shape of the state; tensors of other shapes are not states.
    """

    def __init__(self, prior: GaussianPrior, shape: torch.Size) -> None:
        super().__init__()
        self.prior = prior
        self.shape = shape

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if function in _CLAMPS and args and args[0].shape == self.shape:
            clamped = function(to_data(self.prior, args[0]), *args[1:], **kwargs)
            return to_white(self.prior, clamped)
        return function(*args, **kwargs)
