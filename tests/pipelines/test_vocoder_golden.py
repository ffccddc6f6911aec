"""The whole vocoder against numbers computed with the published code."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from torch import Tensor

from priordiff import DiffWave, MelEnergyEstimator, PriorGradScheduler, VocoderPipeline, prior_loss

FIXTURES = Path(__file__).parents[1] / "fixtures"
PRIOR_CONDITIONS = {
    "vocoder_small": "none",
    "vocoder_cond": "mel_channel",
    "vocoder_condglobal": "conditioner",
}


class Golden:
    """One file of numbers, the network with its weights and the white noise in the order of drawing."""

    def __init__(self, name: str) -> None:
        with safe_open(FIXTURES / f"{name}.safetensors", "pt") as file:
            self.metadata = file.metadata()
            self.tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        self.seed = int(self.metadata["seed"])
        self.model = DiffWave.from_neuralspeech(
            self._state_dict(name),
            dilation_cycle_length=int(self.metadata["cyc"]),
            prior_condition=PRIOR_CONDITIONS[name],
        ).eval()
        self.estimator = MelEnergyEstimator(hop_length=256)
        self.estimator.energy_min.copy_(self.tensors["energy_min"].squeeze())

    def _state_dict(self, name: str) -> dict[str, Tensor]:
        shapes = json.loads((FIXTURES / f"{name}.state.json").read_text())
        random = np.random.RandomState(self.seed)
        state_dict = {}
        for key in sorted(shapes):
            shape = shapes[key]
            scale = 1 / np.sqrt(np.prod(shape[1:])) if len(shape) > 1 else 0.1
            state_dict[key] = torch.from_numpy((random.standard_normal(shape) * scale).astype(np.float32))
        state_dict["output_projection.weight"] *= 0.4
        state_dict["output_projection.bias"] *= 0.02
        return state_dict

    def draws(self, count: int) -> list[Tensor]:
        random = np.random.RandomState(self.seed + 2)
        shape = (1, 256 * int(self.metadata["frames"]))
        draws = [random.standard_normal(shape).astype(np.float32) for _ in range(count)]
        return [torch.from_numpy(draw)[:, None] for draw in draws]

    def predict(self, x: Tensor, t: Tensor | float) -> Tensor:
        asks_for_std = self.model.config.prior_condition != "none"
        condition = {"prior_std": self.tensors["std"]} if asks_for_std else {}
        with torch.no_grad():
            return self.model(x, torch.as_tensor(t), self.tensors["mel"], **condition)


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
    for module in ("priordiff.pipelines.vocoder", "priordiff.schedulers.fractional_ddpm"):
        monkeypatch.setattr(f"{module}.randn_tensor", lambda *_, **__: next(draws))
    vocoder = VocoderPipeline(golden.model, PriorGradScheduler(clip_prev_sample=1.0), golden.estimator)
    vocoder.set_progress_bar_config(disable=True)
    audio = vocoder(golden.tensors["mel"]).audios
    torch.testing.assert_close(audio, golden.tensors["audio_fast6"], rtol=1e-5, atol=1e-5)
