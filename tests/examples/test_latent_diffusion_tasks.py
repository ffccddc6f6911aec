"""The tasks of the latent diffusion example, each trained for seconds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import DiffusionPipeline, UNet2DConditionModel

pytest.importorskip("efficientnet_lite_pytorch")

from latent_diffusion.__main__ import main
from latent_diffusion.configuration import LatentDiffusionConfig
from latent_diffusion.degrading import Originals, with_hole
from latent_diffusion.encoding import EncodedImages
from latent_diffusion.estimation import fit_estimator, make_estimator
from latent_diffusion.judging import CEILING_SCORES, NOISE_SCORES, scores_at
from latent_diffusion.priors import priors_of
from latent_diffusion.tasks import TASKS
from priordiff import (
    ClassMomentsEstimator,
    ImagePipeline,
    InpaintingEstimator,
    LearnedImageEstimator,
    ResidualEstimator,
)
from priordiff.commands import main as priordiff
from priordiff.experiments import read_scores
from priordiff.pipelines import Conditioning, encode_seen
from priordiff.training import load_config, read_metrics
from tests.examples.tiny import TEXT_FEATURES, as_overrides


@pytest.fixture(scope="module")
def restored(tiny_images: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished experiment of the tasks that have an image."""
    output = tmp_path_factory.mktemp("restored")
    models = "compare=[learned,isotropic,colouring/learned,class/learned]"
    arguments = ["task=inpainting", "prior=low-rank", models, "inpainting.holes=2", "--output", str(output)]
    assert main([*tiny_images, *arguments]) == 0
    return output


def test_a_prior_that_is_learned_is_trained_before_its_model(restored: Path) -> None:
    assert {path.name for path in restored.iterdir()} == {
        "autoencoder",
        "encoded",
        "inpainting-low-rank-seed0",
        "inpainting-learned-prior-seed0",
        "inpainting-learned-seed0",
        "inpainting-isotropic-seed0",
        "colouring-learned-prior-seed0",
        "colouring-learned-seed0",
        "class-learned-prior-seed0",
        "class-learned-seed0",
        "report.html",
    }
    part = restored / "inpainting-learned-prior-seed0"
    assert "nll" in read_metrics(part, "evaluation")[-1]
    learned = LearnedImageEstimator.from_pretrained(part / "model")
    pipeline = DiffusionPipeline.from_pretrained(restored / "inpainting-learned-seed0" / "model")
    image = torch.randn(2, 3, 8, 8)
    assert torch.equal(pipeline.estimator(image).std, learned(image).std)


def test_moments_of_classes_are_shrunk_as_configured() -> None:
    labels = torch.arange(6) % 3
    data = EncodedImages(torch.randn(6, 2, 4, 4), Conditioning(labels=labels), tuple("abcdef"))
    config = load_config(LatentDiffusionConfig, overrides=["estimator.shrinkage=4"])
    estimator = fit_estimator(config, [data], 3)
    assert isinstance(estimator, ClassMomentsEstimator)
    own, everyone = data.samples[labels == 1].mean(0), data.samples.mean(0)
    torch.testing.assert_close(estimator.mean[1], (2 * own + 4 * everyone) / 6)
    low_rank = make_estimator(replace(config, prior="low-rank"), data, 3)
    assert isinstance(low_rank, ResidualEstimator)
    assert low_rank.mean_estimator.config.shrinkage == 4


def test_what_is_hidden_has_its_conditional_prior(restored: Path) -> None:
    pipeline = DiffusionPipeline.from_pretrained(restored / "inpainting-low-rank-seed0" / "model")
    assert isinstance(pipeline, ImagePipeline)
    assert isinstance(pipeline.estimator, InpaintingEstimator)
    pipeline.set_progress_bar_config(disable=True)
    image = torch.cat([torch.randn(2, 2, 8, 8), torch.ones(2, 1, 8, 8)], dim=1)
    assert [each.size for each in pipeline(image=image, num_inference_steps=2).images] == [(16, 16)] * 2


@pytest.mark.parametrize("run", ["inpainting-low-rank-seed0", "colouring-learned-seed0"])
def test_trained_models_restore_a_folder_of_pictures_from_a_shell(
    restored: Path, tmp_path: Path, run: str
) -> None:
    image = pytest.importorskip("PIL.Image")
    (tmp_path / "given").mkdir()
    for name, colour in (("red", "red"), ("blue", "blue")):
        image.new("RGB", (20, 20), colour).save(tmp_path / "given" / f"{name}.png")
    mask = image.new("L", (20, 20))
    mask.paste(255, (0, 0, 10, 20))
    mask.save(tmp_path / "mask.png")
    options = ["--mask", str(tmp_path / "mask.png")] if run.startswith("inpainting") else []
    given = ["--input", str(tmp_path / "given"), "--count", "1", "--output", str(tmp_path / "out")]
    assert priordiff(["sample", "--model", str(restored / run), *given, *options]) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["blue.png", "red.png"]


