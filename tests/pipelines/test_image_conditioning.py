from __future__ import annotations

import torch

from priordiff.pipelines import Conditioning


def test_an_estimator_takes_what_there_is() -> None:
    labels, image = torch.tensor([1, 2]), torch.zeros(2, 3, 4, 4)
    assert Conditioning().arguments == ()
    assert Conditioning(labels, image).arguments == (labels, image)


def test_class_and_text_can_be_left_out_and_an_image_cannot() -> None:
    given = Conditioning(torch.tensor([1, 2]), torch.ones(2, 3, 4, 4), torch.ones(2, 5))
    left = given.without(torch.tensor([False, True]), null_label=7)
    assert left.labels is not None
    assert left.text is not None
    assert left.labels.tolist() == [1, 7]
    assert left.text.sum(1).tolist() == [5.0, 0.0]
    assert left.image is given.image
    assert given.labels is not None
    assert given.labels.tolist() == [1, 2]
    assert Conditioning().without(torch.tensor([True]), 0) == Conditioning()
