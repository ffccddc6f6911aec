from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from torch import Tensor

from priordiff import DiagonalPrior, adapt_to_prior, apply_prior, with_prior
from priordiff.fine_tuning import PriorAdapterMixin, prior_adapter_class
from tests.fine_tuning.gaussian import GaussianDenoiser
from tests.pipelines.tiny import (
    LATENT,
    PROMPTS,
    conditional_unet,
    dit,
    flux,
    stable_diffusion,
    stable_diffusion_3,
    unconditional_unet,
)
from tests.pipelines.white_space import SEED, run

PRIOR = DiagonalPrior(0.3, 0.5)
TEXT = torch.zeros(2, 3, 8)


def scheduler() -> Any:
    scheduler = with_prior(diffusers.DDPMScheduler())
    scheduler.set_prior(PRIOR)
    return scheduler


def adapted_unet() -> Any:
    return adapt_to_prior(conditional_unet(), diffusers.DDPMScheduler(), scheduler()).eval()


def output(network: Any, seed: int = 0) -> Tensor:
    x = torch.randn(2, *LATENT, generator=torch.Generator().manual_seed(seed))
    return network(x, torch.tensor([200, 700]), TEXT).sample


def test_it_stays_what_it_was() -> None:
    plain = conditional_unet()
    names, config = list(plain.state_dict()), dict(plain.config)
    network = adapt_to_prior(plain, diffusers.DDPMScheduler())
    assert network is plain
    assert isinstance(network, diffusers.UNet2DConditionModel)
    assert list(network.state_dict()) == names
    assert {name: network.config[name] for name in config} == config


def test_adapted_again_it_takes_the_new_training() -> None:
    network = adapted_unet()
    before = output(network)
    adapt_to_prior(network, diffusers.DDPMScheduler(prediction_type="sample"))
    assert type(network) is prior_adapter_class(diffusers.UNet2DConditionModel)
    assert not torch.equal(output(network), before)


