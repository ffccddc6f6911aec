"""What the network has to predict is what makes the solver find the data."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import torch
from torch import Tensor

from priordiff.schedulers import prediction_weights, scheduler_classes
from priordiff.schedulers.wrapping import MODEL_SPACES
from tests.schedulers.drivers import SUPPORTED, driver_of, make, white_noise_for, without_clipping
from tests.schedulers.identity import TABULATED, diagonal_prior
from tests.schedulers.networks import prediction_configs

# From where one step leads to the data: the number of steps and the place among them, (1, 0) if not here.
PLACES = {
    "ConsistencyDecoderScheduler": (2, 1),
    "IPNDMScheduler": (2, 1),
    "MiniMaxH3Scheduler": (2, 0),
    "UnCLIPScheduler": (2, 0),
}
CONFIGS = {"PNDMScheduler": {"skip_prk_steps": True, "set_alpha_to_one": True}}
# Their last step ends at a level with some noise left, near the data.
LEAVE_NOISE = ["DEISMultistepScheduler", "SASolverScheduler", "TCDScheduler"]
# They step another way, or have no forward process; see the tests below.
APART = [
    "CogVideoXDPMScheduler",
    "DDIMInverseScheduler",
    "DPMSolverMultistepInverseScheduler",
    "HeliosDMDScheduler",
    "KarrasVeScheduler",
    "RFD4ProteinaScheduler",
    "RePaintScheduler",
    "SCMScheduler",
    "ScoreSdeVeScheduler",
    "ScoreSdeVpScheduler",
]
# But for EulerDiscreteScheduler, which looks the index of a timestep up in its table of timesteps.
WITH_VELOCITY = [
    name
    for name in SUPPORTED
    if hasattr(scheduler_classes()[name], "get_velocity") and name != "EulerDiscreteScheduler"
]
TOGETHER = [name for name in SUPPORTED if name not in APART]


def data_and_noise(name: str) -> tuple[Any, Tensor, Tensor]:
    """A prior, data that it could have given and white noise."""
    prior, white_noise = diagonal_prior(driver_of(name).event), white_noise_for(name)
    return prior, prior.to_data(white_noise.roll(1, -1)), white_noise


def scheduler_for(name: str, model_space: str, config: dict[str, Any] | None = None) -> Any:
    options = {**without_clipping(name), **CONFIGS.get(name, {}), **(config or {})}
    return make(name, prior=True, **options, model_space=model_space)


@pytest.mark.parametrize("model_space", MODEL_SPACES)
@pytest.mark.parametrize("name", TOGETHER)
def test_a_step_with_the_training_target_as_output_finds_the_data(name: str, model_space: str) -> None:
    prior, x0, white_noise = data_and_noise(name)
    for config in prediction_configs(name):
        if name in LEAVE_NOISE and config["prediction_type"] == "flow_prediction":
            continue  # from pure noise their flows do not come near the data in one step
        scheduler = scheduler_for(name, model_space, config)
        scheduler.set_prior(prior)
        steps, place = PLACES.get(name, (1, 0))
        scheduler.set_timesteps(steps)
        t = scheduler.timesteps[place].reshape(1)
        x_t = scheduler.add_noise(x0, white_noise, t)
        target = scheduler.training_target(x0, white_noise, t)
        scheduler.scale_model_input(x_t, t[0])
        takes_batch = name == "DDPMWuerstchenScheduler"
        output = scheduler.step(target, t.expand(len(x0)) if takes_batch else t[0], x_t)
        estimate = getattr(output, "pred_original_sample", None)
        found = output.prev_sample if estimate is None else estimate
        tolerance = 0.1 if name in LEAVE_NOISE else 1e-4
        torch.testing.assert_close(found, x0, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("model_space", [*MODEL_SPACES, None])
@pytest.mark.parametrize("name", TOGETHER)
def test_a_training_pair_is_input_and_target_of_the_same_noise(name: str, model_space: str | None) -> None:
    prior, x0, white_noise = data_and_noise(name)
    for config in prediction_configs(name):
        scheduler = scheduler_for(name, model_space or "centered", config)
        scheduler.set_prior(prior if model_space else None)
        steps, place = PLACES.get(name, (1, 0))
        scheduler.set_timesteps(steps)
        drawn = x0, white_noise, scheduler.timesteps[place].reshape(1)
        seen = scheduler.scale_model_input(scheduler.add_noise(*drawn), drawn[2])
        expected = seen, scheduler.training_target(*drawn)
        torch.testing.assert_close(scheduler.training_pair(*drawn), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("model_space", MODEL_SPACES)
def test_trigflow_leads_to_the_data_for_any_sigma_data(model_space: str) -> None:
    prior, x0, white_noise = data_and_noise("SCMScheduler")
    for sigma_data in (0.5, 1.0, 2.0):
        scheduler = scheduler_for("SCMScheduler", model_space, {"sigma_data": sigma_data})
        scheduler.set_prior(prior)
        scheduler.set_timesteps(2)
        t = scheduler.timesteps[1]
        x_t = scheduler.add_noise(x0, white_noise, t.reshape(1))
        output = scheduler.step(scheduler.training_target(x0, white_noise, t.reshape(1)), t, x_t)
        torch.testing.assert_close(output.pred_original_sample, x0, rtol=TABULATED, atol=TABULATED)


@pytest.mark.parametrize("model_space", MODEL_SPACES)
@pytest.mark.parametrize("prediction_type", ["epsilon", "sample", "v_prediction"])
def test_the_two_step_solver_of_cogvideox_finds_the_data(prediction_type: str, model_space: str) -> None:
    prior, x0, white_noise = data_and_noise("CogVideoXDPMScheduler")
    scheduler = scheduler_for("CogVideoXDPMScheduler", model_space, {"prediction_type": prediction_type})
    scheduler.set_prior(prior)
    scheduler.set_timesteps(2)
    t = scheduler.timesteps[0]
    x_t = scheduler.add_noise(x0, white_noise, t.reshape(1))
    target = scheduler.training_target(x0, white_noise, t.reshape(1))
    _, found = scheduler.step(target, None, t, None, x_t, return_dict=False)
    torch.testing.assert_close(found, x0, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("model_space", MODEL_SPACES)
def test_karras_ve_takes_the_negative_noise(model_space: str) -> None:
    prior, x0, white_noise = data_and_noise("KarrasVeScheduler")
    scheduler = scheduler_for("KarrasVeScheduler", model_space)
    scheduler.set_prior(prior)
    scheduler.set_timesteps(3)
    target = scheduler.training_target(x0, white_noise, torch.tensor([1]))
    x_hat = x0 + 3.0 * prior.color(white_noise)
    found = scheduler.step(target, 3.0, 1.0, x_hat).pred_original_sample
    torch.testing.assert_close(found, x0, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("model_space", MODEL_SPACES)
def test_the_score_of_sde_ve_is_that_of_the_prior_s_noise_times_its_covariance(model_space: str) -> None:
    prior, x0, white_noise = data_and_noise("ScoreSdeVeScheduler")
    scheduler = scheduler_for("ScoreSdeVeScheduler", model_space)
    scheduler.set_prior(prior)
    t = torch.tensor([7, 20, 99])
    sigma = scheduler.discrete_sigmas[t].double().reshape(3, 1, 1, 1)
    noise = white_noise if model_space == "white" else prior.color(white_noise)
    target = scheduler.training_target(x0, white_noise, t)
    torch.testing.assert_close(target, -noise / sigma, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("model_space", MODEL_SPACES)
def test_the_flow_of_proteina_leads_to_the_data(model_space: str) -> None:
    prior, x0, white_noise = data_and_noise("RFD4ProteinaScheduler")
    scheduler = scheduler_for("RFD4ProteinaScheduler", model_space)
    scheduler.set_prior(prior)
    t = torch.tensor([0.2, 0.5, 0.9], dtype=torch.float64)
    x_t = scheduler.add_noise(x0, white_noise, t)
    velocity = scheduler.training_target(x0, white_noise, t)
    if model_space == "white":
        velocity = prior.color(velocity)
    mean = prior.mean if model_space == "data" else 0.0  # which the noise of x_t has and that of the flow not
    found = x_t + (1 - t).reshape(3, 1, 1) * (velocity - mean)
    torch.testing.assert_close(found, x0, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", ["ScoreSdeVpScheduler", "HeliosDMDScheduler"])
def test_where_there_is_no_forward_process_the_target_needs_none(name: str) -> None:
    prior, x0, white_noise = data_and_noise(name)
    scheduler = scheduler_for(name, "white")
    scheduler.set_prior(prior)
    target = scheduler.training_target(x0, white_noise, torch.tensor([3]))
    flow = name == "HeliosDMDScheduler"
    expected = white_noise - prior.to_white(x0) if flow else white_noise
    torch.testing.assert_close(target, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("model_space", MODEL_SPACES)
@pytest.mark.parametrize("name", WITH_VELOCITY)
def test_the_velocity_is_the_training_target_of_v_prediction(name: str, model_space: str) -> None:
    prior, x0, white_noise = data_and_noise(name)
    scheduler = scheduler_for(name, model_space, {"prediction_type": "v_prediction"})
    plain = make(name, prediction_type="v_prediction")
    t = scheduler.timesteps[torch.tensor([-2, 30, 5])].long()
    arguments = (x0, white_noise, t)
    assert torch.equal(scheduler.get_velocity(*arguments), plain.get_velocity(*arguments))
    scheduler.set_prior(prior)
    for velocity in (scheduler.get_velocity(*arguments), scheduler.get_velocity(*arguments[:2], timesteps=t)):
        torch.testing.assert_close(
            velocity, scheduler.training_target(*arguments), rtol=TABULATED, atol=TABULATED
        )


def test_without_a_prior_the_targets_are_those_of_diffusers() -> None:
    _, x0, white_noise = data_and_noise("DDPMScheduler")
    t = torch.tensor([3, 500, 999])
    for prediction_type in ("epsilon", "sample", "v_prediction"):
        scheduler = make("DDPMScheduler", prior=True, prediction_type=prediction_type)
        expected = {
            "epsilon": white_noise,
            "sample": x0,
            "v_prediction": scheduler.get_velocity(x0, white_noise, t),
        }[prediction_type]
        torch.testing.assert_close(
            scheduler.training_target(x0, white_noise, t), expected, rtol=1e-6, atol=1e-6
        )


@pytest.mark.parametrize("name", ["DDPMScheduler", "DDIMScheduler", "HeunDiscreteScheduler"])
def test_the_weights_of_v_are_cosine_and_sine_of_the_noise_level(name: str) -> None:
    scheduler = make(name, prior=True, prediction_type="v_prediction")
    level = scheduler.alphas_cumprod[700].double()
    data_weight, noise_weight = prediction_weights(scheduler, 700, torch.zeros(1, 1, 1, dtype=torch.float64))
    torch.testing.assert_close(float(data_weight), -float((1 - level).sqrt()), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(float(noise_weight), float(level.sqrt()), rtol=1e-6, atol=1e-6)


def test_an_unknown_prediction_type_is_an_error_that_names_it() -> None:
    scheduler = make("DDPMScheduler", prior=True, prediction_type="nonsense")
    with pytest.raises(
        ValueError, match=r"\Aprediction_type='nonsense' of DDPMScheduler, expected 'epsilon'"
    ):
        scheduler.training_target(torch.zeros(1, 1, 1), torch.zeros(1, 1, 1), torch.tensor([3]))


@pytest.mark.parametrize("name", ["DDPMScheduler", "UnCLIPScheduler"])
@pytest.mark.parametrize("model_space", MODEL_SPACES)
def test_a_learned_variance_is_handed_on_untouched(name: str, model_space: str) -> None:
    options = {**without_clipping(name), "variance_type": "learned_range"}
    plain, scheduler = make(name, **options), make(name, prior=True, **options, model_space=model_space)
    prior, white_noise = diagonal_prior((2, 8)), white_noise_for(name)
    scheduler.set_prior(prior)
    epsilon, variance = white_noise.roll(1), white_noise.tanh()
    noise = epsilon if model_space == "white" else prior.color(epsilon)
    t = torch.tensor(500)
    z, x = (
        each.step(torch.cat([output, variance], 1), t, state, generator=torch.Generator().manual_seed(0))
        for each, output, state in (
            (plain, epsilon, white_noise),
            (scheduler, noise, prior.to_data(white_noise)),
        )
    )
    torch.testing.assert_close(x.prev_sample, prior.to_data(z.prev_sample), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("model_space", MODEL_SPACES)
@pytest.mark.parametrize("prediction_type", ["epsilon", "sample", "v_prediction"])
@pytest.mark.parametrize("name", ["DDIMParallelScheduler", "DDPMParallelScheduler"])
def test_a_step_of_many_timesteps_at_once_is_that_of_each(
    name: str, prediction_type: str, model_space: str
) -> None:
    options = {**without_clipping(name), "prediction_type": prediction_type}
    scheduler = make(name, prior=True, **options, model_space=model_space)
    prior, white_noise = diagonal_prior((2, 8), batch=2), white_noise_for(name, batch=6)
    scheduler.set_prior(prior)
    scheduler.set_timesteps(10)
    timesteps = scheduler.timesteps[[2, 2, 5, 5, 8, 8]]
    x0 = prior.tile(3).to_data(white_noise)
    outputs = white_noise.roll(1, -1)
    x = scheduler.batch_step_no_noise(outputs, timesteps, x0)
    for index in range(0, 6, 2):
        alone = slice(index, index + 2)
        expected = scheduler.batch_step_no_noise(outputs[alone], timesteps[alone], x0[alone])
        torch.testing.assert_close(x[alone], expected, rtol=1e-10, atol=1e-10)
        if name == "DDIMParallelScheduler":
            expected = scheduler.step(outputs[alone], timesteps[index], x0[alone]).prev_sample
            torch.testing.assert_close(x[alone], expected, rtol=TABULATED, atol=TABULATED)


def test_every_scheduler_is_tried_here_in_one_way_or_another() -> None:
    assert {*TOGETHER, *APART} >= set(SUPPORTED)
    assert all("timestep" in inspect.signature(make(name).step).parameters for name in TOGETHER)
