"""What lets a network train in less time or memory, and leaves alone what it learns."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial

import torch
from diffusers import ModelMixin
from torch import nn
from torch.utils.checkpoint import checkpoint

from priordiff.training.options import TrainingConfig

__all__ = ["check_compiler", "prepare_network", "save_memory", "tf32_products"]


def prepare_network(model: nn.Module, config: TrainingConfig, device: torch.device) -> None:
    """Set a network up as the options say, and refuse what can't be had.

    Args:
        model: What is trained, in place.
        config: Options of the loop.
        device: Where it is trained.

    Raises:
        ValueError: If the device has no TF32, the compiler doesn't work here, or no part of the network can
            recompute its activations.
    """
    if config.tf32 and not _has_tf32(device):
        raise ValueError(
            f"tf32 is True, but this {device.type} has none: expected an NVIDIA GPU of compute capability "
            "8.0 or newer; set it to false"
        )
    if config.compile is not None:
        check_compiler(config.compile, device)
    if config.gradient_checkpointing:
        save_memory(model)
    if config.channels_last:
        model.to(memory_format=torch.channels_last)


def save_memory(model: nn.Module) -> None:
    """Let the networks of diffusers inside a model recompute their activations in the backward pass.

    Args:
        model: In place.

    Raises:
        ValueError: If none of them can.

    Example:
        >>> from diffusers import UNet2DModel
        >>> unet = UNet2DModel(block_out_channels=(8, 8), norm_num_groups=4,
        ...     down_block_types=("DownBlock2D",) * 2, up_block_types=("UpBlock2D",) * 2)
        >>> save_memory(nn.Sequential(unet))
        >>> unet.is_gradient_checkpointing
        True
    """
    networks = [module for module in model.modules() if isinstance(module, ModelMixin)]
    able = [network for network in networks if network._supports_gradient_checkpointing]
    if not able:
        names = ", ".join(sorted({type(network).__name__ for network in networks})) or type(model).__name__
        raise ValueError(
            f"gradient_checkpointing is True, but {names} can't recompute activations: set it to false"
        )
    for network in able:
        # That of diffusers looks up the version of torch in each pass, of which compilers warn.
        network.enable_gradient_checkpointing(partial(checkpoint, use_reentrant=False))


def check_compiler(backend: str, device: torch.device) -> None:
    """Compile something small, so that a compiler that doesn't work is found before the training.

    Args:
        backend: Of `torch.compile`.
        device: For which is compiled.

    Raises:
        ValueError: If it doesn't work; the message has its reason.
    """
    network = nn.Linear(2, 2).to(device)
    try:
        torch.compile(network, backend=backend)(torch.ones(1, 2, device=device)).sum().backward()
    # A compiler raises whatever it trips over: no C++ compiler, no Triton, a Python that is too new.
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise ValueError(
            f"compile is {backend!r}, but it doesn't work on this {device.type} ({reason}): set it to null"
        ) from error


@contextlib.contextmanager
def tf32_products(enabled: bool) -> Iterator[None]:
    """Context in which GPUs may multiply float32 matrices in TF32, with 10 bits of mantissa.

    Args:
        enabled: False leaves things as they are.
    """
    before = torch.get_float32_matmul_precision()
    if enabled:
        torch.set_float32_matmul_precision("high")
    try:
        yield
    finally:
        if enabled:
            torch.set_float32_matmul_precision(before)


def _has_tf32(device: torch.device) -> bool:
    # ROCm counts the capabilities of its GPUs otherwise.
    is_nvidia = device.type == "cuda" and torch.version.cuda is not None
    return is_nvidia and torch.cuda.get_device_capability(device) >= (8, 0)
