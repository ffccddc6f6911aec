import pytest
import torch

from priordiff.images.metrics import ImageFeatures
from tests.images.metrics.networks import Colours


def test_features_do_not_depend_on_the_batches():
    images = torch.rand(10, 3, 8, 8) * 2 - 1
    network = Colours()
    features = ImageFeatures.of(images, network, batch_size=4)
    assert network.batches == [4, 4, 2]
    assert torch.equal(features.values, Colours()(images))
    assert len(features) == 10
    assert features.network == "colours"


def test_bad_images_are_an_error_before_any_is_seen():
    network = Colours()
    images = torch.rand(10, 3, 8, 8)
    images[9, 0, 0, 0] = 3
    with pytest.raises(ValueError, match=r"images range from .* to 3: expected values in \[-1, 1\]"):
        ImageFeatures.of(images, network)
    assert not network.batches


def test_a_network_that_gives_nan_is_named():
    class Broken(Colours):
        def __call__(self, images):
            return super().__call__(images) / 0

    with pytest.raises(ValueError, match="features of images hold 60 NaN or infinite"):
        ImageFeatures.of(torch.rand(10, 3, 8, 8), Broken())
