from __future__ import annotations

from typing import Any

import diffusers
import pytest
import torch
from torch import Tensor

from priordiff import DiagonalPrior, GaussianPrior, LowRankPrior, adapt_to_prior
from tests.fine_tuning.gaussian import (
    MODEL_SPACES,
    PLACES,
    PREDICTIONS,
    GaussianDenoiser,
    adapted,
    isotropic,
    states,
    timesteps_of,
    trained_with,
    under,
)
from tests.pipelines.tiny import conditional_unet, unconditional_unet
from tests.priors.cases import EVENT, PRIORS, random

PLAIN = DiagonalPrior(torch.zeros(1, 3, 8, 8), torch.ones(1, 1, 8, 8))


@pytest.mark.parametrize("model_space", MODEL_SPACES)
@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("prior", [None, PLAIN], ids=["none", "white"])
def test_under_the_noise_that_it_was_trained_with_not_a_bit_of_it_changes(
    prior: GaussianPrior | None, prediction: str, model_space: str
) -> None:
    network = unconditional_unet().requires_grad_(False)
    scheduler = under(prior, trained_with(prediction), model_space)
    t = scheduler.timesteps[[0, 400, -1]]
    x = torch.randn(3, 3, 8, 8)
    plain = network(x, t).sample
    adapt_to_prior(network, trained_with(prediction), scheduler)
    assert torch.equal(network(scheduler.scale_model_input(x, t), t).sample, plain)


def test_each_item_is_called_at_its_own_timestep() -> None:
    std = torch.tensor([0.2, 1.0, 3.0]).double().reshape(3, 1, 1)
    scheduler = under(DiagonalPrior(0.0, std), trained_with("epsilon"))
    seen = timesteps_of(scheduler, torch.tensor([500, 500, 500]))
    assert seen[1] == 500
    assert seen[0] < 450
    assert seen[2] > 550


def test_a_batch_for_guidance_holds_the_prior_s_twice() -> None:
    prior = PRIORS["diagonal, mean for the batch"](2)
    scheduler = under(prior, trained_with("epsilon"))
    network, x, t = adapted("epsilon", scheduler), random(2, *EVENT), torch.tensor(500)
    (once,) = network(scheduler.scale_model_input(x, t), t)
    (twice,) = network(scheduler.scale_model_input(torch.cat([x] * 2), t), t)
    torch.testing.assert_close(twice, torch.cat([once] * 2), rtol=1e-12, atol=1e-12)


def test_a_network_with_a_table_of_timesteps_is_called_at_whole_ones() -> None:
    network = diffusers.UNet2DModel(
        sample_size=8,
        time_embedding_type="learned",
        num_train_timesteps=1000,
        block_out_channels=(4,),
        layers_per_block=1,
        norm_num_groups=2,
        attention_head_dim=2,
        down_block_types=("DownBlock2D",),
        up_block_types=("UpBlock2D",),
    )
    seen: list[Tensor] = []
    network.time_proj.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    scheduler = under(DiagonalPrior(0.0, 0.5), diffusers.DDPMScheduler())
    adapt_to_prior(network, diffusers.DDPMScheduler(), scheduler)(torch.zeros(1, 3, 8, 8), 500)
    assert 300 < int(seen[0]) < 500


class Scaled(GaussianDenoiser):
    """Takes timesteps that are divided."""

    def forward(self, sample: Tensor, timestep: Tensor) -> Any:
        return super().forward(sample, timestep * 1000)


def test_timesteps_that_are_scaled_for_the_network_are_scaled_back() -> None:
    scheduler = under(isotropic(0.5), trained_with("flow_prediction"), "data")
    t = scheduler.timesteps[PLACES]
    seen = states(scheduler, t)
    network = adapt_to_prior(Scaled("flow_prediction"), trained_with("flow_prediction"), scheduler, 1e-3)
    expected = adapted("flow_prediction", scheduler)(seen, t)
    torch.testing.assert_close(network(seen, t.double() / 1000), expected, rtol=1e-9, atol=1e-9)


