from __future__ import annotations

import pytest
import torch

from tests.pipelines.test_image import make_pipeline, seeded


def test_samples_that_are_no_numbers_are_an_error_and_no_image() -> None:
    pipeline = make_pipeline(num_inference_steps=2, guidance_scale=1.5)

    def forward(sample: torch.Tensor, *_: object, **__: object) -> tuple[torch.Tensor]:
        return (sample.clone().index_fill_(0, torch.tensor([1]), torch.nan),)

    pipeline.unet.forward = forward
    message = (
        r"1 of 2 samples hold NaN or infinity after 2 steps of \w*DDIM\w* with guidance_scale=1.5, by a net"
    )
    for output_type in ("pil", "latent"):
        with pytest.raises(ValueError, match=message):
            pipeline(["cat", "owl"], output_type=output_type, generator=seeded(0, 1))
    assert pipeline.scheduler.prior is None
