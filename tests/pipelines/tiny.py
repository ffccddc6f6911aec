"""Pipelines of diffusers over tiny networks with random weights; nothing is downloaded."""

from __future__ import annotations

import math
from typing import Any

import diffusers
import torch
import transformers
from diffusers import DiffusionPipeline
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from torch import Tensor
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    PreTrainedTokenizerFast,
    T5Config,
    T5EncoderModel,
)

from priordiff import DensePrior, DiagonalPrior

if int(transformers.__version__.partition(".")[0]) < 5:
    # Its masks are filled with the least number of float64 in the default dtype, which does not hold it.
    from transformers.modeling_attn_mask_utils import AttentionMaskConverter

    _make_causal_mask = AttentionMaskConverter._make_causal_mask

    def _make_causal_mask_in_float64(*args: Any, **kwargs: Any) -> Tensor:
        default = torch.get_default_dtype()
        torch.set_default_dtype(torch.float64)
        try:
            return _make_causal_mask(*args, **kwargs)
        finally:
            torch.set_default_dtype(default)

    AttentionMaskConverter._make_causal_mask = staticmethod(_make_causal_mask_in_float64)

LATENT = (4, 8, 8)  # of the image pipelines
PROMPTS = ["a red fox", "a blue bird at night"]
WIDTH = 8  # of the embeddings


