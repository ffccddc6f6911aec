"""Stage 2: the denoiser of a configuration, and its noise levels."""

from __future__ import annotations

from typing import Any

from diffusers import (
    DDIMScheduler,
    DiTTransformer2DModel,
    FlowMatchEulerDiscreteScheduler,
    UNet2DConditionModel,
    UNet2DModel,
)
from diffusers.models.embeddings import LabelEmbedding
from torch import Tensor, nn

from latent_diffusion.configuration import LatentDiffusionConfig
from latent_diffusion.encoding import EncodedImages
from latent_diffusion.unet import unet_arguments
from priordiff import with_prior
from priordiff.pipelines import Conditioning, denoise, with_solver
from priordiff.pipelines.solvers import checked_steps

# Width of the token in the place of a text where there is none.
_NO_TEXT = 8

__all__ = ["Denoiser", "check_sampling", "make_network", "make_scheduler"]


def make_network(config: LatentDiffusionConfig, data: EncodedImages, num_classes: int) -> nn.Module:
    """The network of a configuration, with weights that are drawn anew.

    Args:
        config: of the run.
        data: what it is to denoise.
        num_classes: of the corpus; the network has one more, which stands for none.
    """
    channels, height, width = data.sample_shape
    common: dict[str, Any] = {
        "sample_size": height if height == width else (height, width),
        "in_channels": channels + data.conditioning_channels,
    }
    has_labels = data.conditioning.labels is not None
    if config.network == "dit":
        sizes = config.dit
        return DiTTransformer2DModel(
            **common,
            out_channels=channels,
            num_layers=sizes.layers,
            num_attention_heads=sizes.heads,
            attention_head_dim=sizes.head_channels,
            patch_size=sizes.patch_size,
            dropout=sizes.dropout,
            num_embeds_ada_norm=num_classes if has_labels else 1,  # and one more, which it has by itself
        )
    takes_text = config.network == "unet-condition"
    common |= unet_arguments(config.unet, (height, width), "CrossAttn" if takes_text else "Attn")
    common |= {"out_channels": channels, "num_class_embeds": num_classes + 1 if has_labels else None}
    if not takes_text:
        return UNet2DModel(**common, add_attention=bool(config.unet.attention))
    return UNet2DConditionModel(**common, cross_attention_dim=data.text_features or _NO_TEXT)


def make_scheduler(config: LatentDiffusionConfig, has_prior: bool) -> Any:
    """The noise levels of a configuration, as a scheduler that takes a prior."""
    levels = config.scheduler
    # From N(0, I) all spaces are one.
    space = levels.model_space if has_prior else "centered"
    if levels.prediction_type == "flow":
        return with_prior(FlowMatchEulerDiscreteScheduler(levels.num_train_timesteps), space)
    scheduler = DDIMScheduler(
        levels.num_train_timesteps,
        beta_schedule=levels.beta_schedule,
        prediction_type=levels.prediction_type,
        clip_sample=False,
        timestep_spacing="trailing",
    )
    return with_prior(scheduler, space)


def check_sampling(config: LatentDiffusionConfig) -> None:
    """Refuses what the evaluation could not do after the training.

    Args:
        config: of an experiment.

    Raises:
        ValueError: if a solver can't have the noise levels, or there are fewer of them than evaluations.
    """
    evaluation = config.evaluation
    for solver in (evaluation.solver, *evaluation.other_solvers):
        scheduler = make_scheduler(config, has_prior=True)
        try:
            scheduler = scheduler if solver is None else with_solver(scheduler, solver)
        except ValueError as error:
            kind = config.scheduler.prediction_type
            raise ValueError(
                f"the solver {solver!r} can't sample what is trained with scheduler.prediction_type={kind}: "
                f"choose another, or null for evaluation.solver ({error})"
            ) from error
        for steps in evaluation.all_inference_steps:
            checked_steps(scheduler, steps)


class Denoiser(nn.Module):
    """A network as the training loop calls it.

    Args:
        network: of `make_network`, or one that goes on.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        # Which labels are left out is a matter of the data, so that twins leave out the same.
        for module in network.modules():
            if isinstance(module, LabelEmbedding):
                module.dropout_prob = 0.0

    def forward(self, sample: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        """What the network predicts, (batch, channels, height, width)."""
        return denoise(self.network, sample, timesteps, conditioning)
