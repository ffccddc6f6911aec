"""Images from a shell: what is written, and that bad input is refused and nothing written then."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from PIL import Image

from priordiff import ImagePipeline
from priordiff.commands import main
from tests.pipelines.test_image import (
    CLASSES,
    CROSS,
    UNET,
    make_pipeline,
    make_unet,
    make_vae,
    quiet,
    seeded,
)
from tests.pipelines.test_image_restoration import super_resolution
from tests.refusals import Refuse


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a model of three classes, as a run has it."""
    folder = tmp_path_factory.mktemp("run")
    make_pipeline(num_inference_steps=2, task="class").save_pretrained(folder / "model")
    return folder


@pytest.fixture(scope="module")
def restorer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a model that makes images of 16 × 16 of images of 4 × 4."""
    folder = tmp_path_factory.mktemp("restorer")
    pipeline = super_resolution()
    pipeline.register_to_config(num_inference_steps=2)
    pipeline.save_pretrained(folder)
    return folder


@pytest.fixture(autouse=True)
def _in_a_new_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def sample(model: Path, *arguments: str) -> int:
    return main(["sample", "--model", str(model), *arguments])


def pixels(image: Image.Image | str | Path) -> torch.Tensor:
    opened = image if isinstance(image, Image.Image) else Image.open(image)
    return torch.from_numpy(np.array(opened.convert("RGB"))).float()


def written() -> list[str]:
    return sorted(str(path) for path in Path().rglob("*") if path.is_file())


def test_a_folder_gets_a_file_for_each_image_which_is_what_the_pipeline_makes(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sample(model, "--classes", "owl", "cat", "--count", "2", "--seed", "5", "--output", "new/") == 0
    assert written() == ["new/cat-2.png", "new/cat.png", "new/owl-2.png", "new/owl.png"]
    expected = make_pipeline(num_inference_steps=2)(["owl", "cat"], generator=seeded(6, 6)).images
    for name, image in zip(("owl", "cat"), expected, strict=True):
        # One in a batch of four is the same but for rounding.
        torch.testing.assert_close(pixels(f"new/{name}-2.png"), pixels(image), rtol=0, atol=1)
    assert Image.open("new/owl-2.png").text == {"Title": "owl", "seed": "6"}
    assert capsys.readouterr().out.startswith("new: 2 each of owl, cat; ")


def test_files_in_a_folder_are_kept(model: Path) -> None:
    for _ in range(2):
        assert sample(model, "--classes", "cat", "--count", "1", "--output", "images") == 0
    assert written() == ["images/cat-2.png", "images/cat.png"]
    assert Path("images/cat.png").read_bytes() == Path("images/cat-2.png").read_bytes()


def test_without_an_output_there_is_a_sheet_with_a_row_for_each_class(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        assert sample(model, "--count", "2") == 0
    assert written() == ["samples-2.png", "samples.png"]
    sheet = Image.open("samples.png")
    assert sheet.size == (2 * 18 - 2, 3 * 18 - 2)
    assert sheet.text["rows"] == ", ".join(CLASSES)
    assert sheet.text["seeds"] == "0, 1"
    assert sample(model, "--classes", "dog", "--count", "1", "--output", "dogs") == 0
    torch.testing.assert_close(pixels(sheet.crop((0, 18, 16, 34))), pixels("dogs/dog.png"), rtol=0, atol=1)
    assert "samples.png: 2 each of cat, dog, owl; " in capsys.readouterr().out


def test_steps_solver_guidance_and_seed_are_those_of_the_pipeline(model: Path) -> None:
    options = ["--steps", "3", "--solver", "unipc", "--guidance", "2.5", "--seed", "7"]
    assert sample(model, "--classes", "dog", "--count", "1", "--output", "out", *options) == 0
    (expected,) = make_pipeline()(
        ["dog"], num_inference_steps=3, solver="unipc", guidance_scale=2.5, generator=seeded(7)
    ).images
    torch.testing.assert_close(pixels("out/dog.png"), pixels(expected), rtol=0, atol=1)


def test_small_images_are_enlarged_and_stand_at_the_head_of_their_row(restorer: Path) -> None:
    for name, size in (("one", (4, 4)), ("two", (30, 20))):
        Image.effect_noise(size, 80).save(f"{name}.png")
    assert sample(restorer, "--input", "one.png", "two.png", "--count", "2", "--output", "sheet.png") == 0
    sheet = Image.open("sheet.png")
    assert sheet.size == (3 * 18 - 2, 2 * 18 - 2)
    given = Image.open("one.png").convert("RGB")
    head = sheet.crop((0, 0, 16, 16))
    assert torch.equal(pixels(head), pixels(given.resize((16, 16), Image.Resampling.NEAREST)))
    pipeline = super_resolution()
    image = pipeline.conditioning_of([given])
    (expected,) = pipeline(image=image, num_inference_steps=2, generator=seeded(1)).images
    torch.testing.assert_close(pixels(sheet.crop((36, 0, 52, 16))), pixels(expected), rtol=0, atol=1)


def test_texts_are_embedded_and_name_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def embedded(texts: list[str]) -> torch.Tensor:
        return torch.tensor([[float(len(text))] * 6 for text in texts])

    monkeypatch.setattr("priordiff.pipelines.image_arguments.default_sentence_encoder", lambda: embedded)
    unet = UNet2DConditionModel(**UNET, **CROSS, cross_attention_dim=6).eval()
    pipeline = ImagePipeline(unet, DDIMScheduler(), make_vae(), num_inference_steps=1, task="text")
    pipeline.save_pretrained(tmp_path / "model")
    prompts = ["a red heart/2", "owl"]
    assert sample(tmp_path, "--prompts", *prompts, "--count", "1", "--output", "out", "--guidance", "2") == 0
    assert written()[-2:] == ["out/a-red-heart-2.png", "out/owl.png"]
    images = quiet(pipeline)(text=embedded(prompts), generator=seeded(0, 0), guidance_scale=2.0).images
    torch.testing.assert_close(pixels("out/owl.png"), pixels(images[1]), rtol=0, atol=1)
    assert Image.open("out/a-red-heart-2.png").text["Title"] == "a red heart/2"


def test_long_names_are_cut_to_what_a_file_system_takes(tmp_path: Path) -> None:
    names = ["á" * 200, "á" * 201]
    unet = make_unet(3, 0, len(names) + 1)
    quiet(ImagePipeline(unet, DDIMScheduler(), classes=names, num_inference_steps=1)).save_pretrained(
        tmp_path / "model"
    )
    assert sample(tmp_path, "--count", "1", "--output", "out") == 0
    assert written()[-2:] == [f"out/{'á' * 100}-2.png", f"out/{'á' * 100}.png"]
    assert Image.open(written()[-2]).text["Title"] == names[1]


def test_of_many_classes_one_image_each_is_on_the_sheet(tmp_path: Path) -> None:
    names = [f"class {number}" for number in range(17)]
    unet = make_unet(3, 0, len(names) + 1)
    quiet(ImagePipeline(unet, DDIMScheduler(), classes=names, num_inference_steps=1)).save_pretrained(
        tmp_path / "model"
    )
    assert sample(tmp_path, "--output", "sheet.png") == 0
    assert Image.open("sheet.png").size == (8 * 10 - 2, 3 * 10 - 2)
    assert sample(tmp_path, "--classes", *names[:2], "--output", "sheet.png") == 0
    assert Image.open("sheet.png").size == (4 * 10 - 2, 2 * 10 - 2)


def test_images_of_nothing_are_made_of_a_seed_alone(tmp_path: Path) -> None:
    unconditional = quiet(ImagePipeline(make_unet(3, 0, None), DDIMScheduler(), num_inference_steps=1))
    unconditional.save_pretrained(tmp_path / "model")
    assert sample(tmp_path, "--count", "17", "--output", "sheet.png") == 0
    assert Image.open("sheet.png").size == (8 * 10 - 2, 3 * 10 - 2)
    assert sample(tmp_path, "--count", "1", "--output", "one") == 0
    assert written()[-2:] == ["one/sample.png", "sheet.png"]


def test_the_classes_are_listed_one_a_line(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sample(model, "--list") == 0
    assert capsys.readouterr().out.splitlines() == CLASSES
    assert not written()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--classes", "cow"], "there is no class 'cow': expected some of cat, dog, owl, or all"),
        (["--input", "one.png"], "--input is given, but the model takes none: its task is 'class'"),
        (["--prompts", "heart"], "--prompts is given, but the model takes none: its task is 'class'"),
        (["--count", "0"], "--count: 0, expected 1 to 10000"),
        (["--seed", "-1"], "--seed: -1, expected 0 to"),
        (["--steps", "2000"], "num_inference_steps=2000, expected 1 to 1000"),
        (["--solver", "euler"], "solver='euler', expected one of"),
        (["--guidance", "x"], "--guidance: x, expected 0 to 100"),
        (["--output", "sheet.jpg"], "the extension .jpg is unknown, expected .png"),
        (["--output", "/proc/new/"], "choose another --output"),
    ],
)
def test_bad_input_is_named_in_one_line_and_nothing_is_written(
    model: Path, arguments: list[str], message: str, refuse: Refuse
) -> None:
    assert message in refuse("sample", "--model", model, *arguments)
    assert not written()


def test_a_model_that_restores_images_says_what_it_needs(restorer: Path, refuse: Refuse) -> None:
    assert "give the files of some as --input" in refuse("sample", "--model", restorer)
    assert "--classes is given, but the model has none" in refuse(
        "sample", "--model", restorer, "--classes", "cat"
    )
    assert "the model has no classes to list" in refuse("sample", "--model", restorer, "--list")
    Path("text.png").write_text("no image")
    line = refuse("sample", "--model", restorer, "--input", "text.png")
    assert "text.png cannot be used as an image: its content is of no known image format" in line
    assert "nothing.png" in refuse("sample", "--model", restorer, "--input", "nothing.png")
    assert written() == ["text.png"]


def test_what_ends_in_the_middle_leaves_whole_files_alone(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save, calls = Image.Image.save, []

    def interrupted(self: Image.Image, path: Path, *arguments: object, **options: object) -> None:
        calls.append(path)
        if len(calls) == 2:
            Path(path).write_bytes(b"half")
            raise KeyboardInterrupt
        save(self, path, *arguments, **options)

    monkeypatch.setattr(Image.Image, "save", interrupted)
    assert sample(model, "--output", "images") == 130
    assert written() == ["images/cat.png"]
    assert pixels("images/cat.png").shape == (16, 16, 3)


def test_without_a_model_it_is_that_of_the_package() -> None:
    assert main(["sample", "--classes", "heart", "--steps", "1", "--output", "hearts"]) == 0
    assert written() == ["hearts/heart-2.png", "hearts/heart-3.png", "hearts/heart-4.png", "hearts/heart.png"]
    assert Image.open("hearts/heart.png").size == (64, 64)


def test_a_folder_without_a_model_is_named(tmp_path: Path, refuse: Refuse) -> None:
    line = refuse("sample", "--model", tmp_path)
    assert f"no trained model of images in {tmp_path}" in line
