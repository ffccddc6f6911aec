"""Networks and estimators of every kind, small, with what they are given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from priordiff import (
    DiffWave,
    InpaintingEstimator,
    LappedConvNeXt,
    LearnedMelSpectrumEstimator,
    MelConvNeXt,
    MelDiffWave,
    MelEnergyEstimator,
    MelSpectrumEstimator,
    MelTransformer,
    ResidualEstimator,
    TextEncoder,
)
from priordiff.estimators import (
    AxisCovarianceEstimator,
    ClassMomentsEstimator,
    FourierPowerEstimator,
    LearnedDiagonalEstimator,
    LearnedImageEstimator,
    LocalRegressionEstimator,
    LowRankEstimator,
    MeanEstimator,
    MomentsEstimator,
    OffsetNoiseEstimator,
    PriorEstimator,
    SpecGradEstimator,
    VideoNoiseEstimator,
)
from priordiff.models import EncodedText

BATCH, MELS, FRAMES, HOP = 2, 8, 6, 16
IMAGE = (2, 8, 8)

# A module, and the arguments of its call.
Case = tuple[nn.Module, dict[str, Any]]


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def _awake(network: nn.Module) -> nn.Module:
    """The network with weights that are not zero anywhere, and without dropout."""
    for number, parameter in enumerate(network.parameters()):
        if not parameter.detach().any():
            parameter.data.copy_(0.1 * random(*parameter.shape, seed=number))
    return network.eval()


_WAVEFORM = {"sample": random(BATCH, 1, FRAMES * HOP), "log_mel": random(BATCH, MELS, FRAMES, seed=1)}
_MASK = torch.arange(FRAMES) < torch.tensor([[FRAMES], [FRAMES - 2]])
_TEXT = {"symbols": torch.tensor([[1, 2, 3], [4, 5, 0]]), "durations": torch.tensor([[2, 3, 1], [3, 1, 0]])}


def _of_waveforms(network: nn.Module, **given: Tensor) -> Case:
    return _awake(network), {**_WAVEFORM, "timestep": torch.tensor([3.5, 20.0]), **given}


def _of_frames(network: nn.Module) -> Case:
    frames = {"sample": random(BATCH, MELS, FRAMES), "condition": random(BATCH, 12, FRAMES, seed=1)}
    told = {"prior_mean": random(BATCH, MELS, FRAMES, seed=2), "prior_std": torch.ones(BATCH, MELS, FRAMES)}
    return _awake(network), {**frames, **told, "timestep": torch.tensor([3, 20]), "mask": _MASK}


NETWORKS: dict[str, Callable[[], Case]] = {
    "DiffWave": lambda: _of_waveforms(DiffWave(8, 3, n_mels=MELS, hop_length=HOP)),
    "DiffWave in blocks, told of the prior": lambda: _of_waveforms(
        DiffWave(8, 3, n_mels=MELS, hop_length=HOP, block_size=4, prior_condition="conditioner"),
        prior_std=torch.full((BATCH, FRAMES), 0.5),
    ),
    "LappedConvNeXt": lambda: _of_waveforms(LappedConvNeXt(8, 2, n_mels=MELS, hop_length=HOP)),
    "MelDiffWave": lambda: _of_frames(MelDiffWave(MELS, 12, 8, 2, prior_condition="channels")),
    "MelConvNeXt": lambda: _of_frames(MelConvNeXt(MELS, 12, 8, 2, prior_condition="channels")),
    "MelTransformer": lambda: (
        _awake(MelTransformer(MELS, 12, 1, filter_channels=16)),
        {"condition": random(BATCH, 12, FRAMES), "mask": _MASK, "start": torch.tensor([0, 3])},
    ),
    "TextEncoder": lambda: (
        _awake(TextEncoder(5, 2, channels=8, layers=1, filter_channels=16, predictor_channels=8)),
        {**_TEXT, "speakers": torch.tensor([0, 1]), "num_frames": FRAMES},
    ),
}


def _fitted(estimator: PriorEstimator, *given: Tensor, data: Tensor | None = None) -> PriorEstimator:
    data = random(16, *IMAGE, seed=5) if data is None else data
    return estimator.fit([(*given, data) if given else data]).eval()


def _holes(batch: int) -> Tensor:
    mask = (random(batch, 1, *IMAGE[1:], seed=6) > 0).float()
    return torch.cat([random(batch, *IMAGE, seed=7) * (1 - mask), mask], dim=1)


_LABELS, _IMAGES = torch.arange(16) % 3, random(16, *IMAGE, seed=8)
_FRAMES = random(BATCH, MELS, FRAMES) - 3
_NETWORK = nn.Conv2d(IMAGE[0], 2 * IMAGE[0], 3, padding=1)

ESTIMATORS: dict[str, Callable[[], tuple[PriorEstimator, tuple[Tensor, ...], tuple[int, ...]]]] = {
    "MomentsEstimator": lambda: (_fitted(MomentsEstimator(IMAGE)), (), IMAGE),
    "FourierPowerEstimator": lambda: (_fitted(FourierPowerEstimator(IMAGE)), (), IMAGE),
    "LowRankEstimator": lambda: (_fitted(LowRankEstimator(IMAGE, rank=3)), (), IMAGE),
    "AxisCovarianceEstimator": lambda: (
        _fitted(AxisCovarianceEstimator(IMAGE[0])),
        (_IMAGES[:BATCH],),
        IMAGE,
    ),
    "ClassMomentsEstimator": lambda: (
        _fitted(ClassMomentsEstimator(3, IMAGE), _LABELS),
        (_LABELS[:BATCH],),
        IMAGE,
    ),
    "LocalRegressionEstimator": lambda: (
        _fitted(LocalRegressionEstimator(IMAGE[0], IMAGE[0]), _IMAGES),
        (_IMAGES[:BATCH],),
        IMAGE,
    ),
    "InpaintingEstimator": lambda: (
        _fitted(InpaintingEstimator(IMAGE, rank=3), _holes(16)),
        (_holes(BATCH),),
        IMAGE,
    ),
    "ResidualEstimator": lambda: (
        ResidualEstimator(
            _fitted(LocalRegressionEstimator(IMAGE[0], IMAGE[0]), _IMAGES),
            _fitted(FourierPowerEstimator(IMAGE)),
        ).eval(),
        (_IMAGES[:BATCH],),
        IMAGE,
    ),
    "OffsetNoiseEstimator": lambda: (OffsetNoiseEstimator(), (_IMAGES[:BATCH],), IMAGE),
    "VideoNoiseEstimator": lambda: (VideoNoiseEstimator(), (_IMAGES[:BATCH],), IMAGE),
    "LearnedDiagonalEstimator": lambda: (LearnedDiagonalEstimator(_NETWORK), (_IMAGES[:BATCH],), IMAGE),
    "MeanEstimator": lambda: (MeanEstimator(_NETWORK), (_IMAGES[:BATCH],), (2 * IMAGE[0], *IMAGE[1:])),
    "LearnedImageEstimator": lambda: (
        LearnedImageEstimator(IMAGE, num_classes=3, channels=8, layers=1).eval(),
        (_LABELS[:BATCH],),
        IMAGE,
    ),
    "MelEnergyEstimator": lambda: (
        _fitted(MelEnergyEstimator(HOP), _FRAMES, data=random(BATCH, 1, FRAMES * HOP)),
        (_FRAMES,),
        (1, FRAMES * HOP),
    ),
    "MelSpectrumEstimator": lambda: (
        _fitted(MelSpectrumEstimator(MELS, HOP), _FRAMES, data=random(BATCH, 1, FRAMES * HOP)),
        (_FRAMES,),
        (1, FRAMES * HOP),
    ),
    "LearnedMelSpectrumEstimator": lambda: (
        LearnedMelSpectrumEstimator(8, 1, MELS, HOP),
        (_FRAMES,),
        (1, FRAMES * HOP),
    ),
    "SpecGradEstimator": lambda: (
        SpecGradEstimator(n_fft=32, win_length=32, hop_length=8, n_mels=4, lifter_order=4, floor=0.1),
        (_FRAMES[:, :4],),
        (1, FRAMES * 8),
    ),
}


def _weights(value: Tensor) -> Tensor:
    return torch.linspace(-1, 1, value.numel(), device=value.device).reshape(value.shape)


def call(module: nn.Module, given: dict[str, Any]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """What a network returns, and the gradients of its parameters: of a sum that weights all differently."""
    module.zero_grad()
    result = module(**given)
    if isinstance(result, EncodedText):
        result = {name: value for name, value in vars(result).items() if value.is_floating_point()}
    returned = result if isinstance(result, dict) else {"result": result}
    total = sum((value * _weights(value)).sum() for value in returned.values())
    if isinstance(total, Tensor) and total.requires_grad:
        total.backward()
    gradients = {name: p.grad for name, p in module.named_parameters() if p.grad is not None}
    return {name: value.detach() for name, value in returned.items()}, gradients


class OfPrior(nn.Module):
    """An estimator as a network that colours and whitens noise."""

    def __init__(self, estimator: PriorEstimator) -> None:
        super().__init__()
        self.estimator = estimator

    def forward(self, arguments: tuple[Tensor, ...], noise: Tensor) -> dict[str, Tensor]:
        prior = self.estimator(*arguments)
        return {"data": prior.to_data(noise), "white": prior.to_white(noise)}


def estimator_case(name: str) -> Case:
    """An estimator by its name in `ESTIMATORS`, for `call`."""
    estimator, arguments, event = ESTIMATORS[name]()
    return OfPrior(estimator), {"arguments": arguments, "noise": random(BATCH, *event, seed=9)}