def test_saved_and_loaded_it_says_the_same(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    network = adapted_unet()
    network.save_pretrained(tmp_path)
    loaded = type(network).from_pretrained(tmp_path)
    loaded.follow(scheduler())
    assert type(loaded) is type(network)
    assert torch.equal(output(loaded), output(network))
    assert "not expected" not in caplog.text


def test_copies_and_pickles_say_the_same() -> None:
    network = adapted_unet()
    for each in (copy.deepcopy(network), pickle.loads(pickle.dumps(network))):
        assert torch.equal(output(each), output(network))


def test_a_network_of_one_s_own_is_loaded_by_its_class(tmp_path: Path) -> None:
    adapt_to_prior(GaussianDenoiser("epsilon"), diffusers.DDPMScheduler()).save_pretrained(tmp_path)
    loaded = prior_adapter_class(GaussianDenoiser).from_pretrained(tmp_path)
    assert isinstance(loaded, GaussianDenoiser)
    assert loaded.process.num_train_timesteps == 1000


def test_in_a_pipeline_it_follows_the_scheduler_and_is_saved_with_it(tmp_path: Path) -> None:
    arguments = {"prompt": PROMPTS, "num_inference_steps": 2, "guidance_scale": 3.0, "output_type": "latent"}
    torch.manual_seed(0)
    pipe = stable_diffusion()
    plain = run(pipe, pipe.scheduler, **arguments)
    adapt_to_prior(pipe.unet, pipe.scheduler)
    apply_prior(pipe, lambda contrast: DiagonalPrior(0.0, contrast))

    def images(pipe: Any, contrast: float) -> Tensor:
        generator = torch.Generator().manual_seed(SEED)
        return pipe(contrast=contrast, generator=generator, **arguments).images

    torch.testing.assert_close(images(pipe, 1.0), plain, rtol=1e-12, atol=1e-12)
    pipe.scheduler = with_prior(diffusers.DDIMScheduler.from_config(pipe.scheduler.config))
    other = images(pipe, 0.5)
    pipe.save_pretrained(tmp_path)
    loaded = diffusers.DiffusionPipeline.from_pretrained(tmp_path, torch_dtype=torch.float64)
    loaded.set_progress_bar_config(disable=True)
    assert isinstance(loaded.unet, PriorAdapterMixin)
    apply_prior(loaded, lambda contrast: DiagonalPrior(0.0, contrast))
    torch.testing.assert_close(images(loaded, 0.5), other, rtol=1e-5, atol=1e-5)


ARGUMENTS: dict[Any, dict[str, Any]] = {
    dit: {"class_labels": [7, 207]},
    stable_diffusion_3: {"prompt": PROMPTS},
    flux: {"prompt": PROMPTS, "height": 16, "width": 16, "max_sequence_length": 4},
}


@pytest.mark.parametrize("make", ARGUMENTS)
def test_other_networks_are_adapted_too(make: Any) -> None:
    arguments = {"num_inference_steps": 2, "guidance_scale": 3.0, **ARGUMENTS[make]}
    arguments["output_type"] = "pt" if make is dit else "latent"
    torch.manual_seed(0)
    pipe = make()
    plain = run(pipe, pipe.scheduler, **arguments)
    scale = 1e-3 if make is flux else 1.0
    pipe.transformer = adapt_to_prior(pipe.transformer, pipe.scheduler, timestep_scale=scale)
    apply_prior(pipe, lambda contrast: DiagonalPrior(0.0, contrast))

    def images(contrast: float) -> Tensor:
        output = pipe(contrast=contrast, generator=torch.Generator().manual_seed(SEED), **arguments)
        return torch.as_tensor(next(iter(output.values())))

    torch.testing.assert_close(images(1.0), plain, rtol=1e-4, atol=1e-5)
    assert images(0.5).isfinite().all()


def test_a_timestep_that_is_none_of_a_flow_s_is_named() -> None:
    flow = with_prior(diffusers.FlowMatchEulerDiscreteScheduler())
    flow.set_prior(PRIOR)
    network = adapt_to_prior(conditional_unet(), diffusers.DDPMScheduler(), flow)
    with pytest.raises(ValueError, match=r"0\.69.*none of the scheduler's.*timestep_scale"):
        network(torch.randn(2, *LATENT), torch.tensor([0.2, 0.7]), TEXT)


def test_a_lora_trains_its_own_weights_alone_and_merges() -> None:
    peft = pytest.importorskip("peft")
    network = adapted_unet().requires_grad_(False)
    before = output(network)
    network.add_adapter(peft.LoraConfig(r=2, target_modules=["to_q", "to_v"], init_lora_weights=False))
    trained = [name for name, parameter in network.named_parameters() if parameter.requires_grad]
    assert trained
    assert all("lora" in name for name in trained)
    output(network).square().mean().backward()
    assert all(parameter.grad is not None for parameter in network.parameters() if parameter.requires_grad)
    with torch.no_grad():
        changed = output(network)
        assert not torch.allclose(changed, before)
        network.fuse_lora()
        torch.testing.assert_close(output(network), changed, rtol=1e-4, atol=1e-5)


def test_peft_wraps_a_network_that_takes_no_adapters_itself() -> None:
    peft = pytest.importorskip("peft")
    network = adapt_to_prior(unconditional_unet(), diffusers.DDPMScheduler(), scheduler())
    wrapped = peft.get_peft_model(network, peft.LoraConfig(r=2, target_modules=["to_q"]))
    x = torch.randn(2, 3, 8, 8)
    assert torch.equal(wrapped(x, 500).sample, network(x, 500).sample)
    merged = wrapped.merge_and_unload()
    assert isinstance(merged, PriorAdapterMixin)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (torch.nn.Linear(1, 1), "Linear is not a class of networks of diffusers"),
        (
            diffusers.AutoencoderKL(norm_num_groups=2, block_out_channels=(4,)),
            "expected one called 'timestep'",
        ),
    ],
)
def test_what_is_no_denoiser_is_an_error(network: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        adapt_to_prior(network, diffusers.DDPMScheduler())


def test_an_error_leaves_the_network_as_it_was() -> None:
    network = unconditional_unet()
    with pytest.raises(ValueError, match="expected one that can have a prior"):
        adapt_to_prior(network, diffusers.DDPMScheduler(), diffusers.DDPMScheduler())
    assert type(network) is diffusers.UNet2DModel


def test_a_configuration_that_does_not_say_how_it_was_trained_is_an_error() -> None:
    network = prior_adapter_class(GaussianDenoiser)("epsilon")
    network.follow(scheduler())
    with pytest.raises(ValueError, match="has no entry 'trained_with': load the plain GaussianDenoiser"):
        network(torch.zeros(1, 2, 8).double(), torch.tensor(500))
