from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import cpu_offload_with_hook
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    DiffusionPipeline,
    DiTTransformer2DModel,
    UNet2DConditionModel,
    UNet2DModel,
)
from torch import Tensor

from priordiff import ClassMomentsEstimator, ImagePipeline, LocalRegressionEstimator, with_prior
from priordiff.pipelines import SOLVERS

CLASSES = ["cat", "dog", "owl"]
UNET: dict[str, Any] = {
    "sample_size": 8,
    "block_out_channels": (8, 16),
    "norm_num_groups": 4,
    "layers_per_block": 1,
    "attention_head_dim": 4,
}
PLAIN = {"down_block_types": ("DownBlock2D",) * 2, "up_block_types": ("UpBlock2D",) * 2}
CROSS = {
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
}


def make_vae() -> AutoencoderKL:
    torch.manual_seed(0)
    blocks = {"down_block_types": ("DownEncoderBlock2D",) * 2, "up_block_types": ("UpDecoderBlock2D",) * 2}
    return AutoencoderKL(
        **blocks, block_out_channels=(8, 8), latent_channels=4, norm_num_groups=4, scaling_factor=0.7
    ).eval()


def make_unet(channels: int = 4, more: int = 0, classes: int | None = len(CLASSES) + 1) -> UNet2DModel:
    torch.manual_seed(1)
    sizes = {"in_channels": channels + more, "out_channels": channels, "num_class_embeds": classes}
    return UNet2DModel(**UNET, **PLAIN, **sizes).eval()


def make_pipeline(**options: Any) -> ImagePipeline:
    """Of three classes in latents, each with moments of its own."""
    labels, random = torch.arange(30) % 3, torch.Generator().manual_seed(2)
    data = labels[:, None, None, None] + torch.randn(30, 4, 8, 8, generator=random)
    estimator = ClassMomentsEstimator(3, (4, 8, 8)).fit([(labels, data)])
    scheduler = with_prior(DDIMScheduler(clip_sample=False))
    pipeline = ImagePipeline(make_unet(), scheduler, make_vae(), estimator, CLASSES, **options)
    return quiet(pipeline)


