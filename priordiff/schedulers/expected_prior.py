"""What a configuration remembers of a prior: that there was one."""

from __future__ import annotations

from typing import Any

from diffusers.configuration_utils import FrozenDict
from diffusers.utils.logging import get_logger

from priordiff.schedulers.configurations import keeping_entry

__all__ = ["ExpectsPrior"]

logger = get_logger(__name__)

_ENTRY = "expects_prior_from"
_BY_HAND = "set_prior"


class ExpectsPrior:
    """A scheduler that knows when it has lost its prior.

    A prior belongs to a call and is not saved. So a scheduler that is loaded, or made of the configuration of
    one with a prior, has none, and would sample in silence as if there had never been one. The configuration
    therefore says where the prior comes from, in the entry `expects_prior_from`. A sibling that has this
    entry and was not told its prior warns of that, once; one whose pipeline had an estimator, which alone
    can know the prior, refuses to work. A plain scheduler drops the entry, with the warning that diffusers
    gives for every entry that it does not know.
    """

    _internal_dict: Any
    _prior_is_set = False

    def expect_prior(self, source: str) -> None:
        """Makes every use an error until `set_prior` is called; likewise in schedulers made of this config.

        Args:
            source: where the prior comes from, for the message; e.g. "apply_prior(pipe, WordsEstimator)".
        """
        self._prior_is_set = False
        self._remember(source)

    @classmethod
    def extract_init_dict(cls, config_dict, **kwargs):  # type: ignore[no-untyped-def] # diffusers' signature
        """Keeps the entry."""
        return keeping_entry(_ENTRY, super().extract_init_dict, config_dict, kwargs)  # type: ignore[misc]

    def _prior_was_set(self, source: str | None) -> None:
        """Notes the class of the prior that `set_prior` was given; None for the plain scheduler."""
        self._prior_is_set = True
        self._remember(None if source is None else f"{_BY_HAND}({source})")

    def _remember(self, source: str | None) -> None:
        if self._internal_dict.get(_ENTRY) == source:
            return
        others = {name: value for name, value in self._internal_dict.items() if name != _ENTRY}
        self._internal_dict = FrozenDict(others if source is None else {**others, _ENTRY: source})

    def _require_expected_prior(self) -> None:
        """Raises a ValueError, or warns, if the prior is missing that the configuration speaks of."""
        source = None if self._prior_is_set else self._internal_dict.get(_ENTRY)
        if source is None:
            return
        message = (
            f"this scheduler was made for a prior from {source}, and has none, since no configuration or "
            "file holds a prior: call that again, or set_prior(None) to sample without a prior"
        )
        if not source.startswith(_BY_HAND):
            raise ValueError(message)
        self._prior_is_set = True
        logger.warning(message)
