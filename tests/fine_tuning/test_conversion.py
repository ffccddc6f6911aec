from __future__ import annotations

from typing import Any

import diffusers
import pytest
import torch
from torch import Tensor

import priordiff
from priordiff import DiagonalPrior, GaussianPrior, LappedPrior
from priordiff.fine_tuning import TrainedProcess
from priordiff.fine_tuning.conversion import conversion
from tests.fine_tuning.gaussian import (
    MODEL_SPACES,
    PLACES,
    PREDICTIONS,
    adapted,
    best_prediction,
    isotropic,
    states,
    trained_with,
    under,
)
from tests.priors.cases import EVENT, PRIORS, random


def error(prediction: str, scheduler: Any, timesteps: Tensor | None = None) -> float:
    """How far what an adapted network says is from the best, with the largest of that as the unit."""
    timesteps = scheduler.timesteps[PLACES] if timesteps is None else timesteps
    seen = states(scheduler, timesteps)
    (found,) = adapted(prediction, scheduler)(seen, timesteps)
    expected = best_prediction(scheduler, scheduler.prior, seen, timesteps)
    return float((found - expected).abs().max() / expected.abs().max())


@pytest.mark.parametrize("model_space", MODEL_SPACES)
@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("std", [0.3, 1.7])
def test_a_trained_network_is_as_good_under_isotropic_noise_of_any_size_and_mean(
    prediction: str, model_space: str, std: float
) -> None:
    assert error(prediction, under(isotropic(std), trained_with(prediction), model_space)) < 1e-10


@pytest.mark.parametrize("wanted", PREDICTIONS)
@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_it_takes_the_place_of_one_with_another_prediction_type_and_another_process(
    prediction: str, wanted: str
) -> None:
    assert error(prediction, under(isotropic(0.6), trained_with(wanted), "white")) < 1e-10


# Solvers that have their tables in float32 are exact to that.
LEADING = {"timestep_spacing": "leading"}  # no step is beyond the ends of the training
SOLVERS: dict[str, tuple[dict[str, Any], float]] = {
    "DDIMScheduler": ({**LEADING, "clip_sample": False}, 1e-10),
    "PriorGradScheduler": ({**LEADING, "num_train_timesteps": 1000, "beta_end": 0.02}, 1e-10),
    "DPMSolverMultistepScheduler": ({**LEADING, "prediction_type": "v_prediction"}, 1e-5),
    "EulerDiscreteScheduler": (LEADING, 1e-4),
    "FlowMatchEulerDiscreteScheduler": ({"shift": 3.0}, 1e-10),
}


@pytest.mark.parametrize("model_space", MODEL_SPACES)
@pytest.mark.parametrize("name", SOLVERS)
def test_whole_samplings_with_it_are_those_with_the_best_prediction(name: str, model_space: str) -> None:
    config, tolerance = SOLVERS[name]
    plain = getattr(priordiff if name == "PriorGradScheduler" else diffusers, name)
    scheduler = under(isotropic(1.2), plain(**config), model_space)
    network = adapted("flow_prediction" if "shift" in config else "epsilon", scheduler)
    found = sample(scheduler, lambda seen, t: network(seen, t)[0])
    best = sample(scheduler, lambda seen, t: best_prediction(scheduler, scheduler.prior, seen, t.reshape(1)))
    assert float((found - best).abs().max()) < tolerance


def test_a_solver_of_second_order_that_stops_between_timesteps_ends_where_others_do() -> None:
    ends = []
    for plain in (diffusers.HeunDiscreteScheduler, diffusers.DPMSolverMultistepScheduler):
        scheduler = under(isotropic(0.5), plain(beta_end=0.03, use_karras_sigmas=True))
        network = adapted("epsilon", scheduler)
        ends.append(sample(scheduler, lambda seen, t, network=network: network(seen, t)[0], steps=60))
    torch.testing.assert_close(*ends, rtol=0, atol=0.01)


def sample(scheduler: Any, network: Any, steps: int = 10) -> Tensor:
    scheduler.set_timesteps(steps)
    x = random(3, *EVENT, seed=9) * scheduler.init_noise_sigma
    torch.manual_seed(1)
    for t in scheduler.timesteps:
        x = scheduler.step(network(scheduler.scale_model_input(x, t), t), t, x)[0]
    return x