def test_scaled_timesteps_find_the_whole_ones_of_a_schedule_of_betas() -> None:
    scheduler = under(isotropic(0.5), trained_with("epsilon"))
    network = adapt_to_prior(Scaled("epsilon"), trained_with("epsilon"), scheduler, 1e-3)
    t, seen = torch.arange(100, 1000), random(900, *EVENT)
    expected = adapted("epsilon", scheduler)(seen, t)
    torch.testing.assert_close(network(seen, t / 1000), expected, rtol=1e-9, atol=1e-9)


def flux(**channels: int) -> Any:
    return diffusers.FluxTransformer2DModel(
        **{"in_channels": 4, **channels},
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=8,
        num_attention_heads=1,
        joint_attention_dim=8,
        pooled_projection_dim=8,
        axes_dims_rope=(4, 2, 2),
    )


@torch.no_grad()
def velocity(network: Any, x: Tensor, timestep: Tensor) -> Tensor:
    text, pooled, places = torch.zeros(len(x), 2, 8), torch.zeros(len(x), 8), torch.zeros(x.shape[1], 3)
    return network(x, text, pooled, timestep, places, torch.zeros(2, 3)).sample


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_scaled_timesteps_may_be_any_of_a_flow_s_and_change_nothing(dtype: torch.dtype) -> None:
    scheduler = under(DiagonalPrior(0.0, 1.0), trained_with("flow_prediction"))
    network, x = flux(), torch.randn(1000, 1, 4)
    timestep = scheduler.timesteps.to(dtype) / 1000
    plain = velocity(network, x, timestep)
    adapt_to_prior(network, trained_with("flow_prediction"), scheduler, 1e-3)
    assert torch.equal(velocity(network, x, timestep), plain)


@pytest.mark.parametrize("steps", [4, 28])
def test_a_loop_of_one_s_own_that_scales_timesteps_needs_no_begin_index(steps: int) -> None:
    scheduler, ends = under(DiagonalPrior(0.3, 0.5), diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0)), []
    network = adapt_to_prior(flux(), trained_with("flow_prediction"), scheduler, 1e-3)
    for begins in (False, True):
        scheduler.set_timesteps(steps)
        if begins:
            scheduler.set_begin_index(0)
        x = random(1, 4, 4).float() * scheduler.init_noise_sigma
        for t in scheduler.timesteps:
            v = velocity(network, scheduler.scale_model_input(x, t), t.reshape(1) / 1000)
            x = scheduler.step(v, t, x).prev_sample
        ends.append(x)
    assert torch.equal(*ends)


def test_channels_beside_the_state_are_left_alone() -> None:
    inpainting = conditional_unet(in_channels=9)  # the state, a mask and the masked image
    scheduler = under(DiagonalPrior(0.3, 0.5), diffusers.DDPMScheduler())
    seen = []
    inpainting.conv_in.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    network = adapt_to_prior(inpainting, diffusers.DDPMScheduler(), scheduler)
    x = torch.randn(2, 9, 8, 8)
    output = network(x, 500, encoder_hidden_states=torch.zeros(2, 3, 8), return_dict=False)
    assert output[0].shape == (2, 4, 8, 8)
    assert torch.equal(seen[0][:, 4:], x[:, 4:])
    assert not torch.equal(seen[0][:, :4], x[:, :4])


def test_channels_beside_the_state_of_tokens_are_left_alone() -> None:
    network = flux(in_channels=12, out_channels=4)  # as Flux Fill has them, channels last
    seen = []
    network.x_embedder.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    scheduler = under(DiagonalPrior(0.3, 0.5), trained_with("flow_prediction"))
    adapt_to_prior(network, trained_with("flow_prediction"), scheduler, 1e-3)
    x = torch.randn(2, 5, 12)
    assert velocity(network, x, torch.full((2,), 0.5)).shape == (2, 5, 4)
    assert torch.equal(seen[0][..., 4:], x[..., 4:])
    assert not torch.equal(seen[0][..., :4], x[..., :4])


