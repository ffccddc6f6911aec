"""Images of which a part is hidden, and what a network is told of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from priordiff.images import painted, transparent
from priordiff.pipelines.image_restoration import FILLS, images_of_pillow
from priordiff.pipelines.latents import LatentSpace

__all__ = ["encode_seen", "filled", "given_mask", "mask_in_cells"]


def filled(images: Tensor, hidden: Tensor, fill: str) -> Tensor:
    """Images with one colour wherever they are hidden.

    Args:
        images: (batch, channels, height, width) in [−1, 1].
        hidden: bool (batch, 1, height, width).
        fill: "white" or "grey".

    Example:
        >>> filled(torch.zeros(1, 3, 1, 2), torch.tensor([[[[True, False]]]]), "white")[0, 0]
        tensor([[1., 0.]])
    """
    return images.masked_fill(hidden, FILLS[fill])


def mask_in_cells(hidden: Tensor, cell: int, margin: int) -> Tensor:
    """A mask of pixels in the resolution of latents: 1 for a cell of which any pixel is hidden.

    An encoder sees more than the cell, so what a latent says of a place next to a hole is about the hole as
    well. A margin of so many cells counts as hidden.

    Args:
        hidden: bool (batch, 1, height, width).
        cell: pixels of a side of a cell.
        margin: in cells.

    Returns:
        Numbers (batch, 1, height / cell, width / cell).

    Example:
        >>> hidden = torch.zeros(1, 1, 8, 8, dtype=torch.bool)
        >>> hidden[..., 5, 0] = True
        >>> mask_in_cells(hidden, cell=2, margin=1)[0, 0]
        tensor([[0., 0., 0., 0.],
                [1., 1., 0., 0.],
                [1., 1., 0., 0.],
                [1., 1., 0., 0.]])
    """
    mask = F.max_pool2d(hidden.float(), cell)
    return F.max_pool2d(mask, 2 * margin + 1, stride=1, padding=margin)


def encode_seen(space: LatentSpace, images: Tensor, hidden: Tensor, margin: int) -> Tensor:
    """What is seen of images, in the space of the diffusion, and in one more channel what is hidden.

    Args:
        space: in which they are diffused.
        images: (batch, 3, height, width) in [−1, 1], [filled][priordiff.pipelines.filled] where they are
            hidden.
        hidden: bool (batch, 1, height, width).
        margin: of `mask_in_cells`, in latents; pixels have none.

    Returns:
        (batch, channels + 1, height, width) in that space, the last channel 1 where hidden and 0 elsewhere.
    """
    # Pixels are hidden or not; only an encoder looks beyond.
    margin = 0 if space.vae is None else margin
    encoded = space.encode(images)
    mask = mask_in_cells(hidden, space.downsampling, margin)
    return torch.cat([encoded, mask.to(encoded)], dim=1)


def given_mask(
    mask: Any | None, images: Any, config: Any, size: tuple[int, int], device: torch.device
) -> Tensor | None:
    """What of images is hidden, as a caller says it.

    Args:
        mask: bool or numbers in [0, 1], (batch, 1, height, width), or an image of Pillow, or a list of them:
            hidden is where it is True, 1 or lighter than middle grey. One is for all images.
        images: that it is for. If these are of Pillow, and there is no mask, what is transparent is hidden.
        config: of the pipeline, with its `task`, `fill` and `margin`.
        size: height and width.
        device: of the result.

    Returns:
        bool (batch, 1, height, width); None if the task is another.

    Raises:
        ValueError: if there is a mask for another task, or none for this one; if it has another size or other
            values, or hides nothing of an image; or if the pipeline does not know its `fill` and `margin`.
    """
    if config.task != "inpainting":
        if mask is not None:
            raise ValueError(f"mask is given, but the pipeline takes none: its task is {config.task!r}")
        return None
    if config.fill is None or config.margin is None:
        raise ValueError(
            f"fill={config.fill!r} and margin={config.margin!r}, expected what the network was trained with: "
            "register_to_config(fill=…, margin=…) of the pipeline, and save it anew"
        )
    hidden = _hidden(mask, images, size)
    batch = len(images) if isinstance(images, (Tensor, Sequence)) else 1
    if len(hidden) not in (1, batch):
        raise ValueError(f"there are {len(hidden)} masks for {batch} images, expected 1 or as many")
    hidden = hidden.expand(batch, -1, -1, -1)
    whole = (~hidden.flatten(1).any(1)).nonzero().flatten().tolist()
    if whole:
        raise ValueError(
            f"nothing is hidden of image {whole[0]}: expected a mask that is 1, or white, where the image is "
            "to be made anew"
        )
    return hidden.to(device)


def _hidden(mask: Any | None, images: Any, size: tuple[int, int]) -> Tensor:
    if isinstance(mask, Tensor):
        return _checked(mask, size)
    if mask is not None:
        return _stacked(images_of_pillow(mask, size, painted, "a mask"))
    if isinstance(images, Tensor):
        raise ValueError(
            f"mask is missing: expected one of shape (batch, 1, {size[0]}, {size[1]}), "
            "1 where images are hidden"
        )
    return _stacked(images_of_pillow(images, size, transparent))


def _checked(mask: Tensor, size: tuple[int, int]) -> Tensor:
    if mask.dim() != 4 or tuple(mask.shape[1:]) != (1, *size):
        raise ValueError(f"mask has shape {tuple(mask.shape)}, expected (batch, 1, {size[0]}, {size[1]})")
    if mask.dtype == torch.bool:
        return mask
    if not bool(((mask >= 0) & (mask <= 1)).all()):
        raise ValueError(
            f"mask has values from {mask.min().item():.4g} to {mask.max().item():.4g}, "
            "expected 0 to 1: 1 where images are hidden"
        )
    return mask >= 0.5


def _stacked(masks: Sequence[Image.Image]) -> Tensor:
    return torch.from_numpy(np.stack([np.asarray(mask) > 0 for mask in masks]))[:, None]
