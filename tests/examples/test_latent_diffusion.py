"""The latent diffusion example, in seconds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from diffusers import DiffusionPipeline

pytest.importorskip("efficientnet_lite_pytorch")

from latent_diffusion.__main__ import main
from latent_diffusion.configuration import CONFIGS, LatentDiffusionConfig, ModelName
from latent_diffusion.dataset import EncodedDataset
from latent_diffusion.degrading import reduced
from latent_diffusion.encoding import EncodedImages
from latent_diffusion.judging import CEILING_SCORES, NOISE_SCORES, scores_at
from latent_diffusion.network import make_scheduler
from latent_diffusion.tasks import TASKS
from priordiff import ImagePipeline, ResidualEstimator
from priordiff.experiments import read_scores
from priordiff.pipelines import Conditioning, enlarged
from priordiff.training import Draw, load_config, read_metrics
from tests.examples.tiny import as_overrides
from tests.refusals import last_error


@pytest.fixture(scope="module")
def experiment(tiny_images: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished experiment of both tasks."""
    output = tmp_path_factory.mktemp("experiment")
    models = "compare=[low-rank,isotropic,super-resolution/fourier]"
    assert main([*tiny_images, models, "--output", str(output)]) == 0
    return output


def runs_of(experiment: Path) -> list[Path]:
    return sorted(path for path in experiment.iterdir() if path.name.endswith("seed0"))


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_configuration_is_one(path: Path) -> None:
    assert load_config(LatentDiffusionConfig, path).task in TASKS


def test_one_command_trains_the_autoencoder_and_all_models_and_reports_on_them(experiment: Path) -> None:
    assert {path.name for path in experiment.iterdir()} == {
        "autoencoder",
        "encoded",
        "class-diagonal-seed0",
        "class-low-rank-seed0",
        "class-isotropic-seed0",
        "super-resolution-fourier-seed0",
        "report.html",
    }
    for run in runs_of(experiment):
        assert [row["step"] for row in read_metrics(run, "evaluation")] == [2, 3]
    page = (experiment / "report.html").read_text(encoding="utf-8")
    for expected in (
        "Images of a class",
        "Images from small ones",
        "prior alone",
        "Fréchet distance",
        "PSNR",
    ):
        assert expected in page


def test_every_model_has_all_measures_at_every_number_of_evaluations(experiment: Path) -> None:
    for run in runs_of(experiment):
        task = "psnr" if run.name.startswith("super") else "class_accuracy"
        for name in (scores_at(2), scores_at(3), NOISE_SCORES, CEILING_SCORES):
            scores = read_scores(run, name)
            assert {"frechet", "kernel", "precision", "recall", task} <= scores.keys()
        assert read_scores(run, NOISE_SCORES)["nll"] < 5
    plain, prior = (
        read_scores(experiment / f"class-{name}-seed0", NOISE_SCORES) for name in ("isotropic", "diagonal")
    )
    assert plain["nll"] != prior["nll"]


def test_models_of_one_task_differ_in_their_prior_alone(experiment: Path) -> None:
    configs = [
        load_config(LatentDiffusionConfig, run / "config.yaml")
        for run in runs_of(experiment)
        if run.name.startswith("class")
    ]
    assert {config.prior for config in configs} == {"diagonal", "low-rank", "isotropic"}
    assert len({json.dumps([str(config.unet), str(config.training)]) for config in configs}) == 1


def test_a_trained_model_loads_as_a_pipeline_with_its_estimator(experiment: Path) -> None:
    pipeline = DiffusionPipeline.from_pretrained(experiment / "class-low-rank-seed0" / "model")
    assert isinstance(pipeline, ImagePipeline)
    assert isinstance(pipeline.estimator, ResidualEstimator)
    pipeline.set_progress_bar_config(disable=True)
    images = pipeline(["square", "round"], num_inference_steps=2, guidance_scale=1.5).images
    assert [image.size for image in images] == [(16, 16)] * 2


def test_a_trained_model_takes_the_small_images_themselves(experiment: Path) -> None:
    run = experiment / "super-resolution-fourier-seed0"
    pipeline = DiffusionPipeline.from_pretrained(run / "model")
    pipeline.set_progress_bar_config(disable=True)
    images = torch.rand(2, 3, 16, 16) * 2 - 1
    assert (pipeline.config.task, pipeline.given_size) == ("super-resolution", (4, 4))
    given = pipeline.conditioning_of(reduced(images, 4))
    # As the images were encoded for the training.
    expected = pipeline.latent_space.encode(enlarged(reduced(images, 4), 4))
    torch.testing.assert_close(given, expected)
    assert pipeline(image=given, num_inference_steps=2).images[0].size == (16, 16)


