from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch

pytest.importorskip("torchaudio")

from priordiff import TextToSpeechPipeline
from priordiff.pipelines import with_solver
from priordiff.search import ScheduleSearch, search_schedule, use_schedules
from tests.pipelines import test_solvers, test_text_to_speech, tiny

# Random networks make frames that no recording has.
pytestmark = pytest.mark.filterwarnings("ignore:log-mel frames range")


def spoken(pipeline: Any, **options: Any) -> torch.Tensor:
    return pipeline(phonemes=["_", "h", "ə", "l", "ˈoʊ", "."], seed=0, **options).mels[0]


def vocoded(pipeline: Any, **options: Any) -> torch.Tensor:
    return test_solvers.sample(pipeline, **options)


def speaking(**options: Any) -> TextToSpeechPipeline:
    return test_text_to_speech.make(has_vocoder=False, **options)


CASES = {"text to speech": (speaking, spoken), "vocoder": (test_solvers.make_vocoder, vocoded)}


def searched(pipeline: Any, solver: str, steps: int) -> ScheduleSearch:
    """A search whose last trial is the best."""
    count = iter(range(1000))
    return search_schedule(pipeline.scheduler, steps, lambda *_: -next(count), [solver], budget=30)


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> tuple[Any, Any]:
    return CASES[request.param]


def reloaded(pipeline: Any, folder: Path) -> Any:
    pipeline.save_pretrained(folder)
    loaded = diffusers.DiffusionPipeline.from_pretrained(folder)
    loaded.set_progress_bar_config(disable=True)
    return loaded


@pytest.mark.parametrize("solver", ["ddpm", "dpm++", "unipc"])
def test_a_pipeline_samples_with_what_was_found_before_and_after_it_is_saved(
    case: tuple[Any, Any], solver: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make, sample = case
    pipeline, by_hand, plain = make(solver="ddim"), make(), make(solver="ddim")
    best = searched(pipeline, solver, 4).best
    use_schedules(pipeline, [best])
    by_hand.scheduler = best.scheduler
    expected = sample(by_hand, num_inference_steps=4)
    assert torch.equal(sample(pipeline), expected)
    assert not torch.equal(sample(plain, num_inference_steps=4), expected)
    with caplog.at_level(logging.WARNING):
        loaded = reloaded(pipeline, tmp_path)
    assert not caplog.records
    assert torch.equal(sample(loaded), expected)
    assert torch.equal(sample(loaded, num_inference_steps=5), sample(plain, num_inference_steps=5))
    assert torch.equal(
        sample(loaded, num_inference_steps=4, solver="ddim"), sample(plain, num_inference_steps=4)
    )


def test_each_number_of_steps_has_a_schedule_of_its_own(case: tuple[Any, Any], tmp_path: Path) -> None:
    make, sample = case
    pipeline = make(num_inference_steps=3)
    trials = [searched(pipeline, solver, steps).best for solver, steps in (("unipc", 3), ("ddpm", 5))]
    use_schedules(pipeline, trials)
    assert pipeline.config.num_inference_steps == 3
    use_schedules(pipeline, trials, default_steps=5)
    loaded = reloaded(pipeline, tmp_path)
    assert torch.equal(sample(loaded), sample(pipeline, num_inference_steps=5))
    for trial in trials:
        by_hand = make()
        by_hand.scheduler = trial.scheduler
        steps = trial.num_inference_steps
        assert torch.equal(
            sample(loaded, num_inference_steps=steps), sample(by_hand, num_inference_steps=steps)
        )


def test_a_scheduler_that_is_assigned_takes_the_place_of_solver_and_schedules(
    case: tuple[Any, Any], tmp_path: Path
) -> None:
    make, sample = case
    pipeline, expected = make(solver="unipc"), make(solver="ddim")
    use_schedules(pipeline, [searched(pipeline, "dpm++", 4).best])
    pipeline.scheduler = with_solver(pipeline.scheduler, "ddim")
    assert pipeline.config.solver is None
    assert pipeline.config.schedules is None
    assert torch.equal(sample(pipeline), sample(expected, num_inference_steps=4))
    assert torch.equal(sample(reloaded(pipeline, tmp_path)), sample(pipeline))


def test_betas_of_a_call_come_before_what_was_found() -> None:
    vocoder, plain = test_solvers.make_vocoder(), test_solvers.make_vocoder()
    use_schedules(vocoder, [searched(vocoder, "unipc", 3).best])
    betas = [0.01, 0.1, 0.5]
    assert torch.equal(vocoded(vocoder, betas=betas), vocoded(plain, betas=betas))


def test_what_is_saved_is_strict_json(tmp_path: Path) -> None:
    pipeline = speaking()
    use_schedules(pipeline, [searched(pipeline, "dpm++", 3).best])
    pipeline.save_pretrained(tmp_path)

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    written = (tmp_path / "model_index.json").read_text(encoding="utf-8")
    assert "3" in json.loads(written, parse_constant=refuse)["schedules"]


@pytest.mark.parametrize(
    ("count", "default_steps", "message"),
    [(0, None, "trials is empty"), (1, 7, "default_steps=7, expected one of 3")],
)
def test_what_cannot_be_used_is_an_error(count: int, default_steps: int | None, message: str) -> None:
    pipeline = speaking()
    trials = [searched(pipeline, "unipc", 3).best][:count]
    with pytest.raises(ValueError, match=message):
        use_schedules(pipeline, trials, default_steps)
    assert pipeline.config.schedules is None


def test_a_pipeline_of_diffusers_is_told_to_take_the_scheduler() -> None:
    with pytest.raises(
        ValueError, match=r"StableDiffusionPipeline has no place .* pipeline.scheduler = trial"
    ):
        use_schedules(tiny.stable_diffusion(), [])
