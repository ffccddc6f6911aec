"""Which mask goes with which picture."""

from __future__ import annotations

from pathlib import Path

import pytest

from priordiff.commands.pictures import Picture, read_pictures
from tests.commands.test_sample_restored import draw_half, draw_pictures


@pytest.fixture(autouse=True)
def _in_a_new_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def read(pictures: list[str], masks: list[str]) -> list[Picture]:
    """Those of the folder `given`, with the masks of a folder."""
    draw_pictures(*(f"given/{name}" for name in pictures))
    for name in masks:
        draw_half(f"masks/{name}")
    return read_pictures([Path("given")], [Path("masks")], (16, 16), has_holes=True)


@pytest.mark.parametrize(
    ("pictures", "masks", "chosen"),
    [
        (["a/1.png", "b/1.png"], ["b/1.png", "a/1.gif"], ["a/1.gif", "b/1.png"]),
        (["1.png", "a/1.png"], ["1.png", "a/1.png"], ["1.png", "a/1.png"]),
        (["a/1.png", "b/2.png"], ["2.png", "1.png"], ["1.png", "2.png"]),
        (["1.png"], ["a/1.png"], ["a/1.png"]),
    ],
    ids=["folders", "above-and-below", "one-folder", "deeper"],
)
def test_a_mask_lies_where_its_picture_does_or_has_its_name_alone(
    pictures: list[str], masks: list[str], chosen: list[str]
) -> None:
    files = [picture.files for picture in read(pictures, masks)]
    expected = [
        (Path("given", name), Path("masks", mask)) for name, mask in zip(pictures, chosen, strict=True)
    ]
    assert sorted(files) == sorted(expected)


@pytest.mark.parametrize(
    ("pictures", "masks", "message"),
    [
        (
            ["a/1.png"],
            ["b/1.png", "c/1.png"],
            "1.png may both be the mask of given/a/1.png: have it lie where",
        ),
        (["1.png"], ["1.png", "1.gif"], "may both be the mask of given/1.png"),
        (
            ["a/1.png", "b/1.png"],
            ["1.png"],
            "masks/1.png may be the mask of given/a/1.png or of given/b/1.png",
        ),
        (["a/1.png", "b/1.png"], ["a/1.png"], "masks/a/1.png may be the mask of given/a/1.png or of given/b"),
    ],
    ids=["two-folders", "two-formats", "one-for-two", "one-is-missing"],
)
def test_masks_that_cannot_be_told_apart_are_refused(
    pictures: list[str], masks: list[str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        read(pictures, masks)


def test_a_picture_that_is_given_twice_has_its_mask_twice() -> None:
    draw_pictures("1.png")
    draw_half("masks/1.png")
    pictures = read_pictures([Path("1.png")] * 2, [Path("masks")], (16, 16), has_holes=True)
    assert [picture.files for picture in pictures] == [(Path("1.png"), Path("masks/1.png"))] * 2
