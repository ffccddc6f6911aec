"""Reading image files of any kind as 8-bit RGB of one size."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError
from torch import Tensor

from priordiff.corpora import check_readable
from priordiff.images.pixels import painted, to_rgb, transparent

__all__ = ["IMAGE_EXTENSIONS", "read_image", "read_mask", "to_square"]

IMAGE_EXTENSIONS = (
    ".apng",
    ".bmp",
    ".gif",
    ".jpeg",
    ".jpg",
    ".pgm",
    ".png",
    ".ppm",
    ".tif",
    ".tiff",
    ".webp",
)
"""File names that end so are images."""

_WHITE = (255, 255, 255)


def read_image(
    path: str | os.PathLike[str], size: int | tuple[int, int], background: tuple[int, int, int] = _WHITE
) -> Tensor:
    """Reads an image file as a square of RGB: the middle of the picture, its shorter side resized to `size`.

    The picture is turned as its EXIF orientation says, what is transparent shows the background, palettes,
    greyscale and CMYK become RGB, and 16 bits are scaled to 8. Of an animation this is the first frame.

    Args:
        path: a file with one of the `IMAGE_EXTENSIONS`; its content decides on the format.
        size: height and width of the result, in pixels; two numbers where it is no square.
        background: red, green and blue behind what is transparent, 0 to 255 each.

    Returns:
        uint8 (3, height, width).

    Raises:
        FileNotFoundError: there is no such file, or it is a link to one that is missing.
        PermissionError: the file may not be read.
        ValueError: the file is empty, no image, damaged, cut off, or larger than Pillow allows, or its values
            have no scale that is known.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "grey.png"
        >>> Image.new("L", (40, 30), 128).save(path)
        >>> read_image(path, size=16).shape
        torch.Size([3, 16, 16])
    """
    with _opened(Path(path)) as image:
        return _middle(image, size, background)


def read_mask(
    picture: str | os.PathLike[str], size: int | tuple[int, int], mask: str | os.PathLike[str] | None = None
) -> Tensor:
    """Reads what is hidden of a picture, as the square that `read_image` makes of it.

    Hidden is what is white in a mask; without a mask, what is transparent in the picture. A pixel of the
    square is hidden if any part of it is.

    Args:
        picture: an image file.
        size: height and width of the result, in pixels; two numbers where it is no square.
        mask: an image file of the picture's height and width, of any mode: what is lighter than middle grey
            hides the picture, what is transparent does not.

    Returns:
        bool (1, height, width), True where the picture is hidden.

    Raises:
        FileNotFoundError, PermissionError: as `read_image`, of both files.
        ValueError: as `read_image`, or the mask has another height or width than the picture.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> half = Image.new("RGBA", (4, 4), "red")
        >>> half.paste((0, 0, 0, 0), (0, 0, 2, 4))
        >>> half.save(folder / "half.png")
        >>> read_mask(folder / "half.png", size=2)[0].tolist()
        [[True, False], [True, False]]
    """
    with _opened(Path(picture)) as image:
        hidden = transparent(image)
    if mask is not None:
        with _opened(Path(mask)) as image:
            drawn = painted(image)
        if drawn.size != hidden.size:
            sizes = [f"{width} × {height}" for width, height in (drawn.size, hidden.size)]
            raise ValueError(f"the mask {mask} has {sizes[0]} pixels, expected {sizes[1]} as {picture} has")
        hidden = drawn
    fitted = ImageOps.fit(hidden, _width_and_height(size), Image.Resampling.BOX)
    return torch.from_numpy(np.array(fitted) > 0)[None]


def to_square(image: Image.Image, size: int, background: tuple[int, int, int] = _WHITE) -> Tensor:
    """The middle of a picture as a square of RGB, its shorter side resized to `size`.

    Args:
        image: of any mode that [`read_image`][priordiff.images.read_image] knows.
        size: height and width of the result, in pixels; resizing is antialiased (bicubic).
        background: red, green and blue behind what is transparent, 0 to 255 each.

    Returns:
        uint8 (3, size, size).

    Raises:
        ValueError: a picture of floats or integers has values beyond any known scale.

    Example:
        >>> to_square(Image.new("RGB", (40, 30), "red"), size=2)[0]
        tensor([[255, 255],
                [255, 255]], dtype=torch.uint8)
    """
    return _middle(image, size, background)


def _middle(image: Image.Image, size: int | tuple[int, int], background: tuple[int, int, int]) -> Tensor:
    fitted = ImageOps.fit(to_rgb(image, background), _width_and_height(size), Image.Resampling.BICUBIC)
    return torch.from_numpy(np.array(fitted)).permute(2, 0, 1).contiguous()


def _width_and_height(size: int | tuple[int, int]) -> tuple[int, int]:
    """As Pillow has them, of height and width."""
    return (size, size) if isinstance(size, int) else size[::-1]


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """A picture whose pixels have been read; what goes wrong with it is an error that names the file."""
    check_readable(path, "image")
    if path.stat().st_size == 0:
        raise ValueError(f"{path} is empty: it has 0 bytes")
    try:
        with _strictly(), Image.open(path) as image:
            image.load()
            yield image
    # Pillow's decoders raise whatever they trip over: SyntaxError, struct.error, IndexError and more.
    except Exception as error:
        raise ValueError(f"{path} cannot be used as an image: {_reason(error)}") from error


@contextmanager
def _strictly() -> Iterator[None]:
    """Pillow neither pads what is cut off, as other packages may have told it to, nor lets bombs through."""
    lenient, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, False
    try:
        with warnings.catch_warnings():
            # Of pictures up to twice its limit Pillow only warns.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = lenient


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "its content is of no known image format"
    if isinstance(error, (Image.DecompressionBombError, Image.DecompressionBombWarning)):
        return f"it has more than {Image.MAX_IMAGE_PIXELS:,} pixels, a limit of Pillow's: scale it down"
    return " ".join(str(error).split()) or type(error).__name__
