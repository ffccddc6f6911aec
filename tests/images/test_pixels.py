from __future__ import annotations

import pytest
from PIL import Image

from priordiff.images import painted, to_rgb, transparent


def test_the_background_is_what_is_seen_through_a_picture() -> None:
    glass = Image.new("RGBA", (1, 1), (255, 0, 0, 0))
    assert to_rgb(glass).getpixel((0, 0)) == (255, 255, 255)
    assert to_rgb(glass, (1, 2, 3)).getpixel((0, 0)) == (1, 2, 3)


def test_all_three_stand_a_picture_upright() -> None:
    lying = Image.new("LA", (2, 1), (255, 255))
    lying.putpixel((0, 0), (0, 0))
    lying.getexif()[0x0112] = 6  # to be turned by a quarter, so that the left becomes the top
    assert [[to_rgb(lying).getpixel((0, y))[0] for y in (0, 1)], to_rgb(lying).size] == [[255, 255], (1, 2)]
    assert [painted(lying).getpixel((0, y)) for y in (0, 1)] == [0, 255]
    assert [transparent(lying).getpixel((0, y)) for y in (0, 1)] == [255, 0]


@pytest.mark.parametrize(("value", "hides"), [(127, False), (128, True)])
def test_a_mask_hides_from_middle_grey_on(value: int, hides: bool) -> None:
    assert painted(Image.new("L", (1, 1), value)).getpixel((0, 0)) == 255 * hides


@pytest.mark.parametrize(("alpha", "is_hole"), [(127, True), (128, False)])
def test_less_than_half_opaque_is_transparent(alpha: int, is_hole: bool) -> None:
    assert transparent(Image.new("LA", (1, 1), (9, alpha))).getpixel((0, 0)) == 255 * is_hole
    assert transparent(Image.new("L", (1, 1), 9)).getpixel((0, 0)) == 0
