"""Images that are to be restored, and what a network is conditioned on in their place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import torch.nn.functional as F
from diffusers.image_processor import VaeImageProcessor
from PIL import Image
from torch import Tensor

from priordiff.images import to_rgb

__all__ = [
    "FILLS",
    "RESTORATIONS",
    "check_restoration",
    "enlarged",
    "given_images",
    "given_size",
    "images_of_pillow",
    "in_grey",
]

# What stands in a hole: the background of drawings, or the mean of photographs.
FILLS: Mapping[str, float] = MappingProxyType({"white": 1.0, "grey": 0.0})

# Of red, green and blue, by ITU-R BT.601.
_LUMA = (0.299, 0.587, 0.114)


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


def in_grey(images: Tensor) -> Tensor:
    """Images without their colours: the luma of ITU-R BT.601 in all three channels.

    Args:
        images: (batch, 3, height, width).

    Example:
        >>> import torch
        >>> in_grey(torch.tensor([1.0, 0.0, 0.0])[:, None, None].expand(1, 3, 1, 1)).flatten()
        tensor([0.2990, 0.2990, 0.2990])
    """
    weights = images.new_tensor(_LUMA)[:, None, None]
    return (weights * images).sum(1, keepdim=True).expand(-1, 3, -1, -1)


_FROM_8_BITS = "of 8 bits, that is images / 127.5 - 1"
_ROUNDING = 1e-2  # by which values may exceed their range, as those of half precision do

# From images as a user has them, and the factor, to images of the size of those that are made.
RESTORATIONS: Mapping[str, Callable[[Tensor, int], Tensor]] = MappingProxyType(
    {
        "super-resolution": enlarged,
        "colouring": lambda images, factor: in_grey(images),
        "inpainting": lambda images, factor: images,
    }
)


def check_restoration(factor: int | None, fill: str | None, margin: int | None) -> None:
    """Checks what a pipeline knows of the images that it restores; None is right.

    Args:
        factor: by which it enlarges.
        fill: what stands in a hole.
        margin: of latents around it.

    Raises:
        ValueError: if one has another value.
    """
    if factor is not None and factor < 1:
        raise ValueError(f"factor={factor}, expected an integer of at least 1")
    if fill is not None and fill not in FILLS:
        raise ValueError(f"fill={fill!r}, expected one of {', '.join(FILLS)}")
    if margin is not None and margin < 0:
        raise ValueError(f"margin={margin}, expected an integer of at least 0")


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


def given_images(images: Any, task: str | None, factor: int | None, size: tuple[int, int]) -> Tensor:
    """Images that are to be restored, in the size of those that are made of them and in [−1, 1].

    Args:
        images: (batch, 3, height, width) in [−1, 1], or an image of Pillow of any mode, or a list of them;
            what is transparent is white.
        task: of the pipeline.
        factor: by which it enlarges; None if it does not.
        size: height and width of what it makes.

    Raises:
        ValueError: if the task is none of `RESTORATIONS`, or the images have another size than `given_size`,
            or other values.
    """
    height, width = given_size(task, factor, size)
    if isinstance(images, Tensor):
        tensor = images
    else:
        pictures = images_of_pillow(images, (height, width), to_rgb)
        arrays = VaeImageProcessor.pil_to_numpy(pictures)
        tensor = VaeImageProcessor.normalize(VaeImageProcessor.numpy_to_pt(arrays))
    if tensor.dim() != 4 or tuple(tensor.shape[1:]) != (3, height, width):
        raise ValueError(
            f"images have shape {tuple(tensor.shape)}, expected (batch, 3, {height}, {width}): "
            "scale them to that size"
        )
    _check_values(tensor)
    return RESTORATIONS[str(task)](tensor, factor or 1)


def images_of_pillow(
    images: Any,
    size: tuple[int, int],
    convert: Callable[[Image.Image], Image.Image],
    called: str = "an image",
) -> list[Image.Image]:
    """Images of Pillow that a caller gives, one or several, of the size that they must have.

    Args:
        images: one, or a sequence of them.
        size: height and width.
        convert: what is made of each, turned as its EXIF orientation says.
        called: what messages call one.

    Raises:
        ValueError: if there are none, one is no image of Pillow or has another size, or can't be converted.
    """
    pictures = list(images) if isinstance(images, Sequence) and not isinstance(images, str) else [images]
    if not pictures:
        raise ValueError(f"there are no images, expected {called} at least")
    return [_converted(picture, size, convert, called) for picture in pictures]


def _converted(
    picture: Any, size: tuple[int, int], convert: Callable[[Image.Image], Image.Image], called: str
) -> Image.Image:
    if not isinstance(picture, Image.Image):
        raise ValueError(
            f"{called} is of type {type(picture).__name__}, expected images of Pillow, or one tensor of all"
        )
    try:
        converted = convert(picture)
    except ValueError as error:
        raise ValueError(f"{called} cannot be used: {error}") from error
    if converted.size != size[::-1]:
        raise ValueError(
            f"{called} has {converted.size} pixels, expected {size[::-1]}: scale it to that size"
        )
    return converted


def _check_values(images: Tensor) -> None:
    if not len(images):
        raise ValueError("there are no images, expected a batch of at least one")
    if not images.is_floating_point():
        raise ValueError(f"images have dtype {images.dtype}, expected floating-point numbers: {_FROM_8_BITS}")
    # Also an error for NaN, which compares as False.
    if not bool((images.abs() <= 1 + _ROUNDING).all()):
        low, high = images.min().item(), images.max().item()
        raise ValueError(f"images have values from {low:.4g} to {high:.4g}, expected -1 to 1: {_FROM_8_BITS}")
