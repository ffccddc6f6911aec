"""The prior that a scheduler has at the moment, and the white space of what it is given under it."""

from __future__ import annotations

from typing import Any

from diffusers.utils.logging import get_logger
from torch import Tensor

from priordiff.priors import GaussianPrior
from priordiff.schedulers.expected_prior import ExpectsPrior
from priordiff.schedulers.noise_scale import PriorNoiseScale, fitted_to
from priordiff.schedulers.white_space import WhiteSpace
from priordiff.schedulers.wrapping import check_model_space

__all__ = ["HoldsPrior"]

logger = get_logger(__name__)


class HoldsPrior(ExpectsPrior):
    """A scheduler that is told its prior for each call, and in which space its network works."""

    config: Any
    _prior: GaussianPrior | None = None
    _spaces: dict[Any, WhiteSpace]
    _copies = 1
    _showed_input = False
    _plain_init_noise_sigma: float | Tensor = 1.0

    @property
    def prior(self) -> GaussianPrior | None:
        """The prior in use, None for the plain scheduler."""
        return self._prior

    def set_prior(self, prior: GaussianPrior | None) -> None:
        """Sets the prior for the calls that follow; None gives the plain scheduler back.

        Args:
            prior: one Gaussian for every item of the batch, or one for all of them. It belongs to a call, not
                to the configuration: it is not saved. It may be more precise than the states, in which case
                it is rounded to their dtype; under autocast, where dtypes vary, it follows them. Schedulers
                that are loaded or made of the configuration warn if they are used before they get theirs.

        Raises:
            ValueError: if it is not a `GaussianPrior`.
        """
        if prior is not None and not isinstance(prior, GaussianPrior):
            raise ValueError(f"prior is a {type(prior).__name__}, expected a priordiff.GaussianPrior or None")
        self._prior, self._spaces, self._copies, self._showed_input = prior, {}, 1, False
        self._prior_was_set(None if prior is None else type(prior).__name__)

    @property
    def model_space(self) -> str:
        """Space of the network's input and output: "centered", "data" or "white"."""
        # No `get` with a default: with it, torch.compile fails in torch 2.6.
        chosen = self.config["model_space"] if "model_space" in self.config else "centered"  # noqa: SIM401
        return check_model_space(chosen)

    @property
    def init_noise_sigma(self) -> Any:
        r"""What white noise is multiplied by for $x_T \sim N(\mu, \sigma^2\Sigma)$; without a prior, σ."""
        sigma = getattr(super(), "init_noise_sigma", self._plain_init_noise_sigma)
        return sigma if self._is_plain() else PriorNoiseScale(sigma, self._prior)  # type: ignore[arg-type]

    @init_noise_sigma.setter
    def init_noise_sigma(self, sigma: float | Tensor) -> None:
        self._plain_init_noise_sigma = sigma

    def prior_for(self, seen: Tensor) -> GaussianPrior | None:
        """The prior as it fits what the network sees, several times over if that holds the batch so.

        Args:
            seen: what `scale_model_input` returned (batch, …).

        Returns:
            One Gaussian for each item, or for all of them, in the dtype of `seen`; None without a prior.

        Raises:
            ValueError: if the prior does not fit.
        """
        return None if self._is_plain() else self._space_for(seen, copied=True).prior

    def _is_plain(self) -> bool:
        """Whether there is no prior; an error if one is expected."""
        if self._prior is None:
            self._require_expected_prior()
        return self._prior is None

    def _in_model_space(self, x0: Tensor, white_noise: Tensor) -> tuple[Tensor, Tensor]:
        """Data and noise as they appear in what the network predicts."""
        if self._is_plain():
            return x0, white_noise
        space = self._space_for(x0)
        if self.model_space == "white":
            return space.from_data(x0), white_noise
        return x0 if self.model_space == "data" else x0 - space.prior.mean, space.to_centered(white_noise)

    def _space_for(self, sample: Tensor, copied: bool = False) -> WhiteSpace:
        """The white space of a sample that the prior fits, or fits several times over.

        Args:
            sample: a state, or data.
            copied: whether it may hold several copies of the batch, as what guidance shows the network. A
                pipeline that goes on with all of them hands `step` as many.
        """
        prior = self._prior
        assert prior is not None
        seen = (sample.shape, sample.dtype, sample.device, copied)
        space = self._spaces.get(seen)
        if space is None:
            copies, rest = divmod(sample.shape[0], prior.batch_size)
            if copied and not rest:
                self._copies = copies
            if prior.batch_size > 1 and copies == self._copies > 1:
                prior = prior.tile(copies)
            space = self._spaces[seen] = WhiteSpace(fitted_to(sample, prior).prepared(), sample.dtype)
        return space

    def _warn_of_unseen_prior(self, prior: GaussianPrior) -> None:
        """Warns, once for each prior, of a loop that shows the network the states themselves."""
        if self._showed_input:
            return
        space = self.model_space
        if space == "data" or (space == "centered" and prior.has_zero_mean):
            return
        self._showed_input = True
        logger.warning(
            f"`step` was called without `scale_model_input`: with model_space={space!r} the network must see "
            "what that returns; if it is shown the state itself, the space is 'data'"
        )
