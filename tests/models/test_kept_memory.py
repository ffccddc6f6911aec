from __future__ import annotations

import copy
import pickle

import pytest
import torch
from torch import Tensor

from priordiff import DiffWave
from priordiff.models.kept_memory import KeptMemory


def lent(memory: KeptMemory, size: int = 1000) -> Tensor:
    (tensor,) = memory.empty(torch.float32, (size,))
    return tensor


def test_tensors_have_the_shapes_and_type_asked_for_and_do_not_overlap() -> None:
    first, second, nothing = KeptMemory().empty(torch.float64, (2, 3), (4,), (0, 5))
    first.fill_(1)
    second.fill_(2)
    assert (first.shape, second.shape, nothing.shape) == ((2, 3), (4,), (0, 5))
    assert (first.dtype, float(first.sum()), float(second.sum())) == (torch.float64, 6, 8)
    assert first.data_ptr() % 64 == 0


def test_memory_is_lent_again_once_the_last_view_is_gone() -> None:
    memory = KeptMemory()
    tensor = lent(memory)
    address, view = tensor.data_ptr(), tensor[10:].unsqueeze(0)
    del tensor
    assert lent(memory).data_ptr() != address
    memory.release()
    del view
    assert lent(memory, 900).data_ptr() == address


def test_what_is_too_small_is_given_back() -> None:
    memory = KeptMemory()
    lent(memory)
    larger = lent(memory, 5000)
    assert len(larger) == 5000
    assert not memory._free


def test_released_memory_is_not_kept() -> None:
    memory = KeptMemory()
    lent(memory)
    assert memory._free
    memory.release()
    assert not memory._free


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda each: pickle.loads(pickle.dumps(each))])
def test_copies_keep_nothing(copied: object) -> None:
    memory = KeptMemory()
    lent(memory)
    assert not copied(memory)._free


@pytest.fixture
def model() -> DiffWave:
    torch.manual_seed(0)
    model = DiffWave(4, 3, n_mels=6, hop_length=12).double()
    torch.nn.init.normal_(model.output_projection.weight)
    return model


def loss_of(model: DiffWave, seed: int, frames: int = 9) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    sample, log_mel = (
        torch.randn(2, *shape, generator=generator, dtype=torch.float64)
        for shape in ((1, frames * 12), (6, frames))
    )
    return model(sample, 3.0, log_mel).square().mean()


def gradients(model: DiffWave) -> list[Tensor]:
    return [parameter.grad.clone() for parameter in model.parameters()]


def test_a_training_step_takes_the_memory_of_the_one_before(model: DiffWave) -> None:
    loss = loss_of(model, 0)
    assert not model.layers.memory._free
    loss.backward()
    (kept,) = model.layers.memory._free
    again = loss_of(model, 1)
    assert not model.layers.memory._free
    again.backward()
    assert model.layers.memory._free[0] is kept


def test_graphs_that_live_at_once_or_are_kept_have_gradients_of_their_own(model: DiffWave) -> None:
    expected = []
    for seed in (0, 1):
        model.zero_grad()
        loss_of(model, seed, 9 - seed).backward()
        expected.append(gradients(model))
    first, second = loss_of(model, 0), loss_of(model, 1, 8)
    for loss, wanted in ((second, expected[1]), (first, expected[0]), (first, expected[0])):
        model.zero_grad()
        loss.backward(retain_graph=True)
        torch.testing.assert_close(gradients(model), wanted, rtol=0, atol=0)
        loss_of(model, 2).backward()


def test_an_evaluated_or_copied_model_keeps_nothing(model: DiffWave) -> None:
    loss_of(model, 0).backward()
    assert not copy.deepcopy(model).layers.memory._free
    model.eval()
    assert not model.layers.memory._free
