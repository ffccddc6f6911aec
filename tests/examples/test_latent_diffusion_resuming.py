"""What a finished experiment of the latent diffusion example refuses to go on with."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

pytest.importorskip("efficientnet_lite_pytorch")

from PIL import Image

from latent_diffusion.__main__ import main
from tests.examples.tiny import LATENT_DIFFUSION, as_overrides
from tests.refusals import last_error

MODELS = ["learned", "isotropic/fine-tuned"]
RUNS = ["class-diagonal-seed0", "class-isotropic-seed0", "class-learned-seed0", "class-learned-prior-seed0"]


@pytest.fixture(scope="module")
def arguments(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Of an experiment with all kinds of parts, on images and in a folder of its own."""
    images = shutil.copytree(pictures, tmp_path_factory.mktemp("copied") / "images")
    overrides: dict[str, object] = {
        **LATENT_DIFFUSION,
        "corpus.cache_directory": tmp_path_factory.mktemp("cache"),
        "compare": f"[{','.join(MODELS)}]",
        "fine_tuning.num_steps": 2,
        "autoencoder.perceptual_weight": 0,
        "evaluation.more_inference_steps": "[]",
    }
    output = tmp_path_factory.mktemp("experiment")
    arguments = ["--data", str(images), *as_overrides(overrides), "--output", str(output)]
    assert main(arguments) == 0
    return [*arguments, "--resume"]


def weights(arguments: list[str]) -> dict[Path, bytes]:
    output = Path(arguments[arguments.index("--output") + 1])
    return {path: path.read_bytes() for path in output.glob("*/model/**/*.safetensors")}


@pytest.mark.parametrize(
    ("override", "part", "learned"),
    [
        ("autoencoder.training.num_steps=4", "autoencoder", RUNS),
        ("estimator.training.num_steps=4", "class-learned-prior-seed0", RUNS[2:3]),
        ("training.num_steps=4", "class-isotropic-seed0", ["class-isotropic-fine-tuned-seed0"]),
    ],
)
def test_models_keep_what_they_have_learned_from(
    arguments: list[str], override: str, part: str, learned: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    before = weights(arguments)
    line = last_error(main, [*arguments, override], capsys)
    assert f"{part}, which is at step" in line
    named = line.partition("delete what has learned from that (")[2]
    assert all(f"{run}" in named for run in learned)
    assert weights(arguments) == before


def test_images_may_be_copied_anew_but_not_replaced(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    images = Path(arguments[arguments.index("--data") + 1])
    files = sorted(images.rglob("*.png"))
    for file in files:
        file.write_bytes(file.read_bytes())
    assert main(arguments) == 0
    before = weights(arguments)
    originals = {file: file.read_bytes() for file in files}
    for file in files:
        Image.new("RGB", (20, 16), (0, len(file.name), 0)).save(file)
    line = last_error(main, arguments, capsys)
    assert "autoencoder has learned from what has changed since then: training images; choose" in line
    assert weights(arguments) == before
    for file, content in originals.items():
        file.write_bytes(content)
    (images / "square").rename(images / "rectangle")
    assert "since then: training images" in last_error(main, arguments, capsys)
