from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from priordiff import KroneckerPrior
from priordiff.estimators import VideoNoiseEstimator


def frame_covariance(prior: KroneckerPrior, shape: tuple[int, ...], axis: int) -> Tensor:
    """Σ of the frames, by colouring the basis of one pixel's frames."""
    frames = shape[axis]
    basis = torch.zeros(frames, *shape[1:], dtype=torch.float64)
    first_pixel = [0] * (len(shape) - 2)
    basis.movedim(axis, 1)[(slice(None), slice(None), *first_pixel)] = torch.eye(frames).double()
    colored = prior.color(basis).movedim(axis, 1).reshape(frames, frames, -1)
    root = colored[:, :, 0].T
    assert (colored[:, :, 1:] == 0).all()
    return root @ root.T


def test_mixed_noise_is_a_shared_part_and_one_of_each_frame() -> None:
    video = torch.zeros(2, 3, 5, 4, 4, dtype=torch.float64)
    alpha = 2.0
    covariance = frame_covariance(VideoNoiseEstimator(alpha)(video), video.shape, axis=2)
    shared, own = alpha**2 / (1 + alpha**2), 1 / (1 + alpha**2)
    torch.testing.assert_close(covariance, shared * torch.ones(5, 5).double() + own * torch.eye(5).double())


def test_progressive_noise_makes_each_frame_from_the_one_before() -> None:
    alpha, frames, draws = 2.0, 4, 200_000
    noise = [torch.randn(draws)]
    for _ in range(frames - 1):
        own = torch.randn(draws) / math.sqrt(1 + alpha**2)
        noise.append(alpha / math.sqrt(1 + alpha**2) * noise[-1] + own)
    video = torch.zeros(1, 3, frames, 4, 4, dtype=torch.float64)
    covariance = frame_covariance(VideoNoiseEstimator(alpha, "progressive")(video), video.shape, axis=2)
    expected = torch.stack(noise).cov().double()
    torch.testing.assert_close(covariance, expected, rtol=0, atol=5 / math.sqrt(draws))


@pytest.mark.parametrize("kind", ["mixed", "progressive"])
def test_each_frame_alone_is_white(kind: Any) -> None:
    video = torch.zeros(1, 2, 6, 3, 3, dtype=torch.float64)
    covariance = frame_covariance(VideoNoiseEstimator(0.7, kind)(video), video.shape, axis=2)
    torch.testing.assert_close(covariance.diag(), torch.ones(6).double())
    white = VideoNoiseEstimator(0.0, kind)(video)
    assert torch.equal(white.color(video + 1), video + 1)


@pytest.mark.parametrize("axis", [1, -4])
def test_the_frames_may_be_any_axis(axis: int) -> None:
    video = torch.zeros(1, 5, 2, 3, 3, dtype=torch.float64)
    covariance = frame_covariance(VideoNoiseEstimator(1.0, axis=axis)(video), video.shape, axis=1)
    torch.testing.assert_close(covariance, 0.5 + 0.5 * torch.eye(5).double())


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_the_prior_has_the_dtype_of_the_data(dtype: torch.dtype) -> None:
    video = torch.randn(2, 3, 300, 2, 2, dtype=dtype)
    prior = VideoNoiseEstimator(1.0, "progressive")(video)
    prior.require_fit(video)
    assert prior.color(video).dtype == dtype


def test_a_saved_estimator_gives_the_same_prior(tmp_path: Path) -> None:
    video = torch.randn(2, 5, 3, 4)
    estimator = VideoNoiseEstimator(0.5, "progressive", axis=1)
    estimator.save_pretrained(tmp_path)
    loaded = VideoNoiseEstimator.from_pretrained(tmp_path)
    assert torch.equal(loaded(video).color(video), estimator(video).color(video))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"alpha": -1.0}, "alpha=-1.0 must not be negative"),
        ({"alpha": float("nan")}, "alpha=nan must not be negative"),
        ({"kind": "shared"}, "kind='shared', expected 'mixed' or 'progressive'"),
    ],
)
def test_a_configuration_that_makes_no_sense_is_an_error(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        VideoNoiseEstimator(**config)


def test_data_without_frames_are_an_error() -> None:
    with pytest.raises(ValueError, match=re.escape("axis=[2] must be different axes of data with 2 dim")):
        VideoNoiseEstimator()(torch.zeros(2, 3))
