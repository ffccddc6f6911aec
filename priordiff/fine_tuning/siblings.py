"""A sibling under priors for every network of diffusers."""

from __future__ import annotations

import inspect
from functools import cache
from typing import Any

import diffusers
from torch import nn

from priordiff.fine_tuning.adapter import ENTRY, PriorAdapterMixin, check_scheduler
from priordiff.fine_tuning.process import TrainedProcess

__all__ = ["adapt_to_prior", "prior_adapter_class", "prior_adapter_named"]

_PREFIX = "PriorAdapted"


def adapt_to_prior(
    network: Any, trained_with: Any, scheduler: Any = None, timestep_scale: float = 1.0
) -> Any:
    r"""Makes a network that was trained with N(0, I) one that is called under a prior N(μ, Σ).

    The network is changed in place: it stays an instance of its class, with the parameters, the names and the
    configuration that it had, and is saved and loaded as `priordiff.PriorAdapted<Class>`. What it is given is
    `scheduler.scale_model_input(x_t, t)` and `t`, what it returns is an estimate of
    `scheduler.training_target`, whatever the scheduler's process, prediction type and model space are. See
    `PriorAdapterMixin`.

    Args:
        network: a network of diffusers, or any other `ModelMixin`, whose `forward` takes a `sample` or
            `hidden_states`, and a `timestep`.
        trained_with: the scheduler that it was trained with, or any other with the same noise levels.
        scheduler: the one that holds the prior; `network.follow` tells it later, and `apply_prior` in every
            call.
        timestep_scale: what the scheduler's timesteps are multiplied by before the network gets them; 1/1000
            for Flux.

    Returns:
        The network.

    Raises:
        ValueError: if the scheduler cannot have a prior, or the noise levels of the training are unknown.
        TypeError: if the network is none of diffusers' kind, or has another signature.

    Example:
        >>> import torch
        >>> from diffusers import DDPMScheduler, UNet2DModel
        >>> from priordiff import DiagonalPrior, with_prior
        >>> unet = UNet2DModel(
        ...     sample_size=8, block_out_channels=(8,), layers_per_block=1, norm_num_groups=2,
        ...     down_block_types=("DownBlock2D",), up_block_types=("UpBlock2D",),
        ... )
        >>> scheduler = with_prior(DDPMScheduler())
        >>> unet = adapt_to_prior(unet, DDPMScheduler(), scheduler)
        >>> isinstance(unet, UNet2DModel), type(unet).__name__
        (True, 'PriorAdaptedUNet2DModel')
        >>> scheduler.set_prior(DiagonalPrior(mean=0.3, std=0.5))
        >>> x, t = torch.randn(2, 3, 8, 8), torch.tensor([10, 500])
        >>> unet(scheduler.scale_model_input(x, t), t).sample.shape
        torch.Size([2, 3, 8, 8])
    """
    plain: Any = getattr(network, "plain_class", type(network))
    sibling = prior_adapter_class(plain)
    process = TrainedProcess(trained_with)
    if scheduler is not None:
        check_scheduler(scheduler)
    network.__class__ = sibling
    network._process = None
    network.register_to_config(**{ENTRY: {**process.config, "timestep_scale": timestep_scale}})
    if scheduler is not None:
        network.follow(scheduler)
    return network


@cache
def prior_adapter_class(plain: Any) -> Any:
    """The class of the networks of a class that are adapted to priors.

    Args:
        plain: a class of networks, of diffusers or your own. Files of the latter are loaded with
            `prior_adapter_class(plain).from_pretrained`.

    Raises:
        TypeError: if it is no class of networks of diffusers' kind, or its `forward` has another signature.

    Example:
        >>> from diffusers import UNet2DModel
        >>> prior_adapter_class(UNet2DModel).__name__
        'PriorAdaptedUNet2DModel'
    """
    is_network = inspect.isclass(plain) and issubclass(plain, nn.Module)
    if not is_network or not issubclass(plain, diffusers.ConfigMixin):
        raise TypeError(
            f"{getattr(plain, '__name__', plain)} is not a class of networks of diffusers (ModelMixin and "
            "ConfigMixin)"
        )
    members = {
        "__module__": "priordiff",  # where DiffusionPipeline.from_pretrained looks for the class
        "__doc__": f"`{plain.__name__}` under any Gaussian prior; see `priordiff.adapt_to_prior`.",
    }
    return type(_PREFIX + plain.__name__, (PriorAdapterMixin, plain), members)


def prior_adapter_named(name: str) -> Any:
    """The class `PriorAdapted…` for a class of networks of diffusers, by its name.

    Raises:
        AttributeError: if diffusers has no such network.
    """
    plain = getattr(diffusers, name.removeprefix(_PREFIX), None) if name.startswith(_PREFIX) else None
    if plain is None:
        raise AttributeError(f"module 'priordiff' has no attribute {name!r}")
    return prior_adapter_class(plain)
