from __future__ import annotations

import pytest
import torch

from priordiff.pipelines import Conditioning
from priordiff.pipelines.image_arguments import check_image, label_indices, size_of_batch


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


def test_labels_are_read_by_name() -> None:
    assert label_indices(None, None) is None
    indices = label_indices(["b", 0, "a"], ["a", "b"])
    assert indices is not None
    assert indices.tolist() == [1, 0, 0]
    with pytest.raises(ValueError, match=r"no class 1\.5"):
        label_indices(torch.tensor([1.5]), ["a", "b"])


def test_the_batch_has_the_size_of_what_is_given() -> None:
    assert size_of_batch(Conditioning(), None, None) == 1
    assert size_of_batch(Conditioning(), 3, None) == 3
    assert size_of_batch(Conditioning(torch.tensor([0, 1])), 2, ["a", "b"]) == 2
    with pytest.raises(ValueError, match=r"labels, image and text are of \[1, 2\] items"):
        size_of_batch(Conditioning(torch.tensor([0]), text=torch.zeros(2, 4)), None, None)
    check_image(None, (0, 4, 4))
    check_image(torch.zeros(2, 1, 4, 4), (1, 4, 4))
    with pytest.raises(ValueError, match="expected none"):
        check_image(torch.zeros(2, 1, 4, 4), (0, 4, 4))
