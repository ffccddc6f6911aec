from __future__ import annotations

from pathlib import Path

import pytest
import torch

from priordiff.audio import make_corpus
from tests.examples.tiny import LATENT_DIFFUSION, TRAINING, TextLengths, as_overrides

SENTENCES = [
    "The birch canoe slid on the smooth planks.",
    "Glue the sheet to the dark blue background.",
    "It is easy to tell the depth of a well.",
    "Rice is often served in round bowls.",
]


@pytest.fixture(scope="session")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with four spoken sentences."""
    return make_corpus(tmp_path_factory.mktemp("speech"), SENTENCES)


@pytest.fixture(scope="session")
def tiny(speech: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Arguments for an experiment of seconds, without an output folder."""
    overrides = {
        **TRAINING,
        "corpus.cache_directory": tmp_path_factory.mktemp("cache"),
        "corpus.crop_frames": 8,
        "prior": "spectral",
        "compare": "[energy,isotropic]",
        "network": "frames",
        "twins": "null",
        "evaluation.solver": "null",
        "frame_model.channels": 16,
        "frame_model.layers": 1,
        "estimator.channels": 8,
        "estimator.layers": 1,
        "estimator.training.num_steps": 2,
        "estimator.training.batch_size": 2,
        "estimator.training.log_every": 1,
        "estimator.training.checkpoint_every": 1,
        "estimator.training.lr_warmup_steps": 0,
        "estimator.training.mixed_precision": "no",
        "estimator.training.trackers": "[]",
        "model.residual_channels": 8,
        "model.residual_layers": 2,
        "model.block_size": 64,
        "training.num_steps": 4,
        "evaluation.num_inference_steps": 2,
        "evaluation.report_utterances": 1,
        "evaluation.max_seconds": 0.5,
    }
    return ["--data", str(speech), *as_overrides(overrides)]


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with images of two classes, each of another colour."""
    image = pytest.importorskip("PIL.Image")
    directory, random = tmp_path_factory.mktemp("images"), torch.Generator().manual_seed(0)
    for index in range(24):
        colour = torch.randint(0, 256, (3,), generator=random).tolist()
        picture = image.new("RGB", (20, 16), tuple(colour))
        picture.paste((255, 255, 255), (0, 0, 8, 8 + index % 8))
        file = directory / ("round", "square")[index % 2] / f"{index}.png"
        file.parent.mkdir(exist_ok=True)
        picture.save(file)
    return directory


@pytest.fixture(scope="session")
def tiny_images(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Arguments for an experiment on images of seconds, without an output folder."""
    cache = tmp_path_factory.mktemp("cache")
    return ["--data", str(pictures), *as_overrides({**LATENT_DIFFUSION, "corpus.cache_directory": cache})]


@pytest.fixture
def _texts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence encoder has tests of its own."""
    monkeypatch.setattr("latent_diffusion.encoding.default_sentence_encoder", TextLengths)


@pytest.fixture(scope="module", autouse=True)
def _without_slow_measures() -> object:
    """PESQ and the estimated MOS have tests of their own, which the same process may run later."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("priordiff.audio.metrics.evaluation.find_spec", lambda name: None)
        yield