def quiet(pipeline: ImagePipeline) -> ImagePipeline:
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def seeded(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def sample(pipeline: ImagePipeline, *arguments: Any, output_type: str = "latent", **options: Any) -> Tensor:
    return pipeline(*arguments, output_type=output_type, **options).images


def test_the_first_state_is_a_sample_of_the_prior_of_each_class() -> None:
    pipeline = make_pipeline(num_inference_steps=1)
    pipeline.unet.forward = lambda sample, *_, **__: (torch.zeros_like(sample),)
    pipeline.scheduler = DDIMScheduler(clip_sample=False, timestep_spacing="trailing")
    # With no noise predicted, the sampler divides what is left of the first state by √ᾱ.
    latents = sample(pipeline, ["cat", "owl"], generator=seeded(5, 5))
    noise = torch.cat([torch.randn(1, 4, 8, 8, generator=each) for each in seeded(5, 5)])
    prior = pipeline.estimator(torch.tensor([0, 2]))
    alpha = pipeline.scheduler.alphas_cumprod[-1]
    torch.testing.assert_close(latents, prior.mean + prior.color(noise) / alpha.sqrt(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("solver", [None, *SOLVERS])
def test_an_image_is_the_same_alone_and_in_a_batch(solver: str | None) -> None:
    pipeline = make_pipeline()
    options = {"solver": solver, "num_inference_steps": 4}
    together = sample(pipeline, ["cat", "owl"], generator=seeded(3, 4), **options)
    alone = sample(pipeline, ["owl"], generator=seeded(4), **options)
    torch.testing.assert_close(together[1:], alone, rtol=1e-4, atol=1e-4)


def test_labels_are_names_or_indices() -> None:
    pipeline = make_pipeline(num_inference_steps=2)
    by_name = sample(pipeline, ["owl", "cat"], generator=seeded(0, 1))
    for labels in ([2, 0], torch.tensor([2, 0]), ["owl", 0], np.array([2, 0]), np.array(["owl", "cat"])):
        assert torch.equal(sample(pipeline, labels, generator=seeded(0, 1)), by_name)
    of_one = sample(pipeline, [2], generator=seeded(0))
    for label in ("owl", 2, np.int64(2), torch.tensor(2)):
        assert torch.equal(sample(pipeline, label, generator=seeded(0)), of_one)


def test_guidance_goes_beyond_the_class_under_the_same_prior() -> None:
    pipeline = make_pipeline(num_inference_steps=1)
    calls = []

    def forward(sample: Tensor, timestep: Tensor, class_labels: Tensor, **_: Any) -> tuple[Tensor]:
        calls.append((sample, class_labels.tolist()))
        return (class_labels[:, None, None, None].float().expand_as(sample),)

    pipeline.unet.forward = forward
    plain = sample(pipeline, ["dog"], generator=seeded(0))
    guided = sample(pipeline, ["dog"], generator=seeded(0), guidance_scale=3.0)
    (_, first), (given, with_class), (without, null) = calls
    assert (first, with_class, null) == ([1], [1], [3])
    assert torch.equal(given, without)
    # 3 + 3 · (1 − 3) = −3 in place of 1, both for every element.
    same = sample_with(pipeline, -3.0)
    torch.testing.assert_close(guided, same)
    assert not torch.allclose(plain, guided)


def sample_with(pipeline: ImagePipeline, prediction: float) -> Tensor:
    pipeline.unet.forward = lambda sample, *_, **__: (torch.full_like(sample, prediction),)
    return sample(pipeline, ["dog"], generator=seeded(0))


def test_images_come_in_the_form_that_is_asked_for() -> None:
    pipeline = make_pipeline(num_inference_steps=1)
    images = {
        kind: sample(pipeline, ["cat", "dog"], output_type=kind, generator=seeded(0, 1))
        for kind in ("pil", "np", "pt", "latent")
    }
    assert [image.size for image in images["pil"]] == [(16, 16)] * 2
    assert images["np"].shape == (2, 16, 16, 3)
    assert images["pt"].shape == (2, 3, 16, 16)
    assert 0 <= images["pt"].min() <= images["pt"].max() <= 1
    decoded = pipeline.latent_space.decode(images["latent"])
    torch.testing.assert_close(images["pt"], (decoded + 1) / 2)
    assert pipeline(["cat"], return_dict=False)[0][0].size == (16, 16)


def test_a_saved_pipeline_gives_the_same_images(tmp_path: Path) -> None:
    pipeline = make_pipeline(solver="unipc", num_inference_steps=3, guidance_scale=1.5)
    pipeline.save_pretrained(tmp_path)
    loaded = quiet(DiffusionPipeline.from_pretrained(tmp_path))
    assert isinstance(loaded, ImagePipeline)
    assert isinstance(loaded.estimator, ClassMomentsEstimator)
    expected = sample(pipeline, ["owl"], output_type="pt", generator=seeded(0))
    assert torch.equal(sample(loaded, ["owl"], output_type="pt", generator=seeded(0)), expected)


def test_an_image_is_restored_from_another_one() -> None:
    low, data = torch.randn(2, 6, 3, 8, 8)
    estimator = LocalRegressionEstimator(3, 3).fit([(low, data)])
    pipeline = quiet(ImagePipeline(make_unet(3, 3, None), DDIMScheduler(), estimator=estimator))
    assert sample(pipeline, image=low, num_inference_steps=2).shape == (6, 3, 8, 8)
    with pytest.raises(ValueError, match="image is missing: the network was trained with one of 3 channels"):
        pipeline(num_images=2)
    with pytest.raises(
        ValueError, match=r"image has shape \(6, 3, 4, 8\), expected a tensor \(batch, 3, 8, 8\)"
    ):
        pipeline(image=low[:, :, :4])


def test_prompts_are_embedded_first(monkeypatch: pytest.MonkeyPatch) -> None:
    def encoder() -> Any:
        return lambda prompts: torch.tensor([[len(prompt), 0.0, 1.0] for prompt in prompts])

    monkeypatch.setattr("priordiff.pipelines.image_arguments.default_sentence_encoder", encoder)
    unet = UNet2DConditionModel(**UNET, **CROSS, cross_attention_dim=3).eval()
    pipeline = quiet(ImagePipeline(unet, DDIMScheduler(clip_sample=False), num_inference_steps=2))
    embedded = sample(pipeline, text=torch.tensor([[5.0, 0, 1], [9, 0, 1]]), generator=seeded(0, 1))
    assert torch.equal(sample(pipeline, prompts=["a cat", "a big dog"], generator=seeded(0, 1)), embedded)
    one = sample(pipeline, prompts="a cat", generator=seeded(0))
    torch.testing.assert_close(one, embedded[:1], rtol=1e-4, atol=1e-4)
    with pytest.raises(ValueError, match="text and prompts are both given"):
        pipeline(text=torch.zeros(1, 3), prompts=["a cat"])
    with pytest.raises(ValueError, match=r"text has shape \(1, 4\), expected \(batch, 3\)"):
        pipeline(text=torch.zeros(1, 4))


def test_texts_and_transformers_have_networks_of_their_own() -> None:
    text = UNet2DConditionModel(**UNET, **CROSS, cross_attention_dim=6).eval()
    pipeline = quiet(ImagePipeline(text, DDIMScheduler(clip_sample=False), num_inference_steps=2))
    described = sample(pipeline, text=torch.randn(2, 6), generator=seeded(0, 1), guidance_scale=2.0)
    assert described.shape == (2, 4, 8, 8)
    assert not torch.allclose(described, sample(pipeline, text=torch.zeros(2, 6), generator=seeded(0, 1)))
    transformer = DiTTransformer2DModel(
        num_attention_heads=2,
        attention_head_dim=4,
        in_channels=4,
        out_channels=8,
        num_layers=1,
        sample_size=8,
        norm_num_groups=4,
    ).eval()
    for classes, given in ((None, {"num_images": 2}), (CLASSES, {"labels": CLASSES})):
        of_dit = quiet(ImagePipeline(transformer, DDIMScheduler(), make_vae(), classes=classes))
        assert sample(of_dit, **given, num_inference_steps=2).shape[1:] == (4, 8, 8)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "labels are missing: expected some of cat, dog, owl"),
        ({"labels": ["cow"]}, "there is no class 'cow': expected one of cat, dog, owl"),
        ({"labels": [3]}, "there is no class 3"),
        ({"labels": ["cat"], "text": torch.zeros(1, 4)}, r"text has shape \(1, 4\), expected none"),
        ({"labels": ["cat"], "prompts": ["a cat"]}, "prompts are given, but the network was trained without"),
        ({"labels": ["cat"], "image": torch.zeros(1, 4, 8, 8)}, "expected none"),
        ({"labels": ["cat"], "output_type": "png"}, "output_type='png'"),
        ({"labels": ["cat"], "num_inference_steps": 0}, "num_inference_steps=0, expected 1 to"),
        ({"labels": ["cat"], "solver": "euler"}, "solver='euler', expected one of"),
    ],
)
def test_arguments_that_do_not_fit_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_pipeline()(**arguments)


