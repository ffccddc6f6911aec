"""Images that are to be restored, and what a network is conditioned on in their place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import torch.nn.functional as F
from diffusers.image_processor import VaeImageProcessor
from torch import Tensor

__all__ = ["RESTORATIONS", "enlarged", "given_images", "given_size"]


def enlarged(images: Tensor, factor: int) -> Tensor:
    """Images that are `factor` times larger, by bicubic interpolation.

    Args:
        images: (batch, channels, height, width) in [−1, 1].
        factor: by which height and width grow.

    Example:
        >>> import torch
        >>> enlarged(torch.ones(1, 3, 4, 4), factor=2).shape
        torch.Size([1, 3, 8, 8])
    """
    return F.interpolate(images, scale_factor=factor, mode="bicubic", align_corners=False).clamp(-1, 1)


# From images as a user has them, and the factor, to images of the size of those that are made.
RESTORATIONS: Mapping[str, Callable[[Tensor, int], Tensor]] = MappingProxyType(
    {"super-resolution": enlarged, "colouring": lambda images, factor: images}
)


def given_size(task: str | None, factor: int | None, size: tuple[int, int]) -> tuple[int, int]:
    """Height and width of the images that a pipeline restores, in pixels.

    Args:
        task: of the pipeline.
        factor: by which it enlarges; None if it does not.
        size: height and width of what it makes.

    Raises:
        ValueError: if the task is none of `RESTORATIONS`.
    """
    if task not in RESTORATIONS:
        raise ValueError(
            f"the pipeline takes no images to restore: its task is {task!r}, "
            f"expected one of {', '.join(RESTORATIONS)}"
        )
    height, width = size
    return height // (factor or 1), width // (factor or 1)


def given_images(
    images: Tensor | Sequence[Any], task: str | None, factor: int | None, size: tuple[int, int]
) -> Tensor:
    """Images that are to be restored, in the size of those that are made of them and in [−1, 1].

    Args:
        images: (batch, 3, height, width) in [−1, 1], or images of Pillow.
        task: of the pipeline.
        factor: by which it enlarges; None if it does not.
        size: height and width of what it makes.

    Raises:
        ValueError: if the task is none of `RESTORATIONS`, or the images have another size than `given_size`.
    """
    height, width = given_size(task, factor, size)
    tensor = images if isinstance(images, Tensor) else _stacked(images, (width, height))
    if tensor.dim() != 4 or tuple(tensor.shape[1:]) != (3, height, width):
        raise ValueError(
            f"images have shape {tuple(tensor.shape)}, expected (batch, 3, {height}, {width}): "
            "scale them to that size"
        )
    return RESTORATIONS[str(task)](tensor, factor or 1)


def _stacked(images: Sequence[Any], size: tuple[int, int]) -> Tensor:
    """Images of Pillow, of a width and height, as a tensor in [−1, 1]."""
    for image in images:
        if image.size != size:
            raise ValueError(f"an image has {image.size} pixels, expected {size}: scale it to that size")
    arrays = VaeImageProcessor.pil_to_numpy([image.convert("RGB") for image in images])
    return VaeImageProcessor.normalize(VaeImageProcessor.numpy_to_pt(arrays))
