from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler, EulerAncestralDiscreteScheduler
from torch import Tensor

from priordiff import (
    DiffWave,
    LappedConvNeXt,
    LearnedMelSpectrumEstimator,
    MelEnergyEstimator,
    PriorEstimator,
    PriorGradScheduler,
    VocoderPipeline,
)
from priordiff.pipelines import synthesis

pytestmark = pytest.mark.filterwarnings("ignore:log-mel frames range")

FRAMES = {"n_mels": 8, "hop_length": 16}
MEL = {"sample_rate": 160, "n_fft": 64, "win_length": 64, "f_max": 80.0}
NUM_FRAMES = 173


def make_vocoder(network: str, scheduler: Any = None, **options: Any) -> VocoderPipeline:
    torch.manual_seed(0)
    if network == "frames":
        model, space = LappedConvNeXt(8, 2, **FRAMES), "white"
        estimator: PriorEstimator = LearnedMelSpectrumEstimator(8, 2, **FRAMES)
    else:
        model, space = DiffWave(8, 4, 4, **FRAMES), "centered"
        estimator = MelEnergyEstimator(16).fit([torch.randn(4, 8, 40) - 2])
    for parameter in [*model.parameters(), *estimator.parameters()]:
        torch.nn.init.normal_(parameter, std=0.3)
    scheduler = scheduler or PriorGradScheduler(model_space=space, clip_prev_sample=1.0)
    vocoder = VocoderPipeline(model.eval(), scheduler, estimator, mel=MEL, **options).to(torch.float64)
    vocoder.set_progress_bar_config(disable=True)
    return vocoder


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(3)


@pytest.fixture
def log_mel() -> Tensor:
    return torch.randn(8, NUM_FRAMES, dtype=torch.float64) - 2


