"""How models of images go on from one that was trained with N(0, I): settings, starts and the report."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from diffusers import UNet2DModel

pytest.importorskip("efficientnet_lite_pytorch")
pytest.importorskip("peft")

from latent_diffusion.__main__ import main
from latent_diffusion.configuration import LatentDiffusionConfig, ModelName
from latent_diffusion.fine_tuning import add_lora, check_tuning, merged
from latent_diffusion.priors import PRIORS
from latent_diffusion.tuning_report import add_tunings
from priordiff.report import Report
from tests.refusals import last_error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tuning=purple"], "tuning is 'purple': expected one of fine-tuned, lora, warm-started, or null"),
        (["compare=[class/diagonal/purple]"], "perhaps with /fine-tuned or /lora or /warm-started"),
        ([f"compare=[{','.join([*PRIORS, *(f'{prior}/lora' for prior in PRIORS)])}]"], "at most 8 models"),
        (["fine_tuning.rank=0"], "rank is 0: expected an integer of at least 1"),
        (["fine_tuning.num_steps=0"], "num_steps is 0: expected an integer of at least 1"),
    ],
)
def test_bad_input_is_one_line(
    tiny_images: list[str],
    tmp_path: Path,
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = [*tiny_images, *arguments, "--output", str(tmp_path / "run")]
    assert message in last_error(main, run, capsys)


def test_without_peft_a_lora_is_refused_before_anything_is_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    check_tuning("fine-tuned")
    check_tuning(None)
    with pytest.raises(ImportError, match=r"priordiff\[fine-tuning\]"):
        check_tuning("lora")


def test_names_may_leave_out_the_task_before_a_tuning() -> None:
    expected = ModelName("class", "diagonal", "lora")
    assert ModelName.of("diagonal/lora", "class") == ModelName.of("class/diagonal/lora", "text") == expected
    assert (str(expected), expected.start) == ("class/diagonal/lora", ModelName("class", "isotropic"))
    assert not ModelName.of("lora", "class").is_known


def test_only_models_of_its_task_that_have_a_tuning_go_on_from_the_given_one() -> None:
    compared = ["diagonal", "isotropic/fine-tuned", "super-resolution/fourier/lora"]
    config = LatentDiffusionConfig(compare=compared, initial="somewhere")
    initials = {str(name): config.of(name).initial for name in config.names}
    assert initials == {
        "class/diagonal/fine-tuned": "somewhere",
        "class/diagonal": None,
        "class/isotropic/fine-tuned": "somewhere",
        "super-resolution/fourier/lora": None,
        "super-resolution/isotropic": None,
    }


def test_a_model_from_scratch_does_not_depend_on_how_others_go_on() -> None:
    config = LatentDiffusionConfig(compare=["isotropic/lora"])
    config.fine_tuning.num_steps = 7
    trainings = {str(name): config.of(name).training for name in config.names}
    assert trainings["class/isotropic/lora"].num_steps == 7
    assert trainings["class/diagonal"] == config.training
    assert config.of(ModelName("class", "diagonal")).fine_tuning == LatentDiffusionConfig().fine_tuning


def test_added_matrices_become_part_of_the_weights_of_a_copy() -> None:
    torch.manual_seed(0)
    blocks = {"down_block_types": ("AttnDownBlock2D",), "up_block_types": ("AttnUpBlock2D",)}
    network = UNet2DModel(8, block_out_channels=(8,), layers_per_block=1, norm_num_groups=2, **blocks).eval()
    plain = {name: weight.clone() for name, weight in network.state_dict().items()}
    x = torch.randn(2, 3, 8, 8)
    with torch.no_grad():
        before = network(x, 500).sample
        add_lora(network, rank=2)
        torch.testing.assert_close(network(x, 500).sample, before)
        trained = {name: weight for name, weight in network.named_parameters() if weight.requires_grad}
        assert all("lora_" in name for name in trained)
        for weight in trained.values():
            weight.normal_(std=0.1)
        expected = network(x, 500).sample
        assert not torch.allclose(expected, before)
        copied = merged(network)
        torch.testing.assert_close(copied(x, 500).sample, expected, rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(network(x, 500).sample, expected)
    assert list(copied.state_dict()) == list(plain)
    assert merged(copied) is copied


def test_the_report_says_after_how_many_steps_a_model_was_as_good(tmp_path: Path) -> None:
    curves = {
        "class/diagonal": [(100, 50.0), (200, 20.0)],
        "class/diagonal/fine-tuned": [(0, 40.0), (50, 30.0), (100, 10.0)],
        "class/isotropic/fine-tuned": [(0, 40.0), (100, 30.0)],
        "class/isotropic": [(200, 40.0)],
    }
    models: Any = {}
    for name, points in curves.items():
        directory = tmp_path / name
        directory.mkdir(parents=True, exist_ok=True)
        rows = ({"kind": "evaluation", "step": x, "seconds": 0, "frechet": y} for x, y in points)
        (directory / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        models[name] = [SimpleNamespace(directory=directory)]
    report = Report("Tunings", models=list(models))
    add_tunings(report, "class", models)
    table = report.html().split("<tbody>")[-1].split("</tbody>")[0]
    rows = [re.sub(r"(<[^>]*>|\s)+", " ", row).split() for row in table.split("</tr>")[:-1]]
    assert {row[0]: row[-1] for row in rows} == {
        "class/diagonal": "200",
        "class/diagonal/fine-tuned": "75",
        "class/isotropic/fine-tuned": "reached",
    }
    assert rows[-1][-2:] == ["not", "reached"]
    alone = Report("None")
    add_tunings(alone, "class", {"class/diagonal": models["class/diagonal"]})
    assert "Going on" not in alone.html()
