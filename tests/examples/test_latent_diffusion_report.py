"""What the report of the latent diffusion example shows, and what is kept for it."""

from __future__ import annotations

import re
from collections import Counter
from functools import cached_property
from pathlib import Path

import pytest
import torch

pytest.importorskip("efficientnet_lite_pytorch")

from latent_diffusion.__main__ import main
from latent_diffusion.denoising import EVALUATIONS
from latent_diffusion.judging import CEILING_SCORES, Judge, scores_at
from latent_diffusion.order import one_of_each, spread
from latent_diffusion.sections import EvaluationConfig
from latent_diffusion.shown import Shown
from priordiff.experiments import read_scores

MODELS = ("diagonal", "isotropic")
CEILINGS: list[str] = []


@pytest.fixture(scope="module")
def experiment(tiny_images: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished experiment with a second solver, in as many evaluations as the strips have."""
    output = tmp_path_factory.mktemp("reported")
    evaluation = [f"evaluation.num_inference_steps={EVALUATIONS}", "evaluation.more_solvers=[unipc,ddim]"]
    compute = Judge.ceiling.func

    def counted(judge: Judge) -> dict[str, float]:
        CEILINGS.append(judge.config.task)
        return compute(judge)

    with pytest.MonkeyPatch.context() as patch:
        ceiling = cached_property(counted)
        ceiling.__set_name__(Judge, "ceiling")
        patch.setattr(Judge, "ceiling", ceiling)
        assert main([*tiny_images, *evaluation, "compare=[isotropic]", "--output", str(output)]) == 0
    return output


@pytest.fixture(scope="module")
def shown(experiment: Path) -> dict[str, Shown]:
    return {name: Shown.read(experiment / f"class-{name}-seed0") for name in MODELS}


@pytest.fixture(scope="module")
def page(experiment: Path) -> str:
    return (experiment / "report.html").read_text(encoding="utf-8")


def test_any_number_of_first_items_has_the_classes_in_their_shares() -> None:
    labels = [0] * 60 + [1] * 30 + [2] * 10
    order = spread(labels)
    assert sorted(order) == list(range(100))
    for count in (10, 20, 50):
        shares = Counter(labels[index] for index in order[:count])
        for label, size in Counter(labels).items():
            assert abs(shares[label] - size * count / 100) <= 1
    assert order == spread(labels)
    assert [index for index in order if labels[index] == 0] != list(range(60)), "shuffled within a class"


def test_items_of_all_classes_come_before_a_second_one_of_any() -> None:
    labels = [0, 0, 0, 1, 0, 1, 2]
    assert one_of_each(labels, 3) == [0, 3, 6]
    assert one_of_each(labels, 5) == [0, 3, 6, 1, 5]
    assert one_of_each(labels, 99) == [0, 3, 6, 1, 5, 2, 4]


def test_held_out_images_of_several_classes_are_shown(shown: dict[str, Shown], page: str) -> None:
    assert torch.equal(shown["diagonal"].rows, shown["isotropic"].rows)
    for model in MODELS:
        for group in ("held out", "prior, mean", "prior, std", "prior, sample", "evaluations, 2"):
            columns = re.findall(rf'alt="class/{model}, {group}, (\w+)"', page)
            assert len(columns) == 3
            assert set(columns) == {"round", "square"}


def test_the_standard_deviation_of_the_prior_is_shown_place_by_place(shown: dict[str, Shown]) -> None:
    assert torch.equal(shown["isotropic"].std, torch.ones(3, 8, 8))
    assert shown["diagonal"].std.shape == (3, 8, 8)
    assert shown["diagonal"].std.std() > 0


def test_strips_begin_with_the_prior_and_end_with_the_sample(shown: dict[str, Shown], page: str) -> None:
    for model, each in shown.items():
        assert each.states.shape == each.predictions.shape == (3, EVALUATIONS + 1, 3, 16, 16)
        ends = (
            (each.states[:, 0], each.noise),
            (each.predictions[:, 0], each.mean),
            (each.states[:, -1], each.samples[EVALUATIONS]),
            (each.predictions[:, -1], each.samples[EVALUATIONS]),
        )
        for first, second in ends:
            # Equal up to the rounding of another batch, and that to eight bits.
            assert (first.int() - second.int()).abs().max() <= 2
        strip = re.findall(rf'alt="\w+, class/{model}, predicted, (\w+)"', page)
        assert strip[: EVALUATIONS + 1] == ["prior", *map(str, range(1, EVALUATIONS + 1))]


def test_the_nearest_training_images_stand_beside_the_samples(shown: dict[str, Shown], page: str) -> None:
    for each in shown.values():
        assert each.neighbours is not None
        assert each.distances is not None
        assert each.neighbours.shape == each.distances.shape == (3, 3)
        assert (each.distances.diff(dim=1) >= 0).all()
    nearest = shown["diagonal"].distances
    assert nearest is not None
    assert f"{float(nearest[0, 0]):.2f} ×" in page


def test_other_solvers_are_judged_in_all_numbers_of_evaluations(experiment: Path, page: str) -> None:
    for model in MODELS:
        run = experiment / f"class-{model}-seed0"
        for steps in (2, EVALUATIONS):
            main_scores, others = (
                read_scores(run, scores_at(steps)),
                read_scores(run, scores_at(steps, "unipc")),
            )
            assert main_scores.keys() == others.keys()
            assert main_scores["kernel"] != others["kernel"]
        assert not (run / "evaluation" / f"{scores_at(2, 'ddim')}.json").exists(), "it is the main one"
        for solver in ("ddim", "unipc"):
            assert f"class/{model}, {solver}</th>" in page
    assert "Fréchet distance by solver and number of evaluations" in page


def test_no_solver_is_judged_twice() -> None:
    evaluation = EvaluationConfig(more_solvers=["unipc", "ddim", "unipc", "dpm++"])
    assert evaluation.other_solvers == ["unipc", "dpm++"]
    assert EvaluationConfig().other_solvers == []


def test_the_ceiling_is_found_once_and_kept_with_every_run(experiment: Path) -> None:
    assert CEILINGS == ["class"]
    ceilings = [read_scores(experiment / f"class-{model}-seed0", CEILING_SCORES) for model in MODELS]
    assert ceilings[0] == ceilings[1]