@pytest.mark.parametrize("chunk_seconds", [0.1, 3.0, 100.0], ids=["a frame", "thirty", "all"])
@pytest.mark.parametrize("solver", ["ddpm", "ddim", "dpm++", "sde-dpm++", "unipc"])
@pytest.mark.parametrize("network", ["frames", "samples"])
def test_chunks_joined_are_what_a_call_makes(
    network: str, solver: str, chunk_seconds: float, log_mel: Tensor
) -> None:
    vocoder, tolerance = make_vocoder(network, solver=solver, num_inference_steps=4), 1e-9
    if solver == "sde-dpm++":  # draws its noise in float32, whatever the state is
        vocoder, tolerance = vocoder.to(torch.float32), 1e-4
    (expected,) = vocoder(log_mel, generator=seeded()).audios
    chunks = list(vocoder.stream(log_mel, chunk_seconds, generator=seeded()))
    assert {len(chunk) for chunk in chunks[:-1]} <= {round(chunk_seconds * 10) * 16}
    torch.testing.assert_close(torch.cat(chunks), expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("network", ["frames", "samples"])
def test_clipping_and_consistency_are_the_same_in_chunks(network: str, log_mel: Tensor) -> None:
    pytest.importorskip("torchaudio")
    scheduler = DDIMScheduler(num_train_timesteps=50, beta_end=0.05, clip_sample=True)
    vocoder = make_vocoder(network, scheduler, num_inference_steps=3, num_consistency_steps=2)
    (expected,) = vocoder(log_mel, generator=seeded()).audios
    chunks = torch.cat(list(vocoder.stream(log_mel, 4.0, generator=seeded())))
    torch.testing.assert_close(chunks, expected, rtol=1e-9, atol=1e-9)


def test_the_first_chunk_comes_long_before_the_last_one_is_begun(
    log_mel: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    vocoder, seen = make_vocoder("frames", num_inference_steps=2), []
    forward = vocoder.model.forward
    monkeypatch.setattr(
        vocoder.model, "forward", lambda *args, **kwargs: seen.append(1) or forward(*args, **kwargs)
    )
    next(vocoder.stream(log_mel, 2.0, generator=seeded()))
    assert len(seen) == 3  # of 2 steps in 9 chunks: two of the first step, one of the second


def test_streams_and_calls_do_not_disturb_each_other(log_mel: Tensor) -> None:
    vocoder = make_vocoder("samples", num_inference_steps=4)
    expected = torch.cat(list(vocoder.stream(log_mel, 2.0, generator=seeded())))
    (called,) = vocoder(log_mel, num_inference_steps=3, generator=seeded()).audios
    stream = vocoder.stream(log_mel, 2.0, generator=seeded())
    first = next(stream)
    assert torch.equal(vocoder(log_mel, num_inference_steps=3, generator=seeded()).audios[0], called)
    assert torch.equal(torch.cat([first, *stream]), expected)
    assert not expected.requires_grad


@pytest.mark.parametrize("solver", [None, "unipc"])
def test_calls_of_several_threads_do_not_disturb_each_other(solver: str | None, log_mel: Tensor) -> None:
    vocoder = make_vocoder("frames", solver=solver, num_inference_steps=4)
    pieces = log_mel.split(NUM_FRAMES // 2 + 1, -1)

    def audio(piece: Tensor) -> Tensor:
        return vocoder(piece, generator=seeded()).audios[0]

    expected, step = list(map(audio, pieces)), Barrier(len(pieces))

    def take_turns(*_: Any) -> None:
        step.wait(timeout=60)

    vocoder.model.register_forward_pre_hook(take_turns)
    with ThreadPoolExecutor(len(pieces)) as threads:
        torch.testing.assert_close(list(threads.map(audio, pieces)), expected, rtol=0, atol=0)


def test_a_call_makes_long_waveforms_in_chunks(log_mel: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    vocoder = make_vocoder("frames", num_inference_steps=3)
    batch = torch.stack([log_mel, log_mel.flip(-1)])
    at_once = vocoder(batch, generator=seeded()).audios
    monkeypatch.setattr(synthesis, "_LONG", 5)
    monkeypatch.setattr(synthesis, "_CHUNK", 3)
    lengths = []
    forward = vocoder.model.forward
    monkeypatch.setattr(
        vocoder.model,
        "forward",
        lambda sample, *args, **kwargs: lengths.append(sample.shape[-1]) or forward(sample, *args, **kwargs),
    )
    torch.testing.assert_close(vocoder(batch, generator=seeded()).audios, at_once, rtol=1e-9, atol=1e-9)
    assert max(lengths) < NUM_FRAMES * 16 / 2


class _Sees(MelEnergyEstimator):
    margin_frames = None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda vocoder: setattr(vocoder.estimator, "__class__", _Sees),
            "_Sees does not say how many frames",
        ),
        (
            lambda vocoder: setattr(vocoder, "scheduler", EulerAncestralDiscreteScheduler()),
            "EulerAncestral.* draws noise in its steps and takes none",
        ),
        (
            lambda vocoder: setattr(
                vocoder,
                "scheduler",
                DPMSolverMultistepScheduler(thresholding=True, algorithm_type="dpmsolver++"),
            ),
            "thresholding=True, which looks at whole waveforms",
        ),
    ],
    ids=["margin", "noise", "thresholding"],
)
def test_what_cannot_be_done_in_chunks_is_named_and_done_at_once(
    change: Any, message: str, log_mel: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    vocoder = make_vocoder("samples", num_inference_steps=2)
    change(vocoder)
    with pytest.raises(ValueError, match=message):
        vocoder.stream(log_mel)
    monkeypatch.setattr(synthesis, "_LONG", 5)
    assert vocoder(log_mel, generator=seeded()).audios[0].isfinite().all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"chunk_seconds": 0.0}, r"chunk_seconds=0\.0, expected a positive"),
        ({"mel": torch.zeros(2, 8, 5)}, "mel has 2 items, expected one"),
        ({"num_consistency_steps": -1}, "num_consistency_steps=-1, expected"),
    ],
)
def test_bad_arguments_of_a_stream_are_named(
    arguments: dict[str, Any], message: str, log_mel: Tensor
) -> None:
    with pytest.raises(ValueError, match=message):
        make_vocoder("samples").stream(**{"mel": log_mel, **arguments})
