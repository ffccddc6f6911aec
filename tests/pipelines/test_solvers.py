from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import DDIMScheduler, FlowMatchEulerDiscreteScheduler

from priordiff import (
    DiffWave,
    LappedConvNeXt,
    LearnedMelSpectrumEstimator,
    PriorGradScheduler,
    VocoderPipeline,
    with_prior,
)
from priordiff.pipelines import SOLVERS, with_solver

CONFIG: dict[str, Any] = {
    "beta_end": 0.25,
    "prediction_type": "v_prediction",
    "model_space": "white",
    "clip_prev_sample": 1.0,
    "variance_type": "fixed_large",
}
MEL = {"sample_rate": 8000, "n_fft": 64, "win_length": 64, "f_max": 4000.0}


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_solver_takes_over_what_the_network_was_trained_with(
    solver: str, caplog: pytest.LogCaptureFixture
) -> None:
    scheduler = PriorGradScheduler(**CONFIG)
    with caplog.at_level(logging.WARNING, logger="diffusers"):
        chosen = with_solver(scheduler, solver)
    assert not caplog.records
    assert chosen.model_space == "white"
    assert chosen.config.prediction_type == "v_prediction"
    torch.testing.assert_close(chosen.alphas_cumprod, scheduler.alphas_cumprod)


@pytest.mark.parametrize("solver", SOLVERS)
def test_it_starts_at_the_last_training_step(solver: str) -> None:
    chosen = with_solver(PriorGradScheduler(**CONFIG), solver)
    chosen.set_timesteps(6)
    assert len(chosen.timesteps) == 6
    assert chosen.timesteps[0] == 49


def test_the_deterministic_solvers_find_the_data_of_a_perfect_network() -> None:
    x0 = torch.linspace(-1, 1, 8)[None, None]
    for solver in ("ddim", "dpm++", "unipc"):
        chosen = with_solver(PriorGradScheduler(beta_end=0.25, prediction_type="sample"), solver)
        chosen.set_timesteps(6)
        x = torch.randn(1, 1, 8, generator=torch.Generator().manual_seed(0)) * chosen.init_noise_sigma
        for t in chosen.timesteps:
            x = chosen.step(x0, t, x).prev_sample
        torch.testing.assert_close(x, x0, rtol=0, atol=1e-2)


def test_other_schedulers_may_stand_in_the_paper_s_place() -> None:
    plain = with_prior(DDIMScheduler(beta_schedule="scaled_linear", clip_sample=False))
    chosen = with_solver(plain, "unipc")
    torch.testing.assert_close(chosen.alphas_cumprod, plain.alphas_cumprod)


def test_options_of_a_solver_are_stronger_than_those_of_its_name() -> None:
    chosen = with_solver(
        PriorGradScheduler(**CONFIG), "dpm++", solver_order=3, algorithm_type="sde-dpmsolver++"
    )
    assert chosen.config.solver_order == 3
    assert chosen.config.algorithm_type == "sde-dpmsolver++"
    assert chosen.model_space == "white"


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_loaded_scheduler_has_the_same_solver_as_before_it_was_saved(solver: str, tmp_path: Path) -> None:
    scheduler = with_prior(DDIMScheduler(clip_sample=False))
    scheduler.save_pretrained(tmp_path)
    before, after = (
        with_solver(each, solver) for each in (scheduler, type(scheduler).from_pretrained(tmp_path))
    )
    for each in (before, after):
        each.set_timesteps(7)
    assert before.timesteps.tolist() == after.timesteps.tolist()


def test_ddim_does_not_clip_what_another_solver_did_not() -> None:
    unclipped = with_solver(PriorGradScheduler(**CONFIG), "dpm++")
    assert not with_solver(unclipped, "ddim").config.clip_sample
    assert with_solver(with_prior(DDIMScheduler()), "ddim").config.clip_sample


def test_an_unknown_solver_is_an_error_that_lists_them() -> None:
    with pytest.raises(ValueError, match=r"solver='euler', expected one of 'ddpm', 'ddim'"):
        with_solver(PriorGradScheduler(), "euler")


