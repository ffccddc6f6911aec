from __future__ import annotations

import sys

import pytest

from priordiff.images import render_svg

SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 72 72">{}</svg>'


def test_a_drawing_fills_the_picture_at_any_size() -> None:
    for size in (1, 16, 100):
        image = render_svg(SVG.format('<rect width="72" height="72" fill="#123456"/>'), size)
        assert image.shape == (3, size, size)
        assert image.unique(dim=1).squeeze().reshape(3, -1)[:, 0].tolist() == [0x12, 0x34, 0x56]


def test_what_is_not_drawn_is_white() -> None:
    assert (render_svg(SVG.format(""), 8) == 255).all()


def test_edges_are_antialiased() -> None:
    image = render_svg(SVG.format('<rect width="36" height="72"/>'), 3)
    assert image[0, 1].tolist() == [0, 127, 255]


def test_no_fonts_of_the_system_are_used() -> None:
    assert (render_svg(SVG.format('<text x="9" y="60" font-size="60">A</text>'), 32) == 255).all()


@pytest.mark.parametrize("svg", ["", "no drawing", SVG.format("<g>")])
def test_what_is_no_drawing_is_an_error(svg: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        render_svg(svg, 16)


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    with pytest.raises(ImportError, match=r"priordiff\[images\]"):
        render_svg(SVG.format(""), 8)
