"""The autoencoder of the latent diffusion example, and the perceptual term of its loss."""

from __future__ import annotations

import logging
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL

pytest.importorskip("efficientnet_lite_pytorch")

from latent_diffusion.__main__ import main
from latent_diffusion.autoencoding import AutoencoderTask
from latent_diffusion.configuration import LatentDiffusionConfig
from latent_diffusion.experiment import LatentDiffusionExperiment
from latent_diffusion.perceptual import PerceptualTerm, decide_perceptual_weight
from latent_diffusion.sections import AutoencoderConfig
from priordiff.experiments.pictures import prepare_images
from priordiff.images import ImageCorpus
from priordiff.training import Draw, load_config, read_metrics
from tests.examples.tiny import LATENT_DIFFUSION, as_overrides


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory, pictures: Path) -> LatentDiffusionConfig:
    more = {
        "corpus.directory": pictures,
        "corpus.cache_directory": tmp_path_factory.mktemp("cache"),
        "corpus.size": 32,
        "autoencoder.norm_groups": 4,
    }
    return load_config(LatentDiffusionConfig, overrides=as_overrides({**LATENT_DIFFUSION, **more}))


@pytest.fixture(scope="module")
def corpora(config: LatentDiffusionConfig) -> tuple[ImageCorpus, ImageCorpus]:
    return prepare_images(config.corpus)


def weighted(config: LatentDiffusionConfig, weight: float | None) -> LatentDiffusionConfig:
    return replace(config, autoencoder=replace(config.autoencoder, perceptual_weight=weight))


def losses(task: AutoencoderTask, step: int = 0, size: int = 8) -> dict[str, torch.Tensor]:
    draws = [Draw(number % len(task.dataset), number, 0) for number in range(step * size, (step + 1) * size)]
    batch = task.collate([task.dataset[draw] for draw in draws])
    counts = task.loss_counts(batch)
    sums = task.loss_sums(task.model, batch, [draw.generator("noise") for draw in draws])
    assert sums.keys() == counts.keys()
    return {name: sums[name] / counts[name] for name in sums}