def test_a_covariance_that_is_nearly_isotropic_is_nearly_exact() -> None:
    def error_at(spread: float) -> float:
        std = (spread * random(1, *EVENT, seed=3)).exp()
        return error("epsilon", under(DiagonalPrior(random(1, *EVENT), std), trained_with("epsilon")))

    assert error_at(0.1) < 0.1
    assert error_at(0.01) < error_at(0.1) / 5


@pytest.mark.parametrize("structure", PRIORS)
def test_every_covariance_has_its_isotropic_one(structure: str) -> None:
    prior = PRIORS[structure](3)
    scheduler = under(prior, trained_with("epsilon"))
    t = torch.tensor([300, 500, 700])
    (predicted,) = adapted("epsilon", scheduler)(states(scheduler, t), t)
    assert predicted.isfinite().all()


def test_isotropic_noise_in_another_basis_is_isotropic_too() -> None:
    blocks = torch.full((1, 2, 2, 4), 0.4).double()
    prior = LappedPrior(random(1, *EVENT, seed=1), blocks, hop_length=4)
    assert error("epsilon", under(prior, trained_with("epsilon"))) < 1e-10


@pytest.mark.parametrize(("std", "timestep"), [(0.01, 50), (50.0, 900)])
def test_beyond_the_ends_every_prediction_type_says_the_same(std: float, timestep: int) -> None:
    prior, t, said = isotropic(std), torch.tensor([timestep]), []
    for wanted in ("epsilon", "sample"):
        scheduler = under(prior, trained_with(wanted))
        seen = states(scheduler, t)
        said.append(adapted("epsilon", scheduler)(seen, t)[0])
    level = float(diffusers.DDPMScheduler().alphas_cumprod[timestep])
    together = level**0.5 * said[1] + (1 - level) ** 0.5 * said[0]
    torch.testing.assert_close(together, seen, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("std", "timestep"), [(0.01, 60), (3.0, 999)])
def test_beyond_the_ends_its_data_is_hardly_worse(std: float, timestep: int) -> None:
    scheduler = under(isotropic(std), trained_with("sample"))
    assert error("epsilon", scheduler, torch.tensor([timestep])) < 0.02


NO_SIGNAL = {"rescale_betas_zero_snr": True, "clip_sample": False}


def without_signal(
    prediction: str, wanted: str, prior: GaussianPrior | None
) -> tuple[Tensor, Tensor, Tensor]:
    """What is seen, said by a network, and made of that for a scheduler, at a step that is all noise."""
    scheduler = under(prior, diffusers.DDPMScheduler(prediction_type=wanted, **NO_SIGNAL), "data")
    t, output = torch.tensor([999]), random(1, *EVENT, seed=2)
    seen = states(scheduler, t)
    process = TrainedProcess(diffusers.DDPMScheduler(prediction_type=prediction, **NO_SIGNAL))
    converted = conversion(scheduler, process, t, seen)
    assert converted.timesteps.tolist() == [999]
    return seen, output, converted.prediction(output, converted.input(seen))


@pytest.mark.parametrize("prediction", ["epsilon", "sample", "v_prediction"])
@pytest.mark.parametrize("prior", [None, DiagonalPrior(0.0, 1.0)], ids=["none", "white"])
def test_where_nothing_is_left_of_the_signal_not_a_bit_changes_either(
    prior: GaussianPrior | None, prediction: str
) -> None:
    _, output, predicted = without_signal(prediction, prediction, prior)
    assert torch.equal(predicted, output)


def test_where_nothing_is_left_of_the_signal_predicted_noise_is_only_as_strong_as_the_prior_s() -> None:
    _, output, predicted = without_signal("epsilon", "epsilon", isotropic(0.5))
    torch.testing.assert_close(predicted, 0.5 * output)


@pytest.mark.parametrize("wanted", ["sample", "v_prediction"])
def test_where_nothing_is_left_of_the_signal_predicted_noise_says_nothing_of_the_data(wanted: str) -> None:
    assert not without_signal("epsilon", wanted, isotropic(0.5))[2].any()


@pytest.mark.parametrize("prediction", ["epsilon", "sample", "v_prediction"])
def test_where_nothing_is_left_of_the_signal_the_prior_s_gradient_is_finite(prediction: str) -> None:
    std = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    prior = DiagonalPrior(random(1, *EVENT), std)
    _, _, predicted = without_signal(prediction, prediction, prior)
    predicted.square().mean().backward()
    assert std.grad is not None
    assert std.grad.isfinite()
