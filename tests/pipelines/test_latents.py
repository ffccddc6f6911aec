from __future__ import annotations

import pytest
import torch
from diffusers import AutoencoderKL

from priordiff.pipelines import LatentSpace
from tests.pipelines.test_image import make_vae


def test_latents_are_shifted_and_scaled_as_the_autoencoder_says() -> None:
    vae: AutoencoderKL = make_vae()
    vae.register_to_config(shift_factor=0.3)
    space, images = LatentSpace(vae), torch.rand(2, 3, 16, 16) * 2 - 1
    latents = space.encode(images)
    raw = vae.encode(images).latent_dist.mode()
    torch.testing.assert_close(latents, (raw - 0.3) * 0.7)
    torch.testing.assert_close(space.decode(latents), vae.decode(raw).sample.clamp(-1, 1))
    assert space.downsampling == 2


def test_pixels_are_their_own_latents() -> None:
    space, images = LatentSpace(None), torch.randn(2, 3, 8, 8)
    assert torch.equal(space.encode(images), images)
    assert torch.equal(space.decode(images), images.clamp(-1, 1))
    assert space.downsampling == 1


def test_half_an_autoencoder_is_enough_for_whole_latents() -> None:
    latents = LatentSpace(make_vae().to(torch.bfloat16)).encode(torch.zeros(1, 3, 16, 16))
    assert latents.dtype == torch.float32


def test_nan_of_an_autoencoder_is_no_image() -> None:
    vae = make_vae()
    vae.decoder.conv_out.bias.data.fill_(torch.nan)
    with pytest.raises(ValueError, match=r"made NaN of latents in torch\.float32: check its we"):
        LatentSpace(vae).decode(torch.zeros(1, 4, 8, 8))