def trained(
    config: LatentDiffusionConfig, corpora: tuple[ImageCorpus, ImageCorpus], steps: int
) -> AutoencoderTask:
    task = AutoencoderTask(config, *corpora)
    optimizer = torch.optim.Adam(task.model.parameters(), lr=3e-3)
    for step in range(steps):
        loss = sum(losses(task, step).values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return task


def test_gradients_of_the_perceptual_term_reach_the_autoencoder_and_not_the_network(
    config: LatentDiffusionConfig, corpora: tuple[ImageCorpus, ImageCorpus]
) -> None:
    task = AutoencoderTask(weighted(config, 0.5), *corpora)
    loss = losses(task)
    assert set(loss) == {"reconstruction", "kl", "perceptual"}
    loss["perceptual"].backward()
    gradients = {name: parameter.grad for name, parameter in task.model.named_parameters()}
    assert all(gradient is not None and gradient.isfinite().all() for gradient in gradients.values())
    assert float(gradients["vae.decoder.conv_out.weight"].abs().max()) > 0
    assert float(gradients["vae.encoder.conv_in.weight"].abs().max()) > 0
    # Nothing of the network is trained, averaged or saved.
    assert all(name.startswith("vae.") for name in gradients)


def test_the_perceptual_term_is_weighted_and_may_be_left_out(
    config: LatentDiffusionConfig, corpora: tuple[ImageCorpus, ImageCorpus]
) -> None:
    none, half, whole = (losses(AutoencoderTask(weighted(config, each), *corpora)) for each in (0, 0.5, 1))
    assert set(none) == {"reconstruction", "kl"}
    torch.testing.assert_close(2 * half["perceptual"], whole["perceptual"])
    torch.testing.assert_close(none["reconstruction"], whole["reconstruction"])


def test_with_the_term_reconstructions_look_more_like_the_images(
    config: LatentDiffusionConfig, corpora: tuple[ImageCorpus, ImageCorpus]
) -> None:
    tasks = [trained(weighted(config, weight), corpora, steps=40) for weight in (0.0, 1.0)]
    distances = []
    for task in tasks:
        task.perceptual = task.perceptual or PerceptualTerm(config.corpus.size)
        task.model.eval()
        with torch.no_grad():
            distances.append(task.evaluate(40).metrics["perceptual"])
    without, with_it = distances
    assert with_it < 0.9 * without


def test_a_broken_reconstruction_is_found_by_its_loss(
    config: LatentDiffusionConfig, corpora: tuple[ImageCorpus, ImageCorpus]
) -> None:
    task = AutoencoderTask(weighted(config, 1.0), *corpora)
    torch.nn.init.constant_(task.model.vae.decoder.conv_out.bias, float("nan"))
    loss = losses(task)
    assert loss["reconstruction"].isnan()
    assert loss["perceptual"].isfinite()


def test_the_weight_is_decided_by_what_is_installed(
    config: LatentDiffusionConfig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def decided(weight: float | None) -> float | None:
        return decide_perceptual_weight(weighted(config, weight)).autoencoder.perceptual_weight

    assert [decided(weight) for weight in (None, 0.0, 0.3)] == [0.1, 0.0, 0.3]
    monkeypatch.setattr("latent_diffusion.perceptual.find_spec", lambda package: None)
    with caplog.at_level(logging.INFO):
        assert [decided(weight) for weight in (None, 0.0)] == [0.0, 0.0]
    assert caplog.text.count("has no perceptual term, for which there is pip install 'priordiff[image-m") == 1
    message = (
        r"perceptual_weight is 0\.3, but efficientnet_lite_pytorch and .* pip install 'priordiff\[image-m"
    )
    with pytest.raises(ImportError, match=message):
        decided(0.3)


@pytest.mark.parametrize("weight", [-0.1, float("inf"), float("nan")])
def test_a_weight_below_0_or_infinite_is_refused(weight: float) -> None:
    with pytest.raises(
        ValueError, match=r"perceptual_weight is .*: expected a number of at least 0, or null"
    ):
        AutoencoderConfig(perceptual_weight=weight)


def test_the_weight_is_stored_with_the_run_of_the_autoencoder_alone(
    config: LatentDiffusionConfig, tmp_path: Path
) -> None:
    autoencoder, model, *_ = LatentDiffusionExperiment(config, [0], tmp_path).runs()
    assert autoencoder.config.autoencoder.perceptual_weight == 0.1
    assert autoencoder.training is autoencoder.config.autoencoder.training
    assert model.config.autoencoder.perceptual_weight is None


def test_the_losses_are_told_and_a_run_with_the_term_goes_on(tiny_images: list[str], tmp_path: Path) -> None:
    def run(*arguments: str) -> int:
        return main([*tiny_images, "compare=[]", *arguments, "--output", str(tmp_path)])

    assert run("autoencoder.training.log_every=1", "autoencoder.training.checkpoint_every=2") == 0
    rows: list[dict[str, Any]] = read_metrics(tmp_path / "autoencoder", "train")
    assert all({"loss/reconstruction", "loss/kl", "loss/perceptual"} <= row.keys() for row in rows)
    assert {"psnr", "perceptual"} <= read_metrics(tmp_path / "autoencoder", "evaluation")[-1].keys()
    names = {path.name for path in (tmp_path / "autoencoder" / "model").iterdir()}
    assert names == {"config.json", "diffusion_pytorch_model.safetensors"}
    exported = AutoencoderKL.from_pretrained(tmp_path / "autoencoder" / "model")
    assert not any("backbone" in name for name in exported.state_dict())
    shutil.rmtree(tmp_path / "class-diagonal-seed0")  # it has learned in other latents
    options = ["autoencoder.training.log_every=1", "autoencoder.training.checkpoint_every=2", "--resume"]
    assert run(*options, "autoencoder.training.num_steps=4") == 0
    assert read_metrics(tmp_path / "autoencoder", "train")[-1]["step"] == 4
