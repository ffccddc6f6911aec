from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from priordiff import EncodedTextEstimator, PhonemeEstimator
from priordiff.estimators import PriorEstimator, prior_nll
from priordiff.models import EncodedText, TextEncoder

SYMBOLS = torch.tensor([[3, 1, 2], [2, 3, 0]])
DURATIONS = torch.tensor([[2, 1, 3], [3, 1, 0]])


@pytest.fixture
def encoded() -> EncodedText:
    torch.manual_seed(1)
    encoder = TextEncoder(num_symbols=4, channels=8, layers=1, filter_channels=16, predictor_channels=8)
    return encoder.eval()(SYMBOLS, durations=DURATIONS)


@pytest.fixture
def mel() -> Tensor:
    return torch.randn(2, 5, 6, generator=torch.Generator().manual_seed(0))


def fitted(encoded: EncodedText, mel: Tensor, **options: object) -> PhonemeEstimator:
    return PhonemeEstimator(num_symbols=4, n_mels=5, **options).fit([(encoded, mel)])


def test_each_frame_has_the_moments_of_its_phoneme_and_padding_is_standard_normal(
    encoded: EncodedText, mel: Tensor
) -> None:
    prior = fitted(encoded, mel, floor=1e-6)(encoded)
    of_phoneme_2 = torch.cat([mel[0, :, 3:], mel[1, :, :3]], dim=1)
    torch.testing.assert_close(prior.mean[0, :, 4], of_phoneme_2.mean(dim=1))
    torch.testing.assert_close(prior.std[1, :, 0], of_phoneme_2.std(dim=1, correction=0))
    assert torch.equal(prior.mean[0, :, 3], prior.mean[1, :, 1])
    assert not prior.mean[1, :, 4:].any()
    assert (prior.std[1, :, 4:] == 1).all()


@pytest.mark.parametrize("use", ["both", "mean", "std"])
def test_the_published_options(use: str, encoded: EncodedText, mel: Tensor) -> None:
    plain = fitted(encoded, mel)(encoded)
    prior = fitted(encoded, mel, use=use, floor=0.4, ceiling=0.9)(encoded)
    shape = mel.shape
    expected_mean = torch.zeros(shape) if use == "std" else plain.mean
    expected_std = torch.ones(shape) if use == "mean" else plain.std.clamp(0.4, 0.9)
    expected_std[1, :, 4:] = 1
    torch.testing.assert_close(torch.as_tensor(prior.mean).expand(shape), expected_mean)
    torch.testing.assert_close(torch.as_tensor(prior.std).expand(shape), expected_std)


@pytest.mark.parametrize("learn_std", [False, True])
def test_a_learned_prior_is_trained_through_the_encoder(learn_std: bool) -> None:
    torch.manual_seed(2)
    encoder = TextEncoder(4, channels=16, layers=1, filter_channels=16, predictor_channels=8, dropout=0.0)
    estimator = EncodedTextEstimator(16, n_mels=5, learn_std=learn_std)
    target = torch.tensor([0.0, 1.0, -1.0, 0.5])[SYMBOLS][:, None].repeat_interleave(2, dim=2)
    durations = torch.full_like(SYMBOLS, 2) * (SYMBOLS > 0)
    parameters = [*encoder.parameters(), *estimator.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=2e-2)
    losses = []
    for _ in range(60):
        encoded = encoder(SYMBOLS, durations=durations)
        loss = prior_nll(estimator(encoded), target.expand(-1, 5, -1), encoded.mask[:, None])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] - 0.2
    prior = estimator(encoded)
    assert (prior.mean - target)[0].abs().mean() < 0.2
    assert not prior.mean[1, :, 4:].any()
    if learn_std:
        assert prior.std[0].mean() < 0.5
        assert (prior.std[1, :, 4:] == 1).all()


@pytest.mark.parametrize("name", ["phonemes", "encoded"])
def test_they_are_saved_and_loaded(name: str, encoded: EncodedText, mel: Tensor, tmp_path: Path) -> None:
    estimator: PriorEstimator = (
        fitted(encoded, mel, ceiling=2.0)
        if name == "phonemes"
        else EncodedTextEstimator(8, n_mels=5, learn_std=True)
    )
    estimator.save_pretrained(tmp_path)
    loaded = type(estimator).from_pretrained(tmp_path)
    assert torch.equal(loaded(encoded).mean, estimator(encoded).mean)
    assert torch.equal(loaded(encoded).std, estimator(encoded).std)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"use": "all"}, "use='all'"), ({"ceiling": 0.05}, "ceiling=0.05 must be at least floor=0.1")],
)
def test_options_out_of_range_are_refused(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PhonemeEstimator(num_symbols=4, **options)
    with pytest.raises(ValueError, match="floor=0 must be positive"):
        EncodedTextEstimator(floor=0)


def test_an_estimator_without_data_says_so(encoded: EncodedText) -> None:
    with pytest.raises(ValueError, match="has not been fitted"):
        PhonemeEstimator(num_symbols=4, n_mels=5)(encoded)