def test_a_learned_variance_is_left_alone() -> None:
    network = conditional_unet(out_channels=8)
    x, text = torch.randn(2, 4, 8, 8), torch.zeros(2, 3, 8)
    scheduler = under(DiagonalPrior(0.0, 1.0), diffusers.DDPMScheduler(), "white")
    with torch.no_grad():
        plain = network(x, 500, text).sample
        output = adapt_to_prior(network, diffusers.DDPMScheduler(), scheduler)(x, 500, text).sample
        assert torch.equal(output, plain)
        scheduler.set_prior(DiagonalPrior(0.0, 0.7))
        assert network(x, 500, text).sample.shape == plain.shape


def test_gradients_reach_the_weights_and_the_prior() -> None:
    std = torch.tensor(0.5, requires_grad=True)
    scheduler = under(DiagonalPrior(torch.zeros(1, 3, 8, 8), std), diffusers.DDPMScheduler())
    network = adapt_to_prior(unconditional_unet(), diffusers.DDPMScheduler(), scheduler)
    t = torch.tensor([100, 900])
    x = scheduler.add_noise(torch.rand(2, 3, 8, 8), torch.randn(2, 3, 8, 8), t)
    network(scheduler.scale_model_input(x, t), t).sample.square().mean().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
    assert std.grad is not None


class Silent(diffusers.ModelMixin, diffusers.ConfigMixin):  # type: ignore[misc]
    """Says that there is nothing."""

    def forward(self, sample: Tensor, timestep: Tensor) -> tuple[Tensor]:
        self.shown = sample
        return (torch.zeros_like(sample),)


def test_mixed_precision_is_for_the_network_alone() -> None:
    factor = torch.randn(1, 3, 8, 8, 5)
    prior = LowRankPrior(torch.zeros(1, 3, 8, 8), torch.ones(1, 3, 8, 8), factor)
    scheduler = under(prior, diffusers.DDPMScheduler(), "white")
    network = adapt_to_prior(Silent(), diffusers.DDPMScheduler(), scheduler)
    x, t = torch.randn(2, 3, 8, 8), torch.tensor([10, 900])
    (expected,), shown = network(x, t), network.shown
    with torch.autocast("cpu", torch.bfloat16):
        (predicted,) = network(x, t)
    assert torch.equal(network.shown, shown)
    assert torch.equal(predicted, expected)


def test_half_precision_stays_what_it_is() -> None:
    scheduler = under(DiagonalPrior(0.1, 0.5), diffusers.DDPMScheduler())
    network = adapt_to_prior(unconditional_unet().bfloat16(), diffusers.DDPMScheduler(), scheduler)
    x = torch.randn(2, 3, 8, 8).bfloat16()
    assert network(x, torch.tensor([10, 900])).sample.dtype == torch.bfloat16


def test_without_a_scheduler_a_call_is_an_error() -> None:
    network = adapt_to_prior(unconditional_unet(), diffusers.DDPMScheduler())
    with pytest.raises(
        ValueError, match=r"which scheduler holds the prior: network\.follow\(pipe\.scheduler\)"
    ):
        network(torch.zeros(1, 3, 8, 8), 500)


def test_a_scheduler_that_can_have_no_prior_is_an_error() -> None:
    with pytest.raises(
        ValueError, match="the scheduler is a DDPMScheduler, expected one that can have a prior"
    ):
        adapt_to_prior(unconditional_unet(), diffusers.DDPMScheduler(), diffusers.DDPMScheduler())


def test_a_prior_that_does_not_fit_is_an_error() -> None:
    scheduler = under(DiagonalPrior(torch.zeros(3, 3, 8, 8), 1.0), diffusers.DDPMScheduler())
    network = adapt_to_prior(unconditional_unet(), diffusers.DDPMScheduler(), scheduler)
    with pytest.raises(ValueError, match="3 Gaussians over events of shape"):
        network(torch.zeros(2, 3, 8, 8), 500)
