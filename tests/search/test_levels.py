from __future__ import annotations

import numpy as np
import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler

from priordiff import PriorGradScheduler, with_prior
from priordiff.pipelines import with_solver
from priordiff.search.levels import half_log_snr, nearest_timesteps, straight_timesteps, training_levels

# So many that the nearest training step has nearly the level of the flow.
TRAINED = PriorGradScheduler(num_train_timesteps=20000, beta_start=2e-6, beta_end=1e-3)


def test_ddim_of_a_diffusion_is_euler_of_a_flow_in_other_units() -> None:
    timesteps = straight_timesteps(training_levels(TRAINED), 5, shift=2.0)
    diffusion = with_solver(TRAINED, "dpm++", solver_order=1)
    diffusion.set_timesteps(timesteps=timesteps)
    a, s = (torch.from_numpy(v) for v in _scales(timesteps))
    flow = with_prior(FlowMatchEulerDiscreteScheduler())
    flow.set_timesteps(sigmas=(s / (a + s)).tolist())

    def data_of(y: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        return (3 * y * sigma).tanh()  # any network

    z = torch.randn(4, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    y = z / (a[0] + s[0])
    for index, t in enumerate(diffusion.timesteps):
        sigma = s[index] / (a[index] + s[index])
        x0 = data_of(z / (a[index] + s[index]), sigma)
        z = diffusion.step((z - a[index] * x0) / s[index], t, z).prev_sample
        x0 = data_of(y, sigma)
        velocity = (y - (1 - sigma) * x0) / sigma - x0
        y = flow.step(velocity, flow.timesteps[index], y).prev_sample
    torch.testing.assert_close(z, y.double(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("shift", [0.25, 1.0, 3.0])
def test_a_straight_path_has_the_sigmas_of_a_flow_from_the_last_training_step_to_the_data(
    shift: float,
) -> None:
    timesteps = straight_timesteps(training_levels(TRAINED), 4, shift)
    assert timesteps[0] == 19999
    a, s = _scales(timesteps)
    sigmas = s / (a + s)
    unshifted = sigmas / (shift - (shift - 1) * sigmas)
    np.testing.assert_allclose(unshifted / unshifted[0], [1, 0.75, 0.5, 0.25], atol=2e-3)


def test_the_nearest_timestep_of_a_training_level_is_its_own() -> None:
    levels = training_levels(PriorGradScheduler())
    assert nearest_timesteps(half_log_snr(levels), levels) == list(range(50))


def _scales(timesteps: list[int]) -> tuple[np.ndarray, np.ndarray]:
    levels = training_levels(TRAINED)[timesteps]
    return np.sqrt(levels), np.sqrt(1 - levels)
