from __future__ import annotations

import math

import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    EDMEulerScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    PNDMScheduler,
)
from diffusers.training_utils import compute_snr

from priordiff import (
    DiagonalPrior,
    LappedPrior,
    PriorGradScheduler,
    min_snr_weight,
    p2_weight,
    prior_loss,
    snr,
)

TIMESTEPS = torch.tensor([0, 1, 250, 500, 998])
WEIGHTS = {
    "min-SNR": min_snr_weight,
    "min-SNR, γ = 0.1": lambda scheduler, timesteps: min_snr_weight(scheduler, timesteps, gamma=0.1),
    "P2": p2_weight,
    "P2, k = 0.3, γ = 0.5": lambda scheduler, timesteps: p2_weight(scheduler, timesteps, k=0.3, gamma=0.5),
}
weights = pytest.mark.parametrize("weight", WEIGHTS.values(), ids=WEIGHTS.keys())


def flow_solver(prediction_type: str) -> DPMSolverMultistepScheduler:
    scheduler = DPMSolverMultistepScheduler(
        prediction_type=prediction_type, use_flow_sigmas=True, flow_shift=3.0
    )
    scheduler.set_timesteps(1000)  # until then its sigmas are not those of a flow
    return scheduler


@pytest.mark.parametrize(
    "scheduler_class",
    [DDPMScheduler, PNDMScheduler, DPMSolverMultistepScheduler, EulerDiscreteScheduler],
)
def test_the_ratio_is_that_of_diffusers_whether_by_betas_or_by_sigmas(scheduler_class) -> None:
    scheduler = scheduler_class(beta_schedule="scaled_linear")
    scheduler.set_timesteps(1000)
    timesteps = TIMESTEPS[1:]  # solvers have no step 0
    torch.testing.assert_close(
        snr(scheduler, timesteps), compute_snr(scheduler, timesteps), rtol=1e-3, atol=0
    )


def test_the_ratio_of_flow_matching_is_that_of_one_minus_sigma_and_sigma() -> None:
    scheduler = FlowMatchEulerDiscreteScheduler(shift=3.0)
    timesteps, sigmas = scheduler.timesteps[[0, 10, 500, 999]], scheduler.sigmas[[0, 10, 500, 999]]
    torch.testing.assert_close(snr(scheduler, timesteps), ((1 - sigmas) / sigmas).square())


def test_a_prior_does_not_change_the_ratio_and_is_kept() -> None:
    scheduler, timesteps = PriorGradScheduler(), torch.tensor([0, 20, 49])
    plain = snr(scheduler, timesteps)
    prior = DiagonalPrior(mean=torch.full((3, 1, 8), 7.0), std=0.01)
    scheduler.set_prior(prior)
    assert torch.equal(snr(scheduler, timesteps), plain)
    assert scheduler.prior is prior


def test_min_snr_weights_are_those_of_the_paper() -> None:
    for prediction_type, of_the_error in [
        ("epsilon", lambda ratio: ratio),
        ("sample", torch.ones_like),
        ("v_prediction", lambda ratio: ratio + 1),
    ]:
        scheduler = DDPMScheduler(prediction_type=prediction_type)
        ratio = compute_snr(scheduler, TIMESTEPS)
        expected = torch.stack([ratio, torch.full_like(ratio, 5.0)]).amin(0) / of_the_error(ratio)
        torch.testing.assert_close(min_snr_weight(scheduler, TIMESTEPS), expected)


def test_the_output_of_a_preconditioned_network_is_weighted_by_its_share_of_the_sample() -> None:
    scheduler = EDMEulerScheduler(sigma_data=0.5)
    timesteps, sigmas = scheduler.timesteps[[0, 300, 999]], scheduler.sigmas[[0, 300, 999]]
    output_share = 0.5 * sigmas / (sigmas.square() + 0.25).sqrt()  # c_out of Karras et al., NeurIPS 2022
    expected = (1 / sigmas).square().clamp(max=5) * output_share.square()
    torch.testing.assert_close(min_snr_weight(scheduler, timesteps), expected)


def test_the_p2_weight_of_the_noise_is_that_of_the_paper() -> None:
    scheduler = DDPMScheduler()
    ratio = compute_snr(scheduler, TIMESTEPS)
    torch.testing.assert_close(p2_weight(scheduler, TIMESTEPS), 1 / (1 + ratio))
    torch.testing.assert_close(p2_weight(scheduler, TIMESTEPS, k=0.5, gamma=2.0), (0.5 + ratio) ** -2)
    assert torch.equal(p2_weight(scheduler, TIMESTEPS, gamma=0.0), torch.ones(5))


