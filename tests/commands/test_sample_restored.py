"""Pictures restored from a shell, by a tiny model of each task."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from PIL import Image

from tests.commands.test_sample import pixels, sample, written
from tests.pipelines.test_image import seeded
from tests.pipelines.test_image_inpainting import inpainting
from tests.pipelines.test_image_restoration import colouring, super_resolution
from tests.refusals import Refuse

MAKE = {"super-resolution": super_resolution, "colouring": colouring, "inpainting": inpainting}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model of each task that restores images."""
    folder = tmp_path_factory.mktemp("models")
    for task, make in MAKE.items():
        pipeline = make()
        pipeline.register_to_config(num_inference_steps=2)
        pipeline.save_pretrained(folder / task)
    return folder


@pytest.fixture(autouse=True)
def _in_a_new_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def draw_pictures(*names: str, size: tuple[int, int] = (16, 16)) -> list[Image.Image]:
    """Pictures of noise, by the names of their files."""
    pictures = [Image.effect_noise(size, 80).convert("RGB") for _ in names]
    for name, picture in zip(names, pictures, strict=True):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        picture.save(name)
    return pictures


def draw_half(name: str, size: tuple[int, int] = (16, 16)) -> Image.Image:
    """A mask that hides the left half."""
    mask = Image.new("L", size)
    mask.paste(255, (0, 0, size[0] // 2, size[1]))
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    mask.save(name)
    return mask


def halves(image: Image.Image | str) -> tuple[torch.Tensor, torch.Tensor]:
    left, right = pixels(image).chunk(2, dim=1)
    return left, right


@pytest.mark.parametrize("task", MAKE)
def test_every_task_restores_a_folder_of_pictures(models: Path, task: str) -> None:
    draw_pictures("given/one.png", "given/two.jpg", size=(30, 20))
    draw_half("mask.png", (30, 20))
    mask = ["--mask", "mask.png"] if task == "inpainting" else []
    assert sample(models / task, "--input", "given", *mask, "--count", "1", "--output", "out") == 0
    assert [name for name in written() if name.startswith("out")] == ["out/one.png", "out/two.png"]
    assert Image.open("out/two.png").size == (16, 16)


def test_a_hole_is_filled_by_what_the_pipeline_makes_and_the_rest_is_kept(models: Path) -> None:
    (picture,), mask = draw_pictures("picture.png"), draw_half("mask.png")
    options = ["--input", "picture.png", "--mask", "mask.png", "--count", "2", "--seed", "3"]
    assert sample(models / "inpainting", *options, "--output", "pasted") == 0
    assert sample(models / "inpainting", *options, "--no-paste", "--output", "whole") == 0
    pipeline = inpainting()
    given = pipeline.conditioning_of([picture], [mask])
    (expected,) = pipeline(image=given, num_inference_steps=2, generator=seeded(4)).images
    torch.testing.assert_close(pixels("whole/picture-2.png"), pixels(expected), rtol=0, atol=1)
    made, seen = halves("pasted/picture-2.png")
    torch.testing.assert_close(made, halves(expected)[0], rtol=0, atol=1)
    assert torch.equal(seen, halves(picture)[1])
    assert not torch.equal(halves("whole/picture-2.png")[1], seen)


def test_what_is_transparent_is_a_hole(models: Path) -> None:
    (picture,), mask = draw_pictures("picture.png"), draw_half("mask.png")
    assert sample(models / "inpainting", "--input", "picture.png", "--mask", "mask.png", "--output", "a") == 0
    picture.putalpha(mask.point(lambda value: 255 - value))
    picture.save("picture.png")
    assert sample(models / "inpainting", "--input", "picture.png", "--output", "b") == 0
    for name in ("picture.png", "picture-4.png"):
        torch.testing.assert_close(pixels(f"a/{name}"), pixels(f"b/{name}"), rtol=0, atol=1)


def test_a_sheet_shows_what_is_hidden_in_grey(models: Path) -> None:
    (picture,), _ = draw_pictures("picture.png"), draw_half("mask.png")
    options = ["--input", "picture.png", "--mask", "mask.png", "--count", "1"]
    assert sample(models / "inpainting", *options) == 0
    sheet = Image.open("samples.png")
    assert sheet.size == (2 * 18 - 2, 16)
    hidden, seen = halves(sheet.crop((0, 0, 16, 16)))
    assert hidden.unique().tolist() == [128]
    assert torch.equal(seen, halves(picture)[1])


def test_masks_of_a_folder_have_the_names_of_their_pictures_and_others_their_order(models: Path) -> None:
    draw_pictures("given/b.png", "given/a.png")
    draw_half("masks/a.png")
    draw_half("masks/b.gif").transpose(Image.Transpose.FLIP_LEFT_RIGHT).save("masks/b.gif")
    options = ["--input", "given", "--count", "1"]
    assert sample(models / "inpainting", *options, "--mask", "masks", "--output", "out") == 0
    for name, kept in (("a", 1), ("b", 0)):
        assert torch.equal(halves(f"out/{name}.png")[kept], halves(f"given/{name}.png")[kept])
        assert not torch.equal(halves(f"out/{name}.png")[1 - kept], halves(f"given/{name}.png")[1 - kept])
    in_order = ["--mask", "masks/a.png", "masks/b.gif", "--output", "again"]
    assert sample(models / "inpainting", *options, *in_order) == 0
    assert Path("again/b.png").read_bytes() == Path("out/b.png").read_bytes()


@pytest.mark.parametrize("output", ["picture.png", "mask.png", "folder/../picture.png", "link.png"])
def test_a_sheet_does_not_replace_what_it_is_made_of(models: Path, output: str, refuse: Refuse) -> None:
    draw_pictures("picture.png")
    draw_half("mask.png")
    Path("folder").mkdir()
    Path("link.png").symlink_to("mask.png")
    before = {name: Path(name).read_bytes() for name in written()}
    options = ["--input", "picture.png", "--mask", "mask.png", "--output", output]
    line = refuse("sample", "--model", models / "inpainting", *options)
    assert "would be replaced by what is made of it: choose another --output" in line
    assert {name: Path(name).read_bytes() for name in written()} == before


def test_names_that_are_no_utf_8_are_written_with_their_bytes_told(
    models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = os.fsdecode(b"caf\xe9.png")
    draw_pictures(name)
    for output in ("sheet.png", "out"):
        assert sample(models / "colouring", "--input", name, "--count", "1", "--output", output) == 0
    assert Image.open("sheet.png").text["Title"] == r"caf\udce9"
    assert Image.open("out/caf.png").text["Title"] == r"caf\udce9"
    assert r"1 each of caf\udce9; " in capsys.readouterr().out


def test_images_that_are_no_squares_are_restored_in_their_shape(tmp_path: Path) -> None:
    pipeline = inpainting()
    pipeline.unet.register_to_config(sample_size=[8, 12])
    pipeline.save_pretrained(tmp_path / "wide")
    (picture,), _ = draw_pictures("picture.png", size=(24, 16)), draw_half("mask.png", (24, 16))
    options = ["--input", "picture.png", "--mask", "mask.png", "--steps", "1", "--count", "1"]
    assert sample(tmp_path / "wide", *options, "--output", "out") == 0
    assert Image.open("out/picture.png").size == (24, 16)
    assert torch.equal(halves("out/picture.png")[1], halves(picture)[1])


def test_many_pictures_are_not_all_named(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    draw_pictures(*(f"given/{number:02}.png" for number in range(14)))
    assert sample(models / "colouring", "--input", "given", "--count", "1", "--output", "out") == 0
    assert capsys.readouterr().out.startswith("out: 1 each of 00, 01, ")
    assert len(list(Path("out").iterdir())) == 14


@pytest.mark.parametrize(
    ("task", "arguments", "message"),
    [
        ("super-resolution", [], "the model restores images: give the files of some as --input"),
        ("super-resolution", ["--input", "empty"], "no images in empty: looked for .apng"),
        (
            "colouring",
            ["--input", "one.png", "--mask", "mask.png"],
            "--mask is given, but the model takes none",
        ),
        (
            "colouring",
            ["--input", "one.png", "--no-paste"],
            "--no-paste is given, but there is nothing to put",
        ),
        (
            "inpainting",
            ["--mask", "mask.png"],
            "the model restores images: give the files of some as --input",
        ),
        (
            "inpainting",
            ["--input", "one.png"],
            "it is transparent nowhere; give --mask, an image that is white",
        ),
        (
            "inpainting",
            ["--input", "one.png", "--mask", "black.png"],
            "black.png is white nowhere; give --mask",
        ),
        (
            "inpainting",
            ["--input", "one.png", "--mask", "wide.png"],
            "has 30 × 20 pixels, expected 16 × 16 as",
        ),
        ("inpainting", ["--input", "one.png", "--mask", "empty"], "no images in empty"),
        (
            "inpainting",
            ["--input", "one.png", "--mask", "masks"],
            "has no mask of one.png: expected an image ca",
        ),
        (
            "inpainting",
            ["--input", "one.png", "one.png", "one.png", "--mask", "mask.png", "mask.png"],
            "--mask has 2 files for 3 pictures: give one for all, one for each in their order, or a folder",
        ),
        ("inpainting", ["--input", "one.png", "--mask", "none.png"], "no image file at none.png"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else value[:12],
)
def test_what_does_not_fit_is_one_line_that_says_what_to_do(
    models: Path, task: str, arguments: list[str], message: str, refuse: Refuse
) -> None:
    draw_pictures("one.png")
    draw_half("mask.png")
    draw_half("wide.png", (30, 20))
    draw_half("masks/two.png")
    Image.new("L", (16, 16)).save("black.png")
    Path("empty").mkdir()
    before = written()
    assert message in refuse("sample", "--model", models / task, *arguments)
    assert written() == before
