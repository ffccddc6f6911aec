"""The whole vocoder against numbers computed with the published code."""

from __future__ import annotations

import pytest
import torch

from priordiff import PriorGradScheduler, VocoderPipeline, prior_loss
from tests.golden import PRIOR_CONDITIONS, Golden


@pytest.fixture(params=PRIOR_CONDITIONS, scope="module")
def golden(request: pytest.FixtureRequest) -> Golden:
    return Golden(request.param)


def test_the_prior_is_the_published_one(golden: Golden) -> None:
    torch.testing.assert_close(
        golden.estimator.frame_std(golden.tensors["mel"]), golden.tensors["std"], rtol=1e-5, atol=1e-5
    )


def test_the_loss_is_the_published_one(golden: Golden) -> None:
    first, second = golden.draws(2)
    prior = golden.estimator(golden.tensors["mel"])
    loss = prior_loss(golden.predict(prior.color(first), 7), prior.color(second), prior)
    torch.testing.assert_close(loss, golden.tensors["loss_t7"][0], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("steps", "name"), [(6, "audio_fast6"), (12, "audio_fast12"), (50, "audio_full50")])
def test_the_sampled_audio_is_the_published_one(steps: int, name: str, golden: Golden) -> None:
    draws = golden.draws(steps)
    scheduler = PriorGradScheduler(clip_prev_sample=1.0)
    scheduler.set_prior(golden.estimator(golden.tensors["mel"]))
    scheduler.set_timesteps(steps)
    x = draws[0] * scheduler.init_noise_sigma
    for t, noise in zip(scheduler.timesteps, [*draws[1:], draws[0]], strict=True):
        output = golden.predict(scheduler.scale_model_input(x, t), t)
        x = scheduler.step(output, t, x, variance_noise=noise).prev_sample
    tolerance = 1e-4 if steps == 50 else 1e-5
    torch.testing.assert_close(x[:, 0], golden.tensors[name], rtol=tolerance, atol=tolerance)


def test_the_pipeline_gives_the_published_audio(golden: Golden, monkeypatch: pytest.MonkeyPatch) -> None:
    draws = iter(golden.draws(6))
    for module in ("priordiff.pipelines.synthesis", "diffusers.schedulers.scheduling_ddpm"):
        monkeypatch.setattr(f"{module}.randn_tensor", lambda *_, **__: next(draws))
    vocoder = VocoderPipeline(golden.model, PriorGradScheduler(clip_prev_sample=1.0), golden.estimator)
    vocoder.set_progress_bar_config(disable=True)
    audio = vocoder(golden.tensors["mel"]).audios
    torch.testing.assert_close(audio, golden.tensors["audio_fast6"], rtol=1e-5, atol=1e-5)