def embeddings(*shape: int, seed: int = 3) -> Tensor:
    """What a text encoder would have written."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def diagonal_prior(*shape: int) -> DiagonalPrior:
    """For data of a shape, batch first."""
    return DiagonalPrior(embeddings(*shape, seed=1), 0.5 + embeddings(*shape, seed=2).abs())


def zero_mean_prior(*shape: int) -> DiagonalPrior:
    """Likewise, with a mean that is the number 0, for which solvers may go an own way."""
    return DiagonalPrior(0.0, diagonal_prior(*shape).std)


def dense_prior(*shape: int) -> DensePrior:
    """Likewise, with every dimension correlated with every other."""
    batch, size = shape[0], math.prod(shape[1:])
    factor = embeddings(batch, size, size, seed=2) / size**0.5
    covariance = factor @ factor.mT + 0.1 * torch.eye(size, dtype=factor.dtype)
    return DensePrior(embeddings(*shape, seed=1), covariance)


def tokenizer() -> PreTrainedTokenizerFast:
    """One token for each word of the prompts."""
    words = ["<pad>", "<start>", "<end>", "<unknown>", *sorted(set(" ".join(PROMPTS).split()))]
    model = WordLevel({word: index for index, word in enumerate(words)}, unk_token="<unknown>")
    tokens = Tokenizer(model)
    tokens.pre_tokenizer = Whitespace()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokens, pad_token="<pad>", unk_token="<unknown>", model_max_length=16
    )


def text_encoder(kind: type = CLIPTextModel) -> torch.nn.Module:
    return kind(
        CLIPTextConfig(
            vocab_size=32,
            hidden_size=WIDTH,
            intermediate_size=WIDTH,
            projection_dim=WIDTH,
            num_hidden_layers=1,
            num_attention_heads=2,
            max_position_embeddings=77,
            bos_token_id=1,
            eos_token_id=2,
            pad_token_id=0,
        )
    )


def t5_encoder() -> T5EncoderModel:
    return T5EncoderModel(
        T5Config(vocab_size=32, d_model=WIDTH, d_kv=4, d_ff=WIDTH, num_layers=1, num_heads=2)
    )


def vae() -> diffusers.AutoencoderKL:
    return diffusers.AutoencoderKL(
        block_out_channels=(4, 4),
        norm_num_groups=2,
        latent_channels=LATENT[0],
        shift_factor=0.1,
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
    )


def conditional_unet(**config: Any) -> diffusers.UNet2DConditionModel:
    return diffusers.UNet2DConditionModel(
        **{
            "sample_size": LATENT[-1],
            "block_out_channels": (4, 8),
            "layers_per_block": 1,
            "norm_num_groups": 2,
            "attention_head_dim": 2,
            "cross_attention_dim": WIDTH,
            "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
            "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
            **config,
        }
    )


def unconditional_unet(**channels: int) -> diffusers.UNet2DModel:
    return diffusers.UNet2DModel(
        **channels,
        sample_size=8,
        block_out_channels=(4, 8),
        layers_per_block=1,
        norm_num_groups=2,
        attention_head_dim=4,
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
    )


def ready(pipe: DiffusionPipeline, dtype: torch.dtype = torch.float64) -> Any:
    """The pipeline in a dtype in which it can be compared with a reference, and silent."""
    for component in pipe.components.values():
        if isinstance(component, torch.nn.Module):
            component.eval().requires_grad_(False)
    pipe.set_progress_bar_config(disable=True)
    return pipe.to(dtype)


def stable_diffusion(kind: type = diffusers.StableDiffusionPipeline, **unet: Any) -> Any:
    return ready(
        kind(
            vae=vae(),
            text_encoder=text_encoder(),
            tokenizer=tokenizer(),
            unet=conditional_unet(**unet),
            scheduler=diffusers.PNDMScheduler.from_config(
                {
                    "beta_start": 0.00085,
                    "beta_end": 0.012,
                    "beta_schedule": "scaled_linear",
                    "skip_prk_steps": True,
                    "steps_offset": 1,
                    "clip_sample": False,  # for those that are made from this configuration
                }
            ),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
    )


def stable_diffusion_xl() -> Any:
    time_ids = 6
    unet = conditional_unet(
        cross_attention_dim=2 * WIDTH,
        addition_embed_type="text_time",
        addition_time_embed_dim=WIDTH,
        projection_class_embeddings_input_dim=(time_ids + 1) * WIDTH,
        use_linear_projection=True,
    )
    return ready(
        diffusers.StableDiffusionXLPipeline(
            vae=vae(),
            text_encoder=text_encoder(),
            text_encoder_2=text_encoder(CLIPTextModelWithProjection),
            tokenizer=tokenizer(),
            tokenizer_2=tokenizer(),
            unet=unet,
            scheduler=diffusers.EulerDiscreteScheduler(beta_schedule="scaled_linear", steps_offset=1),
            add_watermarker=False,
        )
    )


def latent_diffusion() -> Any:
    return ready(
        diffusers.LDMTextToImagePipeline(
            vqvae=vae(),
            bert=text_encoder(),
            tokenizer=tokenizer(),
            unet=conditional_unet(),
            scheduler=diffusers.DDIMScheduler(clip_sample=False),
        )
    )


def unconditional_latent_diffusion() -> Any:
    unet = unconditional_unet(in_channels=LATENT[0], out_channels=LATENT[0])
    scheduler = diffusers.DDIMScheduler(clip_sample=False)
    return ready(diffusers.LDMPipeline(vqvae=vae(), unet=unet, scheduler=scheduler))


def latent_super_resolution() -> Any:
    """Its latents have as many channels and pixels as the images that it is given."""
    unet = unconditional_unet(in_channels=6, out_channels=3)
    vqvae = diffusers.VQModel(
        block_out_channels=(4,), norm_num_groups=2, latent_channels=3, num_vq_embeddings=8
    )
    scheduler = diffusers.DDIMScheduler(clip_sample=False)
    return ready(diffusers.LDMSuperResolutionPipeline(vqvae=vqvae, unet=unet, scheduler=scheduler))


def dit() -> Any:
    transformer = diffusers.DiTTransformer2DModel(
        sample_size=LATENT[-1],
        in_channels=LATENT[0],
        out_channels=2 * LATENT[0],
        patch_size=2,
        num_layers=1,
        num_attention_heads=2,
        attention_head_dim=4,
        num_embeds_ada_norm=1000,
    )
    return ready(
        diffusers.DiTPipeline(
            transformer=transformer, vae=vae(), scheduler=diffusers.DDIMScheduler(clip_sample=False)
        )
    )


def stable_diffusion_3(kind: type = diffusers.StableDiffusion3Pipeline) -> Any:
    transformer = diffusers.SD3Transformer2DModel(
        sample_size=LATENT[-1],
        patch_size=2,
        in_channels=LATENT[0],
        out_channels=LATENT[0],
        num_layers=1,
        num_attention_heads=2,
        attention_head_dim=4,
        joint_attention_dim=2 * WIDTH,
        caption_projection_dim=WIDTH,
        pooled_projection_dim=2 * WIDTH,
        pos_embed_max_size=8,
    )
    return ready(
        kind(
            transformer=transformer,
            vae=vae(),
            scheduler=diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0),
            text_encoder=text_encoder(CLIPTextModelWithProjection),
            text_encoder_2=text_encoder(CLIPTextModelWithProjection),
            text_encoder_3=None,
            tokenizer=tokenizer(),
            tokenizer_2=tokenizer(),
            tokenizer_3=None,
        )
    )


def flux() -> Any:
    transformer = diffusers.FluxTransformer2DModel(
        in_channels=4 * LATENT[0],
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=8,
        num_attention_heads=1,
        joint_attention_dim=WIDTH,
        pooled_projection_dim=WIDTH,
        axes_dims_rope=(4, 2, 2),
    )
    return ready(
        diffusers.FluxPipeline(
            transformer=transformer,
            vae=vae(),
            scheduler=diffusers.FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
            text_encoder=text_encoder(),
            text_encoder_2=t5_encoder(),
            tokenizer=tokenizer(),
            tokenizer_2=tokenizer(),
        )
    )


def cogvideox() -> Any:
    transformer = diffusers.CogVideoXTransformer3DModel(
        num_attention_heads=2,
        attention_head_dim=8,
        in_channels=2,
        out_channels=2,
        time_embed_dim=4,
        text_embed_dim=WIDTH,
        num_layers=1,
        sample_width=4,
        sample_height=4,
        sample_frames=9,
        patch_size=2,
        max_text_seq_length=3,
    )
    return ready(
        diffusers.CogVideoXPipeline(
            transformer=transformer,
            vae=None,
            text_encoder=None,
            tokenizer=None,
            scheduler=diffusers.CogVideoXDDIMScheduler(snr_shift_scale=1.0),
        ),
        torch.float32,  # it casts the network's output to that
    )


def stable_audio() -> Any:
    channels = 3
    transformer = diffusers.StableAudioDiTModel(
        sample_size=16,
        in_channels=channels,
        out_channels=channels,
        num_layers=1,
        attention_head_dim=4,
        num_attention_heads=2,
        num_key_value_attention_heads=1,
        cross_attention_dim=WIDTH,
        cross_attention_input_dim=WIDTH,
        global_states_input_dim=2 * WIDTH,
        time_proj_dim=4,
    )
    autoencoder = diffusers.AutoencoderOobleck(
        encoder_hidden_size=4,
        downsampling_ratios=[1, 2],
        decoder_channels=4,
        decoder_input_channels=channels,
        audio_channels=1,
        channel_multiples=[1, 2],
        sampling_rate=4,
    )
    return ready(
        diffusers.StableAudioPipeline(
            vae=autoencoder,
            text_encoder=t5_encoder(),
            projection_model=diffusers.StableAudioProjectionModel(WIDTH, WIDTH, min_value=0, max_value=32),
            tokenizer=tokenizer(),
            transformer=transformer,
            scheduler=diffusers.EDMDPMSolverMultistepScheduler(sigma_schedule="exponential"),
        )
    )
