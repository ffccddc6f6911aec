"""Drawing vector graphics."""

from __future__ import annotations

import io

from PIL import Image
from torch import Tensor

from priordiff._extra import require
from priordiff.images.files import to_square

__all__ = ["render_svg"]


def render_svg(svg: str, size: int) -> Tensor:
    """Draws an SVG over white, antialiased, by resvg: it takes nothing from the system, no fonts either.

    Args:
        svg: the content of an SVG file, as high as it is wide.
        size: height and width of the picture in pixels.

    Returns:
        uint8 (3, size, size).

    Raises:
        ImportError: `priordiff[images]` is not installed.
        ValueError: it can't be drawn.

    Example:
        >>> square = '<rect width="1" height="1" fill="red"/>'
        >>> svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 2 2">{square}</svg>'
        >>> render_svg(svg, size=4)[1]
        tensor([[  0,   0, 255, 255],
                [  0,   0, 255, 255],
                [255, 255, 255, 255],
                [255, 255, 255, 255]], dtype=torch.uint8)
    """
    resvg = require("resvg_py", "images")
    png = resvg.svg_to_bytes(
        svg_string=svg, background="white", skip_system_fonts=True, width=size, height=size
    )
    with Image.open(io.BytesIO(bytes(png))) as image:
        return to_square(image, size)
