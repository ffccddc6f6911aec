import math
import re
from pathlib import Path

import pytest
import torch

from priordiff.images.metrics import (
    IMAGE_METRICS,
    ImageFeatures,
    distribution_scores,
    frechet_distance,
    kernel_distance,
    perceptual_distance,
    precision_recall,
    psnr,
    restoration_scores,
    ssim,
)
from tests.images.metrics.networks import Colours

PAGE = Path(__file__).parents[3] / "docs" / "api" / "images.md"


def images(count, seed=0, size=16):
    colours = torch.rand(count, 3, 1, 1, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    noise = torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(seed + 100))
    return (0.7 * colours + 0.1 * noise).clamp(-1, 1)


def test_sets_are_compared_by_every_measure_in_the_documented_order():
    samples, reference = (ImageFeatures.of(images(30, seed), Colours()) for seed in (1, 2))
    scores = distribution_scores(samples, reference)
    assert list(scores) == [name for name in IMAGE_METRICS if name in scores]
    pair = samples.values, reference.values
    assert scores["frechet"] == frechet_distance(*pair)
    assert scores["kernel"] == kernel_distance(*pair)
    assert (scores["precision"], scores["recall"]) == precision_recall(*pair)


def test_features_of_two_networks_are_not_compared():
    values = Colours()(images(10))
    with pytest.raises(ValueError, match="features are of 'a, 64 px' and 'a, 128 px'"):
        distribution_scores(ImageFeatures(values, "a, 64 px"), ImageFeatures(values, "a, 128 px"))


def test_restored_images_are_averaged_over_images_not_batches():
    pytest.importorskip("pytorch_msssim")
    targets = images(5)
    restored = (targets + 0.2 * torch.randn(targets.shape)).clamp(-1, 1)
    scores = restoration_scores(restored, targets, Colours(), batch_size=2)
    assert list(scores) == [name for name in IMAGE_METRICS if name in scores]
    assert scores["psnr"] == pytest.approx(psnr(restored, targets).mean().item(), rel=1e-5)
    assert scores["ssim"] == pytest.approx(ssim(restored, targets).mean().item(), rel=1e-5)
    expected = perceptual_distance(restored, targets, Colours()).mean().item()
    assert scores["perceptual"] == pytest.approx(expected, rel=1e-5)
    with pytest.raises(ValueError, match="expected equal shapes"):
        restoration_scores(restored[:4], targets, Colours())


def test_the_hidden_part_is_judged_alone():
    pytest.importorskip("pytorch_msssim")
    targets, hidden = images(3), torch.zeros(3, 1, 16, 16, dtype=torch.bool)
    hidden[:, :, 4:8, 2:10] = True
    restored = torch.where(hidden, (targets * 0.5).clamp(-1, 1), targets)
    scores = restoration_scores(restored, targets, Colours(), hidden=hidden)
    assert list(scores) == [name for name in IMAGE_METRICS if name in scores]
    expected = psnr(restored[:, :, 4:8, 2:10], targets[:, :, 4:8, 2:10]).mean().item()
    assert scores["psnr_hidden"] == pytest.approx(expected, rel=1e-5)
    # The hidden part is an eighth of the image, and the rest is without an error.
    assert scores["psnr"] == pytest.approx(expected + 10 * math.log10(8), rel=1e-5)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (torch.zeros(2, 1, 16, 16, dtype=torch.bool), "the mask of image 0 has no pixel"),
        (torch.ones(2, 1, 16, 16), r"shape \(2, 1, 16, 16\) and type torch.float32: expected bool"),
        (torch.ones(2, 3, 16, 16, dtype=torch.bool), r"expected bool of shape \(2, 1, 16, 16\)"),
    ],
    ids=["empty", "numbers", "channels"],
)
def test_a_mask_that_is_none_is_named(mask, message):
    with pytest.raises(ValueError, match=message):
        psnr(images(2), images(2), mask)


def test_the_example_of_the_page_runs_and_has_every_measure_of_samples():
    pytest.importorskip("efficientnet_lite_pytorch")
    (block,) = re.findall(
        r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    labels = torch.arange(20) % 2
    shades = (labels - 0.5)[:, None, None, None]  # one class is light, the other dark
    scope = {
        "training_images": 0.4 * images(20, 1) + shades,
        "held_out_images": 0.4 * images(20, 2) + shades,
        "made": 0.4 * images(10, 3) + shades[:10],
        "training_labels": labels,
        "held_out_labels": labels,
        "asked_for": labels[:10],
    }
    exec(compile(block, "images.md", "exec"), scope)
    assert list(scope["scores"]) == list(IMAGE_METRICS)[:6]
    assert scope["best"] >= 0.9
