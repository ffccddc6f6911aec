"""Models of images that go on under a prior from one that was trained with N(0, I), in seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import UNet2DModel

pytest.importorskip("efficientnet_lite_pytorch")
pytest.importorskip("peft")

from PIL import Image

from latent_diffusion.__main__ import main
from latent_diffusion.configuration import LatentDiffusionConfig, ModelName
from latent_diffusion.experiment import LatentDiffusionExperiment
from latent_diffusion.starting import start_from
from priordiff import ImagePipeline
from priordiff.commands import main as priordiff
from priordiff.fine_tuning import PriorAdapterMixin
from priordiff.training import load_config, read_metrics
from tests.examples.tiny import as_overrides
from tests.refusals import last_error

TUNINGS = ["fine-tuned", "lora"]
SHORT = ["fine_tuning.num_steps=3", "fine_tuning.evaluate_every=1", "fine_tuning.rank=2"]
COMPARED = "compare=[diagonal/fine-tuned,diagonal/lora,isotropic/fine-tuned,diagonal/warm-started]"


@pytest.fixture(scope="module")
def experiment(tiny_images: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished experiment with every tuning."""
    output = tmp_path_factory.mktemp("tuned")
    assert main([*tiny_images, *SHORT, COMPARED, "--output", str(output)]) == 0
    return output


def quality(run: Path, step: int) -> dict[str, float]:
    """What an evaluation during a training found."""
    (row,) = (row for row in read_metrics(run, "evaluation") if row["step"] == step)
    return {name: row[name] for name in ("frechet", "kernel")}


def pipeline_of(folder: Path) -> ImagePipeline:
    pipeline = ImagePipeline.from_pretrained(folder, low_cpu_mem_usage=False)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def images_of(pipeline: ImagePipeline, image: torch.Tensor | None = None) -> torch.Tensor:
    pipeline.set_progress_bar_config(disable=True)
    generator = torch.Generator().manual_seed(3)
    labels = None if image is not None else ["square", "round"]
    return pipeline(labels, image, generator=generator, output_type="pt").images


def test_what_they_go_on_from_is_trained_first_and_compared_too(experiment: Path) -> None:
    runs = {path.name for path in experiment.iterdir()} - {"autoencoder", "encoded", "report.html"}
    names = ("diagonal-fine-tuned", "diagonal-lora", "isotropic-fine-tuned", "diagonal-warm-started")
    tuned = {f"class-{name}-seed0" for name in names}
    assert runs == {"class-diagonal-seed0", "class-isotropic-seed0", *tuned}
    for run in runs:
        steps = [row["step"] for row in read_metrics(experiment / run, "evaluation")]
        assert steps == ([0, 1, 2, 3] if run in tuned else [2, 3])
    page = (experiment / "report.html").read_text(encoding="utf-8")
    assert "Going on from the model that was trained with N(0, I)" in page
    assert "steps until it is as good as class/diagonal in the end" in page


def test_before_any_step_a_model_is_the_one_that_it_goes_on_from(experiment: Path) -> None:
    start = quality(experiment / "class-isotropic-seed0", 3)
    control = experiment / "class-isotropic-fine-tuned-seed0"
    assert quality(control, 0) == pytest.approx(start, rel=1e-4)
    assert quality(control, 3) != pytest.approx(start, rel=1e-4)
    tuned, lora = (experiment / f"class-diagonal-{tuning}-seed0" for tuning in TUNINGS)
    assert quality(tuned, 0) == pytest.approx(quality(lora, 0), rel=1e-4)
    warm = quality(experiment / "class-diagonal-warm-started-seed0", 0)
    assert quality(tuned, 0) != pytest.approx(start, rel=1e-4)
    assert warm != pytest.approx(quality(tuned, 0), rel=1e-4)
    assert warm != pytest.approx(start, rel=1e-4)


def test_a_lora_learns_small_changes_of_the_weights_and_is_saved_with_them(experiment: Path) -> None:
    start, lora = (
        pipeline_of(experiment / f"class-{name}-seed0" / "model").unet.state_dict()
        for name in ("isotropic", "diagonal-lora")
    )
    assert list(start) == list(lora)
    changes = {name: lora[name] - start[name] for name in start}
    assert {name for name, change in changes.items() if name.endswith("bias") and change.any()} == set()
    change = changes["mid_block.resnets.0.conv1.weight"].flatten(1)
    assert change.any()
    assert torch.linalg.matrix_rank(change, rtol=1e-3) <= 2


@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        ("class/diagonal/fine-tuned", []),
        ("class/low-rank/lora", []),
        ("super-resolution/fourier/lora", ["scheduler.prediction_type=flow", "evaluation.solver=null"]),
    ],
)
def test_a_saved_model_gives_the_very_images_of_the_one_in_memory(
    name: str, overrides: list[str], tiny_images: list[str], tmp_path: Path
) -> None:
    model = ModelName.of(name, "class")
    arguments = [*overrides, *SHORT, f"task={model.task}", f"prior={model.prior}", "training.num_steps=1"]
    # Only what it goes on from.
    start = [*tiny_images, *arguments, "prior=isotropic", "compare=[]", "--output", str(tmp_path)]
    assert main(start) == 0
    overriding = [each for each in [*tiny_images, *arguments] if "=" in each]
    config = load_config(LatentDiffusionConfig, None, [*overriding, f"tuning={model.tuning}"])
    config.corpus.directory = tiny_images[1]
    tuned = LatentDiffusionExperiment(config, [0], tmp_path)
    data = tuned.prepare()
    (run,) = (run for run in tuned.runs() if run.model == model)
    task: Any = tuned.task(run, data)
    random = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in task.model.parameters():
            weight += 0.1 * torch.randn(weight.shape, generator=random)
    task.model.eval()
    given = torch.randn(2, 2, 8, 8, generator=random) if model.task == "super-resolution" else None
    images = images_of(task.pipeline(), given)
    task.save(tmp_path / "saved")
    loaded = pipeline_of(tmp_path / "saved")
    assert isinstance(loaded.unet, PriorAdapterMixin)
    assert isinstance(loaded.unet, UNet2DModel)
    assert torch.equal(images_of(loaded, given), images)


