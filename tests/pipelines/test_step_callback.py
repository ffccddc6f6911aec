"""What a pipeline of images shows at the end of each step, and what it takes back."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from diffusers.callbacks import PipelineCallback
from torch import Tensor

from priordiff.pipelines import SOLVERS
from tests.pipelines.test_image import make_pipeline, sample, seeded

BOTH = ["latents", "pred_original_sample"]


class Recorder:
    """Keeps what a pipeline shows."""

    def __init__(self) -> None:
        self.steps: list[tuple[int, float]] = []
        self.tensors: list[dict[str, Tensor]] = []

    def __call__(self, pipeline: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        self.steps.append((step, float(timestep)))
        self.tensors.append(dict(tensors))
        return tensors


@pytest.mark.parametrize("solver", [None, *SOLVERS])
def test_every_state_is_shown_and_changes_nothing(solver: str | None) -> None:
    pipeline, recorder = make_pipeline(num_inference_steps=4, solver=solver), Recorder()
    plain = sample(pipeline, ["cat", "owl"], generator=seeded(0, 1))
    shown = sample(
        pipeline,
        ["cat", "owl"],
        generator=seeded(0, 1),
        callback_on_step_end=recorder,
        callback_on_step_end_tensor_inputs=BOTH,
    )
    assert torch.equal(shown, plain)
    assert [step for step, _ in recorder.steps] == [0, 1, 2, 3]
    assert sorted((timestep for _, timestep in recorder.steps), reverse=True) == [
        timestep for _, timestep in recorder.steps
    ]
    assert torch.equal(recorder.tensors[-1]["latents"], plain)
    assert all(set(tensors) == set(BOTH) for tensors in recorder.tensors)
    assert not torch.equal(recorder.tensors[0]["latents"], recorder.tensors[1]["latents"])


def test_the_last_prediction_of_ddim_is_the_image() -> None:
    pipeline, recorder = make_pipeline(num_inference_steps=4, solver="ddim"), Recorder()
    made = sample(
        pipeline,
        ["dog"],
        generator=seeded(0),
        guidance_scale=2.0,
        callback_on_step_end=recorder,
        callback_on_step_end_tensor_inputs=["pred_original_sample"],
    )
    torch.testing.assert_close(recorder.tensors[-1]["pred_original_sample"], made, rtol=1e-4, atol=1e-4)
    assert "latents" not in recorder.tensors[-1]


def test_latents_that_are_returned_take_the_place_of_the_state() -> None:
    pipeline = make_pipeline(num_inference_steps=3)

    def replace(pipeline: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        return {"latents": torch.full_like(tensors["latents"], 7.0)} if step == 2 else {}

    made = sample(pipeline, ["dog"], generator=seeded(0), callback_on_step_end=replace)
    assert torch.equal(made, torch.full_like(made, 7.0))


def test_a_callback_of_diffusers_says_itself_what_it_takes() -> None:
    class Shift(PipelineCallback):
        tensor_inputs = BOTH

        def callback_fn(
            self, pipeline: Any, step_index: int, timestep: Any, callback_kwargs: dict[str, Any]
        ) -> dict[str, Any]:
            callback_kwargs["latents"] = callback_kwargs["pred_original_sample"] + 1
            return callback_kwargs

    pipeline = make_pipeline(num_inference_steps=1)
    plain = sample(pipeline, ["dog"], generator=seeded(0), solver="ddim")
    callback = Shift(cutoff_step_ratio=1.0)
    shifted = sample(pipeline, ["dog"], generator=seeded(0), solver="ddim", callback_on_step_end=callback)
    torch.testing.assert_close(shifted, plain + 1, rtol=1e-4, atol=1e-4)


def test_a_tensor_that_there_is_not_is_named() -> None:
    with pytest.raises(ValueError, match="inputs has 'prompt_embeds', expected some of latents, pred_"):
        make_pipeline()(
            ["dog"],
            callback_on_step_end=Recorder(),
            callback_on_step_end_tensor_inputs=["latents", "prompt_embeds"],
        )
