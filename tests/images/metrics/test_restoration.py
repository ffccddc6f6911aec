import sys

import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch.nn import functional as F

from priordiff.images.metrics import perceptual_distance, psnr, ssim
from tests.images.metrics.networks import Colours

MEASURES = {
    "psnr": psnr,
    "ssim": ssim,
    "perceptual": lambda restored, targets: perceptual_distance(restored, targets, Colours()),
}


@pytest.fixture(autouse=True)
def _with_the_extra():
    pytest.importorskip("pytorch_msssim")


@pytest.fixture
def targets():
    """Smooth images with some texture."""
    noise = torch.randn(4, 3, 24, 32, generator=torch.Generator().manual_seed(0))
    return (0.3 * F.avg_pool2d(noise, 5, 1, 2) * 5 + 0.1 * noise).clamp(-1, 1)


def noisy(images, std):
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(1))
    return (images + std * noise).clamp(-1, 1)


@pytest.mark.parametrize(("error", "expected"), [(2.0, 0.0), (0.2, 20.0), (0.02, 40.0)])
def test_psnr_is_the_peak_of_2_over_the_error_in_decibels(error, expected):
    targets = torch.full((1, 1, 4, 4), -1.0)
    assert psnr(targets + error, targets).item() == pytest.approx(expected, abs=1e-3)


def test_psnr_is_of_each_image_and_infinite_where_nothing_differs(targets):
    restored = targets.clone()
    restored[1] *= 0.5
    values = psnr(restored, targets)
    assert values.isinf().tolist() == [True, False, True, True]


def test_ssim_agrees_with_gaussian_windows_over_intensities(targets):
    def blurred(x):
        # Windows of 11 pixels, those within the image.
        return gaussian_filter(x.numpy(), sigma=1.5, truncate=3.5, axes=(2, 3))[..., 5:-5, 5:-5]

    x, y = targets.double() + 1, noisy(targets, 0.2).double() + 1
    mean_x, mean_y = blurred(x), blurred(y)
    variance_x, variance_y = blurred(x * x) - mean_x**2, blurred(y * y) - mean_y**2
    covariance = blurred(x * y) - mean_x * mean_y
    c1, c2 = (0.01 * 2) ** 2, (0.03 * 2) ** 2
    expected = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    expected /= (mean_x**2 + mean_y**2 + c1) * (variance_x + variance_y + c2)
    expected = torch.from_numpy(expected.mean((1, 2, 3)))
    assert torch.allclose(ssim(y - 1, x - 1), expected, atol=1e-6)
    assert torch.allclose(ssim((y - 1).float(), targets), expected.float(), atol=1e-4)


def test_ssim_is_1_for_equal_images_and_falls_with_blur_and_with_noise(targets):
    assert torch.allclose(ssim(targets, targets), torch.ones(4))
    blurred = F.avg_pool2d(targets, 3, 1, 1, count_include_pad=False)
    blurred_more = F.avg_pool2d(targets, 7, 1, 3, count_include_pad=False)
    assert (ssim(blurred_more, targets) < ssim(blurred, targets)).all()
    assert (ssim(noisy(targets, 0.5), targets) < ssim(noisy(targets, 0.1), targets)).all()
    assert (ssim(blurred, targets) < 0.99).all()


def test_the_perceptual_distance_of_opposite_maps_is_4_and_of_orthogonal_ones_2():
    class Channels(Colours):
        def maps(self, images):
            return [images, 3 * images]

    red, green = torch.zeros(2, 1, 3, 4, 4)
    red[:, 0], green[:, 1] = 0.5, 0.9
    assert perceptual_distance(red, -red, Channels()).item() == pytest.approx(4)
    assert perceptual_distance(red, green, Channels()).item() == pytest.approx(2)
    assert perceptual_distance(red, 0.1 * red, Channels()).item() == pytest.approx(0)


def test_the_perceptual_distance_is_averaged_over_places_and_maps():
    class Layers(Colours):
        def maps(self, images):
            return [images, torch.ones(len(images), 7, 2, 2)]

    red = torch.zeros(1, 3, 4, 4)
    red[:, 0] = 0.5
    half = red.clone()
    half[..., :2] *= -1  # opposite in half of the places, in one of two layers
    assert perceptual_distance(half, red, Layers()).item() == pytest.approx(4 / 2 / 2)


@pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES.keys())
def test_each_image_has_a_value_of_its_own(measure, targets):
    restored = noisy(targets, 0.3)
    alone = torch.cat([measure(restored[i : i + 1], targets[i : i + 1]) for i in range(4)])
    assert torch.allclose(measure(restored, targets), alone, atol=1e-5)
    assert len(set(alone.tolist())) == 4


@pytest.mark.parametrize("name", ["psnr", "ssim"])
def test_precision_is_kept_and_half_precision_is_raised_to_single(name, targets):
    restored = noisy(targets, 0.3)
    single = MEASURES[name](restored, targets)
    assert single.dtype == torch.float32
    double = MEASURES[name](restored.double(), targets.double())
    assert double.dtype == torch.float64
    assert torch.allclose(single.double(), double, atol=1e-3)
    assert MEASURES[name](restored.bfloat16(), targets.bfloat16()).dtype == torch.float32


@pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES.keys())
def test_bad_images_are_named(measure, targets):
    broken = targets.clone()
    broken[0, 0, 0, :2] = torch.nan
    for restored, others, message in [
        (targets[:1], targets, r"shape \(1, 3, 24, 32\) and targets \(4, 3, 24, 32\): expected equal"),
        (targets[0], targets[0], "expected .batch, channels, height, width"),
        (targets[:, :2], targets[:, :2], "1 or 3 channels"),
        (targets[:0], targets[:0], "at least one image"),
        (broken, targets, "restored images hold 2 NaN"),
        (targets, broken, "targets hold 2 NaN"),
        (255 * (targets - targets.min()) / 2, targets, "restored images range from 0 to .*clamp or rescale"),
        ((127 * targets).to(torch.uint8), targets, "restored images have type torch.uint8"),
    ]:
        with pytest.raises(ValueError, match=message):
            measure(restored, others)


def test_images_smaller_than_the_windows_of_ssim_are_named(targets):
    with pytest.raises(ValueError, match=r"images have \(24, 10\) pixels: expected at least 11"):
        ssim(targets[..., :10], targets[..., :10])


def test_a_missing_package_names_the_extra(targets, monkeypatch):
    monkeypatch.setitem(sys.modules, "pytorch_msssim", None)
    with pytest.raises(ImportError, match=r"pip install 'priordiff\[image-metrics\]'"):
        ssim(targets, targets)