def test_noise_levels_that_a_solver_cannot_have_are_an_error() -> None:
    with pytest.raises(ValueError, match="DDIM"):
        with_solver(with_prior(FlowMatchEulerDiscreteScheduler()), "ddim")


def quiet(vocoder: VocoderPipeline) -> VocoderPipeline:
    vocoder.set_progress_bar_config(disable=True)
    return vocoder


def make_vocoder(**config: Any) -> VocoderPipeline:
    torch.manual_seed(0)
    model = LappedConvNeXt(16, 1, n_mels=8, hop_length=16)
    torch.nn.init.normal_(model.output_projection.weight)
    estimator = LearnedMelSpectrumEstimator(8, 1, n_mels=8, hop_length=16)
    vocoder = VocoderPipeline(
        model, PriorGradScheduler(**CONFIG), estimator, mel={"sample_rate": 8000}, **config
    )
    vocoder.set_progress_bar_config(disable=True)
    return vocoder


def sample(vocoder: VocoderPipeline, **options: Any) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return vocoder(torch.zeros(1, 8, 10) - 5, generator=generator, **options).audios


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_vocoder_takes_solver_and_steps_by_call(solver: str) -> None:
    vocoder = make_vocoder(num_inference_steps=4)
    other = VocoderPipeline(
        vocoder.model, with_solver(vocoder.scheduler, solver), vocoder.estimator, mel=vocoder.config.mel
    )
    other.set_progress_bar_config(disable=True)
    by_call = sample(vocoder, solver=solver)
    assert torch.equal(by_call, sample(other, num_inference_steps=4))
    assert not torch.equal(by_call, sample(vocoder, solver=solver, num_inference_steps=5))
    assert type(vocoder.scheduler) is PriorGradScheduler
    assert vocoder.scheduler.prior is None


def test_a_vocoder_remembers_its_solver_and_its_steps(
    tmp_path: Any, caplog: pytest.LogCaptureFixture
) -> None:
    vocoder = make_vocoder(num_inference_steps=3, solver="unipc")
    vocoder.save_pretrained(tmp_path)
    with caplog.at_level(logging.WARNING, logger="diffusers"):
        loaded = quiet(VocoderPipeline.from_pretrained(tmp_path))
    assert not caplog.records
    assert torch.equal(sample(loaded), sample(make_vocoder(), solver="unipc", num_inference_steps=3))
    assert torch.equal(
        sample(loaded, solver="ddpm"), sample(make_vocoder(), solver="ddpm", num_inference_steps=3)
    )
    assert isinstance(loaded.model, LappedConvNeXt)
    with pytest.raises(ValueError, match="num_inference_steps=0, expected 1 to 49"):
        sample(loaded, num_inference_steps=0)


@pytest.mark.parametrize(
    ("solver", "most"), [("ddpm", 50), ("ddim", 50), ("dpm++", 49), ("sde-dpm++", 49), ("unipc", 49)]
)
def test_the_most_steps_that_a_solver_takes_give_finite_samples(solver: str, most: int) -> None:
    vocoder = make_vocoder()
    assert sample(vocoder, solver=solver, num_inference_steps=most).isfinite().all()
    with pytest.raises(ValueError, match=f"expected 1 to {most} after a training of 50"):
        sample(vocoder, solver=solver, num_inference_steps=most + 1)


def test_a_scheduler_that_is_assigned_is_the_one_that_samples() -> None:
    vocoder = make_vocoder(solver="unipc")
    vocoder.scheduler = with_solver(vocoder.scheduler, "dpm++")
    assert vocoder.config.solver is None
    assert torch.equal(sample(vocoder), sample(make_vocoder(), solver="dpm++"))


def test_a_vocoder_s_steps_are_six_where_nothing_is_said() -> None:
    model = DiffWave(8, 1, n_mels=8, hop_length=16)
    assert VocoderPipeline(model, PriorGradScheduler()).config.num_inference_steps == 6
    with pytest.raises(ValueError, match="solver='euler'"):
        VocoderPipeline(model, PriorGradScheduler(), solver="euler")
