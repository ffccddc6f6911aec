from __future__ import annotations

import re

import diffusers
import pytest
import torch

from priordiff import DiagonalPrior, apply_prior
from priordiff.pipelines.by_hand import BY_HAND, part_done_by_hand
from tests.pipelines.pipelines_of_diffusers import PIPELINES, code_of
from tests.pipelines.tiny import stable_diffusion
from tests.schedulers.test_expected_prior import warnings  # noqa: F401

# What those write who compute with a solver's formulas, step with a copy, or add noise themselves.
FORMULAS = (
    r"scheduler\.(alphas_cumprod|alphas\b|betas|sigmas|last_sample|model_outputs|convert_model_output)",
    r"scheduler\.(ori_start_sigmas|__dict__|_(?!_|internal_dict|is_ode)\w+)",
    r"copy\(self\.scheduler\b",
    r"[\w)\]] \* noises?\b|\bnoises? \* (?!self\.scheduler\.init)|lerp\(\s*noise",
    r"\blatents = latents \* t \+|\blatents\[:, (:, )?(0:1|:1)\] = |return image_latents?, pred_latents?",
    r"return padded_latents, |torch\.cat\(\[latents, (visual_cond|image_latents), .*\], (dim=)?-1\)",
    r"\(latents(\.float\(\))? - (?!latents_mean)\w+\) / ",
)
HARMLESS = {
    "AnyFlowFARPipeline": "shows the network the time that it goes to",
    "AnyFlowPipeline": "shows the network the time that it goes to",
    "CogView4ControlPipeline": "hands noise levels to callbacks",
    "CogView4Pipeline": "hands noise levels to callbacks",
    "GlmImagePipeline": "hands noise levels to callbacks",
    "HunyuanImageRefinerPipeline": "adds noise to the conditioning image",
    "LTX2LatentUpsamplePipeline": "has no scheduler",
    "LTXLatentUpsamplePipeline": "has no scheduler",
    "LTXPipeline": "adds noise to results before they are decoded",
    "RFD4ProteinaPipeline": "is refused: it has two schedulers of other names",
    "ScoreSdeVePipeline": "shows the network the noise level",
    "SkyReelsV2DiffusionForcingImageToVideoPipeline": "steps frame by frame, which a prior does not fit",
    "SkyReelsV2DiffusionForcingPipeline": "steps frame by frame, which a prior does not fit",
    "SkyReelsV2DiffusionForcingVideoToVideoPipeline": "steps frame by frame, which a prior does not fit",
    "StableCascadeDecoderPipeline": "shows the network the noise level",
    "StableCascadePriorPipeline": "shows the network the noise level",
    "StableDiffusionPanoramaPipeline": "steps on crops, which a prior over all does not fit",
    "StableVideoDiffusionPipeline": "adds noise to the conditioning image",
    "WanPipeline": "hands noise levels to caches",
}


def test_every_pipeline_that_works_by_hand_is_listed() -> None:
    by_hand = {name for name in PIPELINES if re.search("|".join(FORMULAS), code_of(name))}
    listed = {name for name, each in PIPELINES.items() if part_done_by_hand(each)}
    assert by_hand - listed == by_hand & HARMLESS.keys()
    assert listed == BY_HAND.keys() & PIPELINES.keys()


def test_apply_prior_warns_of_what_it_can_not_reach(warnings: pytest.LogCaptureFixture) -> None:  # noqa: F811
    pipe = stable_diffusion(diffusers.StableDiffusionSAGPipeline)
    pipe.scheduler = diffusers.DDIMScheduler()
    warnings.clear()
    apply_prior(pipe, lambda prompt: DiagonalPrior(torch.zeros(1, 1, 1, 1), 0.5))
    assert "StableDiffusionSAGPipeline computes x₀ and noised states itself" in warnings.text


def test_it_warns_of_those_that_derive_from_them() -> None:
    class Pipeline(diffusers.StableDiffusionSAGPipeline):
        pass

    assert part_done_by_hand(Pipeline) == BY_HAND["StableDiffusionSAGPipeline"]
    assert part_done_by_hand(diffusers.StableDiffusionPipeline) is None