def test_a_trained_model_takes_images_and_masks_as_it_was_trained(
    restored: Path, tiny_images: list[str]
) -> None:
    pipeline = DiffusionPipeline.from_pretrained(restored / "inpainting-low-rank-seed0" / "model")
    images = torch.rand(2, 3, 16, 16) * 2 - 1
    config = load_config(LatentDiffusionConfig, restored / "inpainting-low-rank-seed0" / "config.yaml")
    left = with_hole(Originals(images, ("a", "b")), config, 0)
    assert left.hidden is not None
    given = pipeline.conditioning_of(images, left.hidden)
    margin = config.inpainting.margin
    assert torch.equal(given, encode_seen(pipeline.latent_space, left.images, left.hidden, margin))


def test_the_report_shows_what_is_given(restored: Path) -> None:
    page = (restored / "report.html").read_text(encoding="utf-8")
    for expected in ("Images from a part of them", "Coloured images from lines or grey", "PSNR"):
        assert expected in page
    for model in ("inpainting/low-rank", "colouring/learned"):
        for row in ("given", "true image", "prior, mean", "prior, std", "prior, sample", "evaluations, 3"):
            assert f'alt="{model}, {row}, square"' in page
    assert 'alt="class/learned, held out, square"' in page
    for run in ("inpainting-low-rank-seed0", "colouring-learned-seed0"):
        assert {"psnr", "perceptual", "frechet"} <= read_scores(restored / run, scores_at(3)).keys()
        assert read_scores(restored / run, NOISE_SCORES)["nll"] < 5


def test_what_was_hidden_is_judged_alone(restored: Path) -> None:
    run = restored / "inpainting-low-rank-seed0"
    for name in (scores_at(2), scores_at(3), NOISE_SCORES, CEILING_SCORES):
        scores = read_scores(run, name)
        assert scores["psnr_hidden"] != scores["psnr"]
    assert read_metrics(run, "evaluation")[-1].keys() >= {"psnr_hidden", "perceptual"}
    assert "psnr_hidden" not in read_scores(restored / "colouring-learned-seed0", scores_at(3))
    assert "PSNR of the hidden part" in (restored / "report.html").read_text(encoding="utf-8")


@pytest.mark.usefixtures("_texts")
@pytest.mark.parametrize("space", ["latent", "pixel"])
def test_images_are_made_from_texts(tiny_images: list[str], tmp_path: Path, space: str) -> None:
    arguments = ["task=text", "prior=learned", "compare=[isotropic]", "network=unet-condition"]
    assert main([*tiny_images, *arguments, f"space={space}", "--output", str(tmp_path)]) == 0
    pipeline = DiffusionPipeline.from_pretrained(tmp_path / "text-learned-seed0" / "model")
    assert isinstance(pipeline.unet, UNet2DConditionModel)
    assert pipeline.unet.config.cross_attention_dim == TEXT_FEATURES
    pipeline.set_progress_bar_config(disable=True)
    made = pipeline(text=torch.eye(TEXT_FEATURES)[:2], guidance_scale=2.0, num_inference_steps=2)
    assert len(made.images) == 2
    assert "class_accuracy" in read_scores(tmp_path / "text-learned-seed0", scores_at(3))
    assert "Images from a text" in (tmp_path / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "overrides",
    [
        {"task": "inpainting", "prior": "low-rank", "space": "pixel"},
        {"task": "inpainting", "prior": "fourier", "flip": True, "inpainting.fill": "grey"},
        {"task": "colouring", "prior": "diagonal", "space": "pixel"},
        {"task": "super-resolution", "prior": "learned", "space": "pixel"},
        {"task": "class", "prior": "learned", "network": "unet-condition"},
    ],
    ids=lambda overrides: "-".join(map(str, overrides.values())),
)
def test_every_task_works_in_both_spaces(
    tiny_images: list[str], tmp_path: Path, overrides: dict[str, object]
) -> None:
    arguments = as_overrides({**overrides, "compare": "[]"})
    assert main([*tiny_images, *arguments, "--output", str(tmp_path)]) == 0
    assert (tmp_path / "report.html").is_file()


def test_a_text_needs_a_network_and_a_prior_that_take_it() -> None:
    assert priors_of(TASKS["text"]) == ["isotropic", "learned"]
    assert "learned" not in priors_of(TASKS["unconditional"])
    with pytest.raises(ValueError, match="network is 'unet': expected unet-condition, which alone takes"):
        LatentDiffusionConfig(task="text", prior="learned")
    with pytest.raises(ValueError, match="network is 'unet': expected unet-condition"):
        LatentDiffusionConfig(compare=["text/isotropic"])
    with pytest.raises(ValueError, match="prior is 'fourier': expected one of isotropic, learned for"):
        LatentDiffusionConfig(task="text", prior="fourier", network="unet-condition")
    mixed = LatentDiffusionConfig(network="unet-condition", compare=["low-rank", "text/learned"])
    assert [mixed.of(name).compare for name in mixed.names] == [[], [], []]
