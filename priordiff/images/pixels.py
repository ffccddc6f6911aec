"""Pictures of Pillow of any kind as upright 8-bit RGB, and what is hidden of them."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageOps

__all__ = ["painted", "to_rgb", "transparent"]

_WHITE, _BLACK = (255, 255, 255), (0, 0, 0)
_MIDDLE = 128  # of 8 bits
_LARGEST_16_BIT = 65535


def to_rgb(image: Image.Image, background: tuple[int, int, int] = _WHITE) -> Image.Image:
    """A picture in 8-bit RGB.

    It is turned as its EXIF orientation says, what is transparent shows the background, palettes, greyscale
    and CMYK become RGB, and 16 bits are scaled to 8.

    Args:
        image: of any mode.
        background: red, green and blue behind what is transparent, 0 to 255 each.

    Raises:
        ValueError: a picture of floats or integers has values beyond any known scale.

    Example:
        >>> to_rgb(Image.new("LA", (1, 1), (0, 0))).getpixel((0, 0))
        (255, 255, 255)
    """
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I") or image.mode == "F":
        return Image.fromarray(_to_8_bits(np.asarray(image))).convert("RGB")
    if image.has_transparency_data:
        backdrop = Image.new("RGBA", image.size, (*background, 255))
        image = Image.alpha_composite(backdrop, image.convert("RGBA"))
    return image.convert("RGB")


def painted(mask: Image.Image) -> Image.Image:
    """What a mask hides: what is lighter than middle grey in it, and not transparent.

    Args:
        mask: of any mode that [`to_rgb`][priordiff.images.to_rgb] knows; it is turned as it says.

    Returns:
        Mode L, 255 where it hides and 0 elsewhere.

    Raises:
        ValueError: as `to_rgb`.

    Example:
        >>> painted(Image.new("LA", (1, 1), (255, 255))).getpixel((0, 0))
        255
    """
    return to_rgb(mask, _BLACK).convert("L").point(lambda value: 255 * (value >= _MIDDLE))


def transparent(image: Image.Image) -> Image.Image:
    """Where a picture is transparent, less than half opaque.

    Args:
        image: of any mode; it is turned as it says.

    Returns:
        Mode L, 255 where it is and 0 elsewhere.

    Example:
        >>> transparent(Image.new("LA", (1, 1), (255, 0))).getpixel((0, 0))
        255
    """
    image = ImageOps.exif_transpose(image)
    # Of the kinds without a transparent colour, Pillow can not convert all.
    if not image.has_transparency_data:
        return Image.new("L", image.size)
    return image.convert("RGBA").getchannel("A").point(lambda value: 255 * (value < _MIDDLE))


def _to_8_bits(values: np.ndarray) -> np.ndarray:
    """Grey values of more bits than eight: integers of 16 bits, and floats of 0 to 1 or 0 to 255."""
    low, high = values.min(), values.max()
    if np.issubdtype(values.dtype, np.integer) and low >= 0 and high <= _LARGEST_16_BIT:
        scale = 255 / _LARGEST_16_BIT
    elif low >= 0 and high <= 255:
        scale = 255 if high <= 1 else 1
    else:
        raise ValueError(
            f"its values are {low} to {high}, expected integers of 16 bits, or floats of 0 to 1 or 0 to 255"
        )
    return np.rint(values.astype(np.float64) * scale).astype(np.uint8)