def test_what_was_trained_without_classes_has_none_to_leave_out() -> None:
    pipeline = quiet(ImagePipeline(make_unet(3, 0, None), DDIMScheduler()))
    with pytest.raises(ValueError, match="trained without classes"):
        pipeline(["cat"])
    with pytest.raises(ValueError, match="no class or text that could be left out"):
        pipeline(num_images=2, guidance_scale=2.0)


def test_a_model_of_texts_asks_for_them() -> None:
    sizes = {"in_channels": 4, "out_channels": 4, "cross_attention_dim": 6}
    unet = UNet2DConditionModel(**UNET, **CROSS, **sizes)
    pipeline = quiet(ImagePipeline(unet, DDIMScheduler(clip_sample=False), make_vae(), task="text"))
    with pytest.raises(ValueError, match="texts are missing: expected prompts"):
        pipeline()
    assert len(pipeline(text=torch.randn(2, 6), num_inference_steps=2).images) == 2


def test_its_parts_may_be_moved_to_the_device_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = make_pipeline(num_inference_steps=2)
    expected = pipeline(["cat"], generator=torch.Generator().manual_seed(0), output_type="pt").images
    hooks = [cpu_offload_with_hook(part, "cpu")[1] for part in (pipeline.unet, pipeline.vae)]
    assert "estimator" in pipeline._exclude_from_cpu_offload, "it has no parameters, which a hook looks for"
    freed = []
    monkeypatch.setattr(pipeline, "maybe_free_model_hooks", lambda: freed.append(True))
    images = pipeline(["cat"], generator=torch.Generator().manual_seed(0), output_type="pt").images
    assert torch.equal(images, expected)
    assert (freed, len(hooks)) == ([True], 2)
