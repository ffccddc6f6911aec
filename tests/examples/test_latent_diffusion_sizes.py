"""The configurations of the latent diffusion example, and the networks that they name."""

from __future__ import annotations

import math
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import DiTTransformer2DModel, UNet2DModel

pytest.importorskip("efficientnet_lite_pytorch")

from latent_diffusion.__main__ import main
from latent_diffusion.command_line import COMMANDS
from latent_diffusion.configuration import CONFIGS, LatentDiffusionConfig
from latent_diffusion.encoding import EncodedImages
from latent_diffusion.network import Denoiser, make_network
from latent_diffusion.priors import PRIORS
from latent_diffusion.sections import AutoencoderConfig, DiTConfig, EstimatorConfig, SchedulerConfig
from latent_diffusion.unet import UNetConfig, unet_arguments
from priordiff import ImagePipeline
from priordiff.commands import main as priordiff
from priordiff.commands.arguments import COMMANDS as SHELL
from priordiff.experiments import configuration_from
from priordiff.pipelines import Conditioning
from priordiff.training import load_config
from tests.examples.tiny import as_overrides

# What makes any configuration one of seconds, beside the sizes that all of them share.
SMALL: dict[str, object] = {
    "corpus.dataset": "null",
    "unet.attention": "[-1]",
    "unet.head_channels": 8,
    "unet.norm_groups": 8,
    "autoencoder.layers": 1,
    "autoencoder.training.num_workers": 0,
    "dit.layers": 1,
    "dit.heads": 2,
    "dit.head_channels": 8,
    "training.num_workers": 0,
}


def network_of(config: LatentDiffusionConfig, shape: tuple[int, int, int], classes: int = 0) -> Any:
    """The network of a configuration, for samples of a shape."""
    labels = torch.zeros(1, dtype=torch.long) if classes else None
    data = EncodedImages(torch.zeros(1, *shape), Conditioning(labels), ("one",))
    return make_network(config, data, classes)


def millions(network: torch.nn.Module) -> float:
    return sum(parameter.numel() for parameter in network.parameters()) / 1e6


@pytest.mark.parametrize("name", sorted(path.stem for path in CONFIGS.glob("*.yaml")))
def test_every_configuration_trains_and_samples_at_a_tiny_size(
    name: str, tiny_images: list[str], tmp_path: Path
) -> None:
    config = load_config(LatentDiffusionConfig, CONFIGS / f"{name}.yaml")
    overrides = [*tiny_images, *as_overrides(SMALL), "compare=[]"]
    assert main(["--config", name, *overrides, "--output", str(tmp_path)]) == 0
    run = tmp_path / f"{config.task}-{config.prior}-seed0"
    pipeline = ImagePipeline.from_pretrained(run / "model")
    assert (pipeline.config.task, pipeline.vae is None) == (config.task, config.space == "pixel")
    assert (tmp_path / "report.html").is_file()
    assert priordiff(["sample", "--model", str(run), "--count", "1", "--output", str(tmp_path / "out")]) == 0
    assert len(list((tmp_path / "out").iterdir())) == max(1, len(pipeline.config.classes or ()))


def test_the_readme_s_commands_can_be_parsed_and_its_tables_are_complete() -> None:
    folder = CONFIGS.parent
    readme = (folder / "README.md").read_text(encoding="utf-8")
    for line in re.findall(r"^accelerate launch .*?examples/latent_diffusion(.*)$", readme, re.MULTILINE):
        arguments = COMMANDS["train"].parser.parse_intermixed_args(shlex.split(line, comments=True))
        configuration_from(LatentDiffusionConfig, CONFIGS, arguments, "prior", PRIORS)
    for line in re.findall(r"^priordiff sample (.*)$", readme, re.MULTILINE):
        SHELL["sample"].parser.parse_intermixed_args(shlex.split(line))
    files = {path.name for path in folder.glob("*.py")} - {"__init__.py"}
    assert files <= set(re.findall(r"`(\w+\.py)`", readme))
    assert {path.stem for path in CONFIGS.glob("*.yaml")} <= set(
        re.findall(r"^\| `([\w-]+)` \|", readme, re.M)
    )


@pytest.mark.parametrize("option", ["network=dit", "training.channels_last=true"])
def test_networks_can_be_compiled_and_recompute_what_they_need(
    option: str, tiny_images: list[str], tmp_path: Path
) -> None:
    compiler = "eager" if "dit" in option else "null"  # a U-Net takes longer
    options = [option, f"training.compile={compiler}", "training.gradient_checkpointing=true"]
    overrides = [*tiny_images, *as_overrides(SMALL), *options]
    assert main([*overrides, "space=pixel", "compare=[]", "--output", str(tmp_path)]) == 0
    assert ImagePipeline.from_pretrained(tmp_path / "class-diagonal-seed0" / "model").vae is None


