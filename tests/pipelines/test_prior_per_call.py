from __future__ import annotations

import copy
import inspect
import pickle
import threading
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from diffusers import AutoPipelineForImage2Image, DiffusionPipeline, StableDiffusionPipeline

from priordiff import DiagonalPrior, apply_prior
from tests.pipelines.pipelines_of_diffusers import PIPELINES
from tests.pipelines.tiny import PROMPTS, ready, stable_diffusion, stable_diffusion_3, unconditional_unet
from tests.schedulers.test_expected_prior import warnings  # noqa: F401

ARGUMENTS = {"prompt": PROMPTS, "num_inference_steps": 2, "guidance_scale": 1.0, "output_type": "latent"}
MISSING = r"made for a prior from apply_prior\(pipe, bright\), and has none"


def bright(prompt: list[str]) -> DiagonalPrior:
    return DiagonalPrior(3.0, 0.5)


@pytest.fixture(scope="module")
def plain() -> Any:
    torch.manual_seed(0)
    return stable_diffusion()


@pytest.fixture
def pipe(plain: Any) -> Any:
    return apply_prior(copy.copy(plain), bright)


def images_of(pipe: Any, **arguments: Any) -> torch.Tensor:
    return pipe(generator=torch.Generator().manual_seed(0), **{**ARGUMENTS, **arguments}).images


def saved_and_loaded(pipe: Any, folder: Path) -> Any:
    pipe.save_pretrained(folder)
    return DiffusionPipeline.from_pretrained(folder)


def request_of_its_own(pipe: Any, folder: Path) -> Any:
    scheduler = type(pipe.scheduler).from_config(pipe.scheduler.config)
    return StableDiffusionPipeline(**{**pipe.components, "scheduler": scheduler})


@pytest.mark.parametrize(
    "derived",
    [
        lambda pipe, folder: StableDiffusionPipeline.from_pipe(pipe),
        lambda pipe, folder: type(pipe).from_pipe(pipe),
        lambda pipe, folder: StableDiffusionPipeline(**pipe.components),
        request_of_its_own,
        saved_and_loaded,
    ],
)
def test_a_pipeline_made_of_one_with_an_estimator_says_that_it_has_none(
    pipe: Any, derived: Any, tmp_path: Path
) -> None:
    other = derived(pipe, tmp_path).to(torch.float64)
    other.set_progress_bar_config(disable=True)
    with pytest.raises(ValueError, match=MISSING):
        images_of(other)
    apply_prior(other, bright)
    assert images_of(other).isfinite().all()
    assert images_of(pipe).isfinite().all()


def test_another_task_s_pipeline_says_that_it_has_no_estimator(pipe: Any) -> None:
    image_to_image = AutoPipelineForImage2Image.from_pipe(pipe)
    image_to_image.to(torch.float64)
    image = torch.zeros(len(PROMPTS), 3, 16, 16, dtype=torch.float64)
    with pytest.raises(ValueError, match=MISSING):
        images_of(image_to_image, image=image)


def test_without_the_estimator_a_pipeline_is_the_plain_one_once_it_is_told(plain: Any, pipe: Any) -> None:
    other = StableDiffusionPipeline(**pipe.components)
    other.scheduler.set_prior(None)
    assert torch.equal(images_of(other), images_of(plain))


@pytest.mark.parametrize(
    ("Pipeline", "scheduler"),
    [
        (diffusers.DDIMPipeline, diffusers.DDIMScheduler),
        (diffusers.PNDMPipeline, diffusers.PNDMScheduler),
    ],
)
def test_a_pipeline_that_rebuilds_its_scheduler_warns_that_it_drops_the_prior(
    Pipeline: Any,
    scheduler: Any,
    tmp_path: Path,
    warnings: pytest.LogCaptureFixture,  # noqa: F811
) -> None:
    pipe = apply_prior(Pipeline(unconditional_unet(), scheduler()), lambda: DiagonalPrior(0.0, 0.5))
    assert not warnings.records
    Pipeline(**pipe.components)
    assert "'expects_prior_from': 'apply_prior(pipe, <lambda>)'" in warnings.text
    pipe.scheduler.set_prior(DiagonalPrior(0.0, 0.5))
    pipe.save_pretrained(tmp_path)
    Pipeline.from_pretrained(tmp_path)
    assert "'expects_prior_from': 'set_prior(DiagonalPrior)'" in warnings.text


