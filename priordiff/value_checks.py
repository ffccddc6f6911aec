"""Whether the values of what is given are looked at, for which a host waits for its accelerator."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["values_are_checked", "without_value_checks"]

_checked = True


def values_are_checked() -> bool:
    """Whether values are to be looked at: always, but within `without_value_checks`."""
    return _checked


@contextmanager
def without_value_checks(skipped: bool = True) -> Iterator[None]:
    """Context in which priors, estimators and networks take the values that they are given unseen.

    Otherwise each looks whether a standard deviation is positive, a parameter finite, a label one of the
    classes, and says so where the bad value enters. To look at values that are on an accelerator is to wait
    until it has done all that it was told before. `Trainer` trains within this context on accelerators: what
    is bad shows in the loss, at which it looks. Shapes, dtypes and devices are checked all the same, and so
    is whether a matrix is positive definite.

    Args:
        skipped: False leaves things as they are.

    Example:
        >>> import torch
        >>> from priordiff import DiagonalPrior
        >>> with without_value_checks():
        ...     prior = DiagonalPrior(mean=0.0, std=torch.tensor([[0.0]]))
        >>> prior.whiten(torch.ones(1, 1))
        tensor([[inf]])
    """
    global _checked
    before, _checked = _checked, _checked and not skipped
    try:
        yield
    finally:
        _checked = before
