"""One denoiser, as the network that it is in each model space."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor

from priordiff import GaussianPrior
from tests.schedulers.drivers import Network, make, parameters_of, sample, white_noise_for

MODEL_SPACES = ["centered", "data", "white"]
_FLOWS = {  # the velocity towards the noise, or towards the data, whatever the configuration says
    "FlowMapEuler": -1.0,
    "FlowMatchEuler": -1.0,
    "FlowMatchHeun": -1.0,
    "FlowMatchLCM": -1.0,
    "HeliosDMD": -1.0,
    "LTXEulerAncestralRF": -1.0,
    "MiniMaxH3": 1.0,
    "RFD4Proteina": 1.0,
}


def white_network(z: Tensor, t: Any) -> Tensor:
    """A nonlinear function whose every output depends on all elements of an item, and on the timestep."""
    time = torch.as_tensor(t).to(z.dtype).mean().clamp(max=1000) / 1000
    return torch.tanh(z.cumsum(-1) * 0.3 + z.flip(-1) + time)


def network_for(scheduler: Any, prior: GaussianPrior) -> Network:
    """The network that is `white_network` to someone who works in the scheduler's model space."""
    space = scheduler.config.get("model_space", "centered")

    def network(model_input: Tensor, t: Any) -> Tensor:
        if space == "white":
            return white_network(model_input, t)
        if space == "centered":
            return prior.color(white_network(prior.whiten(model_input), t))
        output = prior.color(white_network(prior.to_white(model_input), t))
        return output + weight_of_data(scheduler, t) * prior.mean

    return network


@cache
def prediction_configs(name: str) -> list[dict[str, Any]]:
    """What to configure for each prediction type that a scheduler knows; nothing where it has no choice."""
    if "prediction_type" not in parameters_of(name):
        return [{}]
    configs, results = [], []
    for prediction in ("epsilon", "sample", "v_prediction", "flow_prediction"):
        config: dict[str, Any] = {"prediction_type": prediction}
        if prediction == "flow_prediction" and "use_flow_sigmas" in parameters_of(name):
            config["use_flow_sigmas"] = True
        try:
            states = sample(make(name, **config), white_network, white_noise_for(name))
        except (NotImplementedError, TypeError, ValueError):
            continue
        if all(state.isfinite().all() for state in states):
            configs.append(config)
            results.append(states[-1])
    has_choice = any(not torch.equal(result, results[0]) for result in results)
    return configs if has_choice else [{}]


def weight_of_data(scheduler: Any, t: Any) -> float | Tensor:
    """The weight of x₀ in what the network predicts at a timestep.

    Written down from the papers, with the numbers of the solver's own tables at its place in the loop.
    """
    name = scheduler.plain_class.__name__.removesuffix("Scheduler").removesuffix("Discrete")
    step = getattr(scheduler, "step_index", None) or getattr(scheduler, "begin_index", None) or 0
    if name == "ConsistencyDecoder":
        signal = scheduler.sqrt_alphas_cumprod[t].double()
        return (1 - scheduler.c_skip[t] * signal) / scheduler.c_out[t]
    if name == "CMStochasticIterative":
        skip, out = scheduler.get_scalings_for_boundary_condition(scheduler.sigmas[step].double())
        return (1 - skip) / out
    if hasattr(scheduler, "precondition_outputs"):  # Karras et al., table 1
        sigma, sigma_data = scheduler.sigmas[step].double(), scheduler.config.sigma_data
        sign = -1 if scheduler.config.prediction_type == "v_prediction" else 1
        return sign * sigma / sigma_data / torch.hypot(sigma, torch.tensor(sigma_data))
    if name == "SCM":  # v of a circle, cos t · σ_d n − sin t · x₀
        return -torch.as_tensor(t).double().sin()
    if name == "IPNDM":
        return -scheduler.betas[step]
    if name in _FLOWS:
        return _FLOWS[name]
    constants = {"epsilon": 0.0, "sample": 1.0, "flow_prediction": -1.0, None: 0.0}
    prediction = scheduler.config.get("prediction_type")
    return constants[prediction] if prediction in constants else -_noise_share(scheduler, t, step)


def _noise_share(scheduler: Any, t: Any, step: int) -> Tensor:
    """s / √(a² + s²) for x_t = a x₀ + s n."""
    if hasattr(scheduler, "_sigma_to_alpha_sigma_t"):
        signal, noise = scheduler._sigma_to_alpha_sigma_t(scheduler.sigmas[step].double())
        return noise / torch.hypot(signal, noise)
    if hasattr(scheduler, "sigmas"):  # the input is scaled by 1 / √(1 + σ²)
        scale = scheduler.plain_class.scale_model_input(scheduler, torch.ones((), dtype=torch.float64), t)
        return (1 - scale.square()).sqrt()
    return (1 - scheduler.alphas_cumprod[t].double()).sqrt()