def test_cifar10_has_the_network_noise_and_training_of_ddpm() -> None:
    config = load_config(LatentDiffusionConfig, CONFIGS / "cifar10.yaml")
    with torch.device("meta"):
        unet = network_of(config, (3, 32, 32))
    assert isinstance(unet, UNet2DModel)
    assert round(millions(unet), 1) == 35.7  # Ho et al., appendix B
    kinds = [type(block).__name__ for block in (*unet.down_blocks, *unet.up_blocks)]
    assert [level for level, kind in enumerate(kinds) if kind.startswith("Attn")] == [1, 6]
    assert unet.down_blocks[1].attentions[0].heads == 1
    training = config.training
    assert (training.learning_rate, training.batch_size, training.ema_decay) == (2e-4, 128, 0.9999)
    assert (training.num_steps, config.flip, config.unet.dropout) == (800_000, True, 0.1)


def test_imagenet64_has_a_transformer_of_the_width_and_depth_of_dit_b_2() -> None:
    config = load_config(LatentDiffusionConfig, CONFIGS / "imagenet64.yaml")
    with torch.device("meta"):
        transformer = network_of(config, (4, 16, 16), classes=1000)
    assert isinstance(transformer, DiTTransformer2DModel)
    assert len(transformer.transformer_blocks) == 12
    assert (transformer.inner_dim, transformer.config.patch_size) == (768, 2)


def test_a_transformer_leaves_out_no_labels_of_its_own_accord() -> None:
    config = load_config(
        LatentDiffusionConfig,
        overrides=["network=dit", "dit.layers=1", "dit.heads=1", "dit.head_channels=8"],
    )
    # Whatever network it is: one that was loaded would leave out a tenth.
    network = Denoiser(network_of(config, (4, 8, 8), classes=3)).network.train()
    table = network.transformer_blocks[0].norm1.emb.class_embedder.embedding_table
    assert table.num_embeddings == 4, "three classes, and none"
    sample, labels = torch.randn(1, 4, 8, 8).expand(64, -1, -1, -1), torch.zeros(64, dtype=torch.long)
    with torch.no_grad():
        network.transformer_blocks[0].norm1.linear.weight.normal_()
        network.proj_out_2.weight.normal_()
        output = network(sample, torch.zeros(64), labels).sample
    torch.testing.assert_close(output, output[:1].expand_as(output), rtol=1e-4, atol=1e-5)


def test_levels_attend_where_the_configuration_says() -> None:
    arguments = unet_arguments(UNetConfig(channels=[16, 32, 32], attention=[1, -1]), (8, 8))
    assert arguments["down_block_types"] == ("DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D")
    assert arguments["up_block_types"] == ("AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D")
    without = load_config(LatentDiffusionConfig, overrides=["unet.attention=[]", "unet.channels=[16,16]"])
    assert not any("attentions" in name for name, _ in network_of(without, (4, 8, 8)).named_parameters())


@pytest.mark.parametrize(
    ("section", "arguments", "message"),
    [
        (UNetConfig, {"channels": [24, 48]}, r"norm_groups is 16: expected a divisor of .* \[24, 48\]"),
        (UNetConfig, {"channels": []}, r"channels is \[\]: expected a list of positive integers"),
        (UNetConfig, {"attention": [2]}, r"attention is \[2\]: expected a list of levels from -2 to 1"),
        (UNetConfig, {"head_channels": 48}, r"head_channels is 48: expected a divisor of .*\[128, 128\]"),
        (UNetConfig, {"dropout": 1.0}, r"dropout is 1.0: expected a number in \[0, 1\)"),
        (AutoencoderConfig, {"channels": [12]}, r"norm_groups is 8: expected a divisor of .* \[12\]"),
        (AutoencoderConfig, {"channels": []}, r"channels is \[\]: expected a list of positive integers"),
        (AutoencoderConfig, {"layers": 0}, "layers is 0: expected an integer of at least 1"),
        (
            AutoencoderConfig,
            {"latent_channels": 0},
            "latent_channels is 0: expected an integer",
        ),
        (AutoencoderConfig, {"kl_weight": -1.0}, "kl_weight is -1.0: expected a finite number of at least 0"),
        (AutoencoderConfig, {"kl_weight": math.nan}, "kl_weight is nan: expected a finite number"),
        (DiTConfig, {"heads": 0}, "heads is 0: expected an integer of at least 1"),
        (DiTConfig, {"layers": 0}, "layers is 0: expected an integer of at least 1"),
        (DiTConfig, {"patch_size": 0}, "patch_size is 0: expected an integer of at least 1"),
        (DiTConfig, {"heads": 2, "head_channels": 7}, "head_channels is 7: .* 2 heads .* a multiple of 4"),
        (DiTConfig, {"dropout": 2.0}, r"dropout is 2.0: expected a number in \[0, 1\)"),
        (
            EstimatorConfig,
            {"shrinkage": math.inf},
            "shrinkage is inf: expected a finite number",
        ),
        (
            SchedulerConfig,
            {"num_train_timesteps": 0},
            "num_train_timesteps is 0: expected an integer",
        ),
        (SchedulerConfig, {"beta_schedule": "foo"}, "beta_schedule is 'foo': expected one of linear, scaled"),
    ],
)
def test_values_of_a_section_that_do_not_fit_are_named(
    section: Any, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        section(**arguments)


def test_samples_that_can_not_be_halved_so_often_are_named() -> None:
    with pytest.raises(ValueError, match="3 levels, but samples of 6 × 8 can't be halved 2 times"):
        unet_arguments(UNetConfig(channels=[16, 16, 16]), (6, 8))
