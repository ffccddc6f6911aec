"""Losses of denoisers under a prior."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from priordiff.priors import GaussianPrior

__all__ = ["prior_loss"]

_ELEMENTWISE: dict[str, Callable[..., Tensor]] = {"l2": F.mse_loss, "l1": F.l1_loss, "huber": F.huber_loss}


def prior_loss(
    prediction: Tensor,
    target: Tensor,
    prior: GaussianPrior | None = None,
    mask: Tensor | None = None,
    weight: Tensor | None = None,
    norm: Literal["l2", "l1", "huber"] = "l2",
    reduction: Literal["mean", "sum", "none"] = "mean",
) -> Tensor:
    r"""The prior-weighted loss of PriorGrad.

    $(\epsilon - \epsilon_\theta)^\top\Sigma^{-1}(\epsilon - \epsilon_\theta)$:
    the plain loss of the whitened error $L^{-1}(\epsilon - \epsilon_\theta)$ (Lee et al., ICLR 2022,
    algorithm 1), for any prediction type in the model spaces "centered" and "data". In the space "white"
    prediction and target are white already: give no prior.

    Args:
        prediction: the network's output (batch, …).
        target: what it should be, of the same shape; see the schedulers' `training_target`.
        prior: N(μ, Σ); None is the plain loss.
        mask: True (or non-zero) where an element counts, broadcastable to the prediction. Errors elsewhere
            are dropped before they are whitened, so that padding does not reach its neighbours through Σ.
        weight: factor of each item (batch,), e.g. `min_snr_weight` or `p2_weight` of its timestep.
        norm: "l2" squared, "l1" absolute, or "huber" (half squared up to 1, then linear) whitened error.
        reduction: "mean" over the elements that count (0 if there are none), "sum", or "none".

    Returns:
        A scalar, or the loss of every element for "none" (0 where masked). Gradients reach the prediction,
        the target and the prior's parameters.

    Raises:
        ValueError: if the shapes do not fit each other, or an option is unknown.

    Example:
        >>> from priordiff import DiagonalPrior
        >>> target, prediction = torch.zeros(2, 1, 4), torch.full((2, 1, 4), 0.1)
        >>> prior_loss(prediction, target, DiagonalPrior(mean=0.0, std=0.1))
        tensor(1.)
    """
    if prediction.shape != target.shape:
        raise ValueError(
            f"prediction has shape {tuple(prediction.shape)} and target {tuple(target.shape)}, "
            "expected the same"
        )
    if norm not in _ELEMENTWISE:
        raise ValueError(f"norm={norm!r}, expected one of {', '.join(map(repr, _ELEMENTWISE))}")
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"reduction={reduction!r}, expected 'mean', 'sum' or 'none'")
    if weight is not None and weight.shape != prediction.shape[:1]:
        raise ValueError(
            f"weight has shape {tuple(weight.shape)}, expected ({len(prediction)},), one factor per item"
        )
    dropped = None if mask is None else ~_broadcast_mask(mask, prediction.shape)

    error = prediction - target
    if dropped is not None:
        error = error.masked_fill(dropped, 0)
    if prior is not None:
        error = prior.whiten(error)
    loss = _ELEMENTWISE[norm](error, torch.zeros_like(error), reduction="none")
    if dropped is not None:
        loss = loss.masked_fill(dropped, 0)
    if weight is not None:
        loss = loss * weight.reshape(-1, *[1] * (loss.dim() - 1))
    if reduction == "none":
        return loss
    total = loss.sum()
    if reduction == "sum":
        return total
    count = prediction.numel() if dropped is None else (~dropped).sum().clamp(min=1)
    return total / count


def _broadcast_mask(mask: Tensor, shape: torch.Size) -> Tensor:
    try:
        return (mask != 0).expand(shape)
    except RuntimeError as error:
        raise ValueError(
            f"mask has shape {tuple(mask.shape)}, which does not broadcast to the prediction's {tuple(shape)}"
        ) from error