@weights
@pytest.mark.parametrize(
    "prior",
    [None, LappedPrior(0.3, torch.linspace(0.1, 1, 8, dtype=torch.float64).reshape(1, 1, 2, 4), 4)],
    ids=["plain", "lapped"],
)
@pytest.mark.parametrize(
    ("make", "prediction_types"),
    [
        (lambda kind: DDPMScheduler(prediction_type=kind), ["epsilon", "sample", "v_prediction"]),
        (lambda kind: EulerDiscreteScheduler(prediction_type=kind), ["epsilon", "sample", "v_prediction"]),
        (flow_solver, ["epsilon", "sample", "v_prediction", "flow_prediction"]),
    ],
    ids=["variance preserving", "variance exploding", "flow"],
)
def test_a_prediction_has_the_same_loss_however_it_is_expressed(
    make, prediction_types, prior, weight
) -> None:
    x0, noise, predicted_x0 = torch.randn(3, 5, 1, 8, dtype=torch.float64)
    scheduler = make("epsilon")
    timesteps = scheduler.timesteps[[1, 10, 250, 750, 990]]
    one, zero = torch.ones_like(x0), torch.zeros_like(x0)
    signal = scheduler.add_noise(one, zero, timesteps)
    scale = scheduler.add_noise(zero, one, timesteps)
    # x_t is given, so a predicted x0 implies a predicted noise.
    predicted_noise = noise + signal / scale * (x0 - predicted_x0)
    total = torch.hypot(signal, scale)
    targets = {
        "epsilon": lambda x, n: n,
        "sample": lambda x, n: x,
        "v_prediction": lambda x, n: (signal * n - scale * x) / total,
        "flow_prediction": lambda x, n: n - x,
    }
    losses = [
        prior_loss(
            targets[kind](predicted_x0, predicted_noise),
            targets[kind](x0, noise),
            prior,
            weight=weight(make(kind), timesteps),
        )
        for kind in prediction_types
    ]
    torch.testing.assert_close(torch.stack(losses), losses[0].expand(len(losses)), rtol=1e-5, atol=0)


@weights
def test_flow_matching_schedulers_predict_the_flow(weight) -> None:
    matching, solver = FlowMatchEulerDiscreteScheduler(shift=3.0), flow_solver("flow_prediction")
    sigmas = torch.tensor([0.9, 0.5, 0.1])
    solver.sigmas = matching.sigmas = sigmas
    solver.timesteps = matching.timesteps = 1000 * sigmas
    torch.testing.assert_close(weight(matching, 1000 * sigmas), weight(solver, 1000 * sigmas))


@weights
@pytest.mark.parametrize("kind", ["epsilon", "sample", "v_prediction", "flow_prediction"])
def test_pure_noise_has_the_limit_of_the_weights(kind, weight) -> None:
    scheduler = DDIMScheduler(rescale_betas_zero_snr=True, prediction_type=kind)
    assert snr(scheduler, torch.tensor([999])) == 0
    at_the_end = weight(scheduler, torch.tensor([999]))
    expected = 0.0 if kind != "epsilon" else 0.3**-0.5 if "k = 0.3" in _name(weight) else 1.0
    torch.testing.assert_close(at_the_end, torch.tensor([expected]))


def _name(weight) -> str:
    return next(name for name, value in WEIGHTS.items() if value is weight)


def test_no_noise_has_the_limit_of_the_weights() -> None:
    timesteps = torch.tensor([1000.0, 0.0])
    for kind in ("epsilon", "sample", "v_prediction", "flow_prediction"):
        scheduler = flow_solver(kind)
        scheduler.timesteps, scheduler.sigmas = timesteps, torch.tensor([1.0, 0.0])
        assert snr(scheduler, timesteps).tolist() == [0, math.inf]
        is_sample = kind == "sample"
        for weight, of_sample in [
            (min_snr_weight(scheduler, timesteps), 5.0),
            (p2_weight(scheduler, timesteps), 1.0),
            (p2_weight(scheduler, timesteps, gamma=2.0), 0.0),
        ]:
            torch.testing.assert_close(weight[1], torch.tensor(of_sample if is_sample else 0.0))
        if is_sample:
            with pytest.raises(ValueError, match=r"timesteps=\[0.0\] have no noise.*gamma=0.5"):
                p2_weight(scheduler, timesteps, gamma=0.5)
        else:
            assert p2_weight(scheduler, timesteps, gamma=0.5)[1] < 1e-12


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: snr(DDPMScheduler(), torch.tensor(3)), r"\(\), expected \(batch,\)"),
        (lambda: min_snr_weight(DDPMScheduler(), TIMESTEPS, gamma=0.0), "gamma=0.0, expected"),
        (
            lambda: min_snr_weight(DDPMScheduler(), TIMESTEPS, gamma=math.nan),
            "gamma=nan, expected",
        ),
        (lambda: p2_weight(DDPMScheduler(), TIMESTEPS, k=0.0), "k=0.0, expected"),
        (lambda: p2_weight(DDPMScheduler(), TIMESTEPS, gamma=-1.0), "gamma=-1.0, expected"),
        (
            lambda: p2_weight(DDPMScheduler(prediction_type="score"), TIMESTEPS),
            "prediction_type='score' of DDPMScheduler, expected 'epsilon'",
        ),
    ],
    ids=["scalar", "zero gamma", "NaN gamma", "zero k", "negative gamma", "prediction type"],
)
def test_what_does_not_fit_is_an_error_in_one_line(call, message) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