def test_an_interrupted_experiment_goes_on(tiny_images: list[str], experiment: Path) -> None:
    models = "compare=[low-rank,isotropic,super-resolution/fourier]"
    assert main([*tiny_images, models, "--output", str(experiment), "--resume", "training.num_steps=4"]) == 0
    assert read_metrics(runs_of(experiment)[0], "evaluation")[-1]["step"] == 4


@pytest.mark.parametrize(
    "overrides",
    [
        {"space": "pixel", "scheduler.prediction_type": "epsilon", "prior": "fourier"},
        {"scheduler.prediction_type": "flow", "evaluation.solver": "null", "task": "unconditional"},
        {"network": "dit", "dit.layers": 1, "dit.heads": 2, "dit.head_channels": 8, "flip": True},
        {"scheduler.model_space": "centered", "task": "super-resolution", "prior": "diagonal"},
    ],
    ids=["pixels", "flow", "transformer", "centered"],
)
def test_other_spaces_networks_and_predictions_train_too(
    tiny_images: list[str], tmp_path: Path, overrides: dict[str, object]
) -> None:
    assert main([*tiny_images, *as_overrides({**overrides, "compare": "[]"}), "--output", str(tmp_path)]) == 0
    assert (tmp_path / "report.html").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--prior", "purple"], "prior is 'purple': expected one of isotropic"),
        (["task=speech"], "task is 'speech': expected one of class"),
        (["compare=[class/purple]"], "expected a list of isotropic"),
        (["autoencoder.folder=nowhere"], "nowhere holds no AutoencoderKL"),
        (["--data", "nowhere"], "nowhere"),
        (
            ["compare=[super-resolution/fourier]", "factor=3"],
            "factor is 3: expected a divisor of corpus.size, which is 16",
        ),
        (["evaluation.more_solvers=[euler]"], "more_solvers is ['euler']: expected a list of ddpm, ddim"),
        (["evaluation.report_images=0"], "report_images is 0: expected an integer of at least 1"),
        (["evaluation.more_inference_steps=[2000]"], "num_inference_steps=2000, expected 1 to 1000"),
        (
            ["scheduler.prediction_type=flow", "evaluation.solver=null", "evaluation.more_solvers=[ddim]"],
            "the solver 'ddim' can't sample what is trained with scheduler.prediction_type=flow",
        ),
    ],
)
def test_bad_input_is_one_line(
    tiny_images: list[str],
    tmp_path: Path,
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = [*tiny_images, "--output", str(tmp_path / "run"), *arguments]
    assert message in last_error(main, run, capsys)


def test_what_is_left_of_an_image_has_its_size_and_mean() -> None:
    images = torch.rand(2, 3, 16, 16) * 2 - 1
    small = reduced(images, 4)
    assert small.shape == (2, 3, 4, 4)
    torch.testing.assert_close(small.mean((2, 3)), images.mean((2, 3)))
    assert enlarged(small, 4).shape == images.shape


def test_a_draw_is_a_function_of_its_number_and_leaves_out_its_share_of_labels() -> None:
    samples, labels = torch.randn(4, 2, 3, 3), torch.arange(4)
    encoded = EncodedImages(samples, Conditioning(labels), tuple("abcd"))
    dataset = EncodedDataset([encoded, encoded.select(torch.arange(4))], 100, drop_labels=0.25)
    items = [dataset[Draw(1, number, 0)] for number in range(400)]
    assert torch.equal(dataset[Draw(1, 7, 0)]["noise"], items[7]["noise"])
    assert not torch.equal(items[8]["noise"], items[7]["noise"])
    assert 0.15 < sum(item["dropped"] for item in items) / 400 < 0.35
    levels = [item["level"] for item in items]
    assert 0 <= min(levels) < 10
    assert 90 <= max(levels) < 100


def test_names_of_models_may_leave_out_the_task() -> None:
    assert ModelName.of("fourier", "class") == ModelName.of("class/fourier", "unconditional")
    assert not ModelName.of("class/purple", "class").is_known
    assert make_scheduler(LatentDiffusionConfig(), has_prior=True).model_space == "white"
