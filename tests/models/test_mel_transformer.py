from __future__ import annotations

from pathlib import Path

import pytest
import torch

from priordiff.models import MelTransformer


def small() -> MelTransformer:
    torch.manual_seed(1)
    return MelTransformer(n_mels=6, condition_channels=8, layers=2, filter_channels=16, kernel_size=3).eval()


def test_an_item_is_in_a_batch_what_it_is_alone() -> None:
    decoder, condition = small(), torch.randn(2, 8, 9)
    mask = torch.arange(9) < torch.tensor([[9], [5]])
    together = decoder(condition, mask)
    torch.testing.assert_close(together[1, :, :5], decoder(condition[1:, :, :5])[0], rtol=0, atol=1e-5)
    assert not together[1, :, 5:].any()


def test_the_order_of_the_frames_matters() -> None:
    decoder, condition = small(), torch.randn(1, 8, 1).expand(-1, -1, 9)
    frames = decoder(condition)
    assert not torch.allclose(frames[..., 2], frames[..., 6])


def test_a_window_has_the_positions_that_it_has_in_the_whole() -> None:
    decoder, condition = small(), torch.randn(2, 8, 9)
    windows = torch.stack([condition[0, :, 4:], condition[0, :, :5]])
    for block in decoder.transformer.blocks:  # without attention, a frame needs its position alone
        torch.nn.init.zeros_(block.attention_output.weight)
        torch.nn.init.zeros_(block.widening.weight)
    whole = decoder(condition)[0]
    told = decoder(windows, start=torch.tensor([4, 0]))
    torch.testing.assert_close(told, torch.stack([whole[:, 4:], whole[:, :5]]), rtol=0, atol=1e-5)
    assert not torch.allclose(decoder(windows)[0], whole[:, 4:], atol=1e-3)


def test_it_is_saved_and_loaded(tmp_path: Path) -> None:
    decoder, condition = small(), torch.randn(2, 8, 9)
    decoder.save_pretrained(tmp_path)
    assert torch.equal(MelTransformer.from_pretrained(tmp_path)(condition), decoder(condition))


def test_shapes_that_do_not_fit_are_named() -> None:
    with pytest.raises(ValueError, match=r"condition has shape \(2, 7, 9\), expected \(batch, 8, frames\)"):
        small()(torch.zeros(2, 7, 9))
    with pytest.raises(ValueError, match=r"mask has shape \(2, 8\), expected \(2, 9\)"):
        small()(torch.zeros(2, 8, 9), torch.ones(2, 8, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"start has shape \(1,\), expected \(2,\)"):
        small()(torch.zeros(2, 8, 9), start=torch.zeros(1, dtype=torch.int64))
