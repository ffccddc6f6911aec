"""Images of one's own, which are not OpenMoji's: few, of one class, of classes that are rare."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image

pytest.importorskip("efficientnet_lite_pytorch")

from latent_diffusion.__main__ import main
from latent_diffusion.configuration import CONFIGS, LatentDiffusionConfig
from latent_diffusion.judging import scores_at
from latent_diffusion.pictures import prepare_pictures
from latent_diffusion.references import Data, References
from priordiff.experiments import read_scores
from priordiff.experiments.pictures import ImagesConfig
from priordiff.training import load_config, read_metrics
from tests.examples.tiny import LATENT_DIFFUSION, TextLengths, as_overrides
from tests.refusals import last_error


def folder_of(path: Path, counts: dict[str, int]) -> Path:
    """Pictures of as many classes, each of another colour."""
    random = torch.Generator().manual_seed(0)
    for name, count in counts.items():
        (path / name).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            picture = Image.new("RGB", (16, 16), tuple(torch.randint(256, (3,), generator=random).tolist()))
            picture.paste((255, 255, 255), (0, 0, 4 + index % 8, 6))
            picture.save(path / name / f"{index}.png")
    return path


def arguments_for(data: Path, cache: Path, **overrides: object) -> list[str]:
    return [
        "--data",
        str(data),
        "--no-compare",
        *as_overrides({**LATENT_DIFFUSION, "corpus.cache_directory": cache, **overrides}),
    ]


def test_the_package_s_autoencoder_is_for_the_drawings_that_it_knows() -> None:
    def folder(*overrides: str) -> str | None:
        return load_config(LatentDiffusionConfig, CONFIGS / "demo.yaml", overrides).autoencoder_folder

    assert folder() == "pretrained"
    for others in ("corpus.directory=photographs", "corpus.dataset=FashionMNIST", "corpus.style=line"):
        assert folder(others) is None
    assert folder("initial=RUN") is None
    assert folder("autoencoder.folder=pretrained", "corpus.directory=photographs") == "pretrained"


def test_images_of_one_class_are_judged_as_a_set_alone(tmp_path: Path) -> None:
    data = folder_of(tmp_path / "data", {"all": 40})
    output = tmp_path / "output"
    assert main([*arguments_for(data, tmp_path / "cache"), "--output", str(output)]) == 0
    run = output / "class-diagonal-seed0"
    assert read_metrics(run, "evaluation")[-1].keys() >= {"frechet", "kernel"}
    scores = read_scores(run, scores_at(3))
    assert {"frechet", "near_training"} <= scores.keys()
    assert "class_accuracy" not in scores


def test_held_out_images_of_a_class_that_no_training_image_has_do_not_count_for_its_accuracy(
    tmp_path: Path,
) -> None:
    folder_of(tmp_path / "data", {"a": 8, "b": 8, "c": 8})
    training, _ = prepare_pictures(ImagesConfig(str(tmp_path / "data"), size=32), with_lines=False)
    labels = training.images.labels
    rows = {name: (labels == label).nonzero().flatten().tolist() for label, name in enumerate("abc")}
    known = training.select([*rows["a"][:4], *rows["b"][:4]])
    references = References(known, training.select([*rows["a"][4:], *rows["c"]]), 100)
    held_out = references.of_validation.values
    count = len(held_out)
    of_a = len(rows["a"][4:])
    every = references.class_accuracy(held_out, torch.arange(count))
    assert every == references.class_accuracy(held_out[:of_a], torch.arange(of_a))
    assert references.class_accuracy(held_out[of_a:], torch.arange(of_a, count)) == {}


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({"a": 6, "b": 6}, "held-out images for the task class: expected at least 4"),
        ({"a": 2, "b": 1}, "training images for the task class: expected at least 4"),
    ],
)
def test_too_few_images_are_refused_before_any_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], counts: dict[str, int], message: str
) -> None:
    data, output = folder_of(tmp_path / "data", counts), tmp_path / "output"
    arguments = [*arguments_for(data, tmp_path / "cache"), "--output", str(output)]
    assert message in last_error(main, arguments, capsys)
    assert not (output / "autoencoder").exists()


def test_too_few_samples_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = folder_of(tmp_path / "data", {"a": 20, "b": 20})
    arguments = arguments_for(data, tmp_path / "cache", **{"evaluation.final_images": 3})
    line = last_error(main, [*arguments, "--output", str(tmp_path / "output")], capsys)
    assert "final_images is 3: expected an integer of at least 4" in line


def test_a_missing_package_is_named_before_any_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> None:
        raise ImportError("needed for captions")

    monkeypatch.setattr("latent_diffusion.encoding.default_sentence_encoder", missing)
    data, output = folder_of(tmp_path / "data", {"a": 20, "b": 20}), tmp_path / "output"
    arguments = [*arguments_for(data, tmp_path / "cache"), "task=text", "network=unet-condition"]
    line = last_error(main, [*arguments, "--prior", "learned", "--output", str(output)], capsys)
    assert "needed for captions" in line
    assert not (output / "autoencoder").exists()


def test_captions_without_classes_are_enough_for_texts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("latent_diffusion.encoding.default_sentence_encoder", TextLengths)
    data = folder_of(tmp_path / "data", {"all": 40})
    for file in (data / "all").iterdir():
        shutil.move(file, data / file.name)
    (data / "all").rmdir()
    lines = [f'{{"file_name": "{file.name}", "text": "picture {file.stem}"}}' for file in data.iterdir()]
    (data / "metadata.jsonl").write_text("\n".join(lines), encoding="utf-8")
    arguments = [*arguments_for(data, tmp_path / "cache"), "task=text", "network=unet-condition"]
    output = tmp_path / "output"
    assert main([*arguments, "--prior", "learned", "--output", str(output)]) == 0
    assert "class_accuracy" not in read_scores(output / "text-learned-seed0", scores_at(3))


def test_what_is_known_of_the_images_is_computed_once(tmp_path: Path) -> None:
    folder_of(tmp_path / "data", {"a": 30, "b": 30})
    data = Data(*prepare_pictures(ImagesConfig(str(tmp_path / "data"), size=32), with_lines=False), 100)
    features = data.all.of_validation
    assert features is data.all.of_validation
    assert features.radii is features.radii
    assert features.spread is features.spread