def test_no_other_pipeline_of_diffusers_rebuilds_its_scheduler() -> None:
    rebuilding = {
        name for name, each in PIPELINES.items() if ".from_config(" in inspect.getsource(each.__init__)
    }
    warn_themselves = {"LEditsPPPipelineStableDiffusion", "LEditsPPPipelineStableDiffusionXL"}
    assert rebuilding <= {"DDIMPipeline", "PNDMPipeline", *warn_themselves}


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda pipe: pickle.loads(pickle.dumps(pipe))])
def test_a_copy_or_a_pickle_has_the_estimator(pipe: Any, copied: Any) -> None:
    other = copied(pipe)
    assert type(other) is type(pipe)
    assert torch.equal(images_of(other), images_of(pipe))


def test_a_call_while_another_runs_is_refused(pipe: Any) -> None:
    errors: list[Exception] = []

    def call_from_another_thread(*_: Any) -> dict[str, Any]:
        def call() -> None:
            try:
                images_of(pipe)
            except RuntimeError as error:
                errors.append(error)

        thread = threading.Thread(target=call)
        thread.start()
        thread.join()
        return {}

    expected = images_of(pipe)
    assert torch.equal(images_of(pipe, callback_on_step_end=call_from_another_thread), expected)
    assert errors
    assert "give each thread a pipeline of its own, apply_prior(copy.copy(pipe), estimator)" in str(errors[0])


def test_after_a_call_that_failed_the_next_one_is_not_refused(pipe: Any) -> None:
    with pytest.raises(TypeError):
        images_of(pipe, num_inference_steps="a few")
    assert images_of(pipe).isfinite().all()


def test_a_copy_for_each_thread_gives_what_one_after_the_other_gives(pipe: Any) -> None:
    def estimator(contrast: float) -> DiagonalPrior:
        return DiagonalPrior(0.0, contrast)

    # The tokenizer, which the copies share, is not made for threads.
    prompts, _ = pipe.encode_prompt(PROMPTS, "cpu", 1, do_classifier_free_guidance=False)
    encoded = {"prompt": None, "prompt_embeds": prompts}

    def call(contrast: float) -> torch.Tensor:
        return images_of(apply_prior(copy.copy(pipe), estimator), **encoded, contrast=contrast)

    contrasts = [0.3, 0.6, 0.9]
    results: dict[float, torch.Tensor] = {}
    threads = [threading.Thread(target=lambda c=c: results.update({c: call(c)})) for c in contrasts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(torch.equal(results[contrast], call(contrast)) for contrast in contrasts)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "arguments"),
    [
        (stable_diffusion, ARGUMENTS),
        (
            lambda: ready(diffusers.DDPMPipeline(unconditional_unet(), diffusers.DDPMScheduler())),
            {"num_inference_steps": 2, "output_type": "pt"},
        ),
        (stable_diffusion_3, {**ARGUMENTS, "height": 16, "width": 16, "max_sequence_length": 4}),
    ],
)
def test_a_compiled_call_gives_what_the_call_gives(make: Any, arguments: dict[str, Any]) -> None:
    pipe = apply_prior(make(), lambda: DiagonalPrior(0.3, 0.8))

    def images(call: Any) -> torch.Tensor:
        return call(generator=torch.Generator().manual_seed(0), **arguments).images

    torch._dynamo.reset()
    compiled = images(torch.compile(pipe.__call__, backend="eager"))
    torch.testing.assert_close(compiled, images(pipe))
