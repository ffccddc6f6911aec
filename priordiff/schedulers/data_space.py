"""What acts on single elements, a clamp or a mask, acts on the data, not on the solver's white space."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

if TYPE_CHECKING:
    from priordiff.schedulers.white_space import WhiteSpace

__all__ = ["ClampInDataSpace", "MaskInDataSpace"]

_CLAMPS = {torch.clamp, torch.clip, Tensor.clamp, Tensor.clip}


class ClampInDataSpace(TorchFunctionMode):
    r"""Within this context a clamp of a state is a clamp of the data it stands for.

    A diffusers solver that is configured to clip writes `pred_original_sample.clamp(-range, range)` in the
    middle of its `step`. When the solver runs on $z = L^{-1}(x - \mu)$, the range is still meant for $x$; so
    a clamp of a tensor of the state's shape becomes $z \mapsto L^{-1}(\operatorname{clamp}(\mu + L z) -
    \mu)$. Clamps of anything else, such as a variance, are left alone. Solvers offer no method to override
    for this, as they do for thresholding.

    Args:
        space: in which the solver steps.
        shape: shape of the state; tensors of other shapes are not states.
    """

    def __init__(self, space: WhiteSpace, shape: torch.Size) -> None:
        super().__init__()
        self.space = space
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
            state, *limits = args
            return self.space.from_data(self.space.to_data(state).clamp_(*limits, **kwargs))
        return function(*args, **kwargs)


class MaskInDataSpace:
    r"""A mask of data, written as a factor of white states: $z \mapsto L^{-1}(m \odot L z)$.

    RePaint (Lugmayr et al., CVPR 2022) puts a known and an unknown part together as `mask * known + (1.0 -
    mask) * unknown`. The mask is meant for pixels, and where Σ correlates them $m \odot{}$ does not commute
    with $L$. With this object in the mask's place the same expression mixes the data.

    Args:
        space: in which the solver steps; the mean drops out of a mixture.
        mask: m, broadcastable to the data.

    Example:
        >>> from priordiff import DiagonalPrior
        >>> from priordiff.schedulers.white_space import WhiteSpace
        >>> space = WhiteSpace(DiagonalPrior(0.0, 0.5), torch.float32)
        >>> mask = MaskInDataSpace(space, torch.tensor([[1.0, 0.0]]))
        >>> mask * torch.ones(1, 2) + (1.0 - mask) * torch.full((1, 2), 3.0)
        tensor([[1., 3.]])
    """

    def __init__(self, space: WhiteSpace, mask: Tensor) -> None:
        self.space = space
        self.mask = mask

    def __mul__(self, state: Tensor) -> Tensor:
        return self.space.from_centered(self.mask * self.space.to_centered(state))

    def __rsub__(self, number: float) -> MaskInDataSpace:
        return MaskInDataSpace(self.space, number - self.mask)