@pytest.mark.parametrize("tuning", TUNINGS)
def test_the_command_samples_the_same_images(experiment: Path, tuning: str, tmp_path: Path) -> None:
    run = experiment / f"class-diagonal-{tuning}-seed0"
    arguments = ["--classes", "square", "--seed", "3", "--count", "1", "--output", str(tmp_path / "out")]
    assert priordiff(["sample", "--model", str(run), *arguments]) == 0
    (file,) = (tmp_path / "out").iterdir()
    generator = [torch.Generator().manual_seed(3)]
    (expected,) = pipeline_of(run / "model")(["square"], generator=generator).images
    assert Image.open(file).tobytes() == expected.tobytes()


def test_they_go_on_where_they_were(tiny_images: list[str], experiment: Path) -> None:
    longer = [*SHORT, COMPARED, "fine_tuning.num_steps=4", "--output", str(experiment), "--resume"]
    assert main([*tiny_images, *longer]) == 0
    for tuning in TUNINGS:
        rows = read_metrics(experiment / f"class-diagonal-{tuning}-seed0", "evaluation")
        assert [row["step"] for row in rows] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("tuning", TUNINGS)
def test_a_model_of_one_s_own_goes_on_with_its_autoencoder(
    tuning: str, experiment: Path, tmp_path: Path
) -> None:
    initial = experiment / "class-isotropic-seed0"
    arguments = [
        "--config",
        str(initial / "config.yaml"),
        f"initial={initial}",
        "--prior",
        "diagonal",
        *SHORT,
    ]
    if tuning != "fine-tuned":  # as without a tuning
        arguments.append(f"tuning={tuning}")
    assert main([*arguments, "--output", str(tmp_path)]) == 0
    run = f"class-diagonal-{tuning}-seed0"
    assert {path.name for path in tmp_path.iterdir()} == {run, "encoded", "report.html"}
    assert quality(tmp_path / run, 0) == pytest.approx(quality(experiment / run, 0), rel=1e-4)


def test_a_start_with_other_classes_is_named(experiment: Path) -> None:
    config = load_config(LatentDiffusionConfig, experiment / "class-isotropic-seed0" / "config.yaml")
    expected = r"has 2 classes \(round, square\), and this corpus 5 classes \(a, b, c, d, …\)"
    with pytest.raises(ValueError, match=expected):
        start_from(experiment / "class-isotropic-seed0", config, torch.nn.Identity(), None, tuple("abcde"))


def test_a_start_that_does_not_fit_is_one_line(
    tiny_images: list[str], experiment: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("isotropic", "isotropic-fine-tuned", "diagonal")
    plain, control, prior = (experiment / f"class-{name}-seed0" for name in names)
    cases = {
        (f"initial={tmp_path}",): "no trained model of images in",
        (f"initial={prior}",): "was trained under the prior of a ClassMomentsEstimator",
        (f"initial={plain}", "task=super-resolution"): "was trained with task=class",
        (f"initial={plain}", "unet.channels=[16,32]"): "has other sizes: down_blocks.1",
        (f"initial={plain}", "network=dit"): "has a UNet2DModel where this configuration has a DiT",
        (f"initial={plain}", "space=pixel"): "was trained with space=latent",
        (f"initial={plain}", "corpus.size=32"): "has other sizes: sample_size is 16 here and 8 there",
        (
            f"initial={plain}",
            "tuning=warm-started",
            "scheduler.prediction_type=epsilon",
        ): "tuning=fine-tuned adapts any",
        (f"initial={control}", "tuning=warm-started"): "expected a network that isn't adapted",
        (f"initial={plain}", "autoencoder.folder=pretrained"): "autoencoder.folder=null takes that one",
    }
    for number, (overrides, message) in enumerate(cases.items()):
        arguments = [*overrides, "compare=[]", "--output", str(tmp_path / str(number))]
        assert message in last_error(main, [*tiny_images, *arguments], capsys)
        assert {path.name for path in (tmp_path / str(number)).glob("*")} <= {"encoded"}  # nothing is trained


@pytest.mark.parametrize(
    "overrides",
    [
        {"network": "dit", "dit.layers": 1, "dit.heads": 2, "dit.head_channels": 8, "tuning": "lora"},
        {"prior": "learned", "tuning": "fine-tuned", "compare": "[learned/lora]"},
        {"space": "pixel", "scheduler.prediction_type": "epsilon", "scheduler.model_space": "centered"},
    ],
    ids=["transformer", "learned prior", "centered pixels"],
)
def test_other_networks_and_priors_go_on_too(
    tiny_images: list[str], tmp_path: Path, overrides: dict[str, object]
) -> None:
    settings = as_overrides({"compare": "[]", "tuning": "fine-tuned", **overrides})
    assert main([*tiny_images, *SHORT, *settings, "--output", str(tmp_path)]) == 0
    names = {path.name for path in tmp_path.iterdir()}
    assert "class-isotropic-seed0" in names
    prior, tuning = overrides.get("prior", "diagonal"), overrides.get("tuning", "fine-tuned")
    assert isinstance(
        pipeline_of(tmp_path / f"class-{prior}-{tuning}-seed0" / "model").unet, PriorAdapterMixin
    )
