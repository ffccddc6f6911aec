from __future__ import annotations

import json
import math
import subprocess
import sys
import warnings
from pathlib import Path

import diffusers
import numpy as np
import pytest
import torch
from torch import Tensor

from priordiff import (
    DiagonalPrior,
    DiffWave,
    MelEnergyEstimator,
    MelSpectrumEstimator,
    PriorEstimator,
    PriorGradScheduler,
    VocoderPipeline,
    with_prior,
)

# Random frames are louder than any recording.
pytestmark = pytest.mark.filterwarnings("ignore:log-mel frames range")

N_MELS, HOP_LENGTH = 8, 16
MEL = {"sample_rate": 8000, "n_fft": 64, "win_length": 64, "f_max": 4000.0}
LENGTHS = (7, 12, 7)


def make_model(**config: object) -> DiffWave:
    torch.manual_seed(1)
    model = DiffWave(8, 3, 2, n_mels=N_MELS, hop_length=HOP_LENGTH, **config)
    # A fresh network's output is zero, whatever goes in.
    torch.nn.init.normal_(model.output_projection.weight, std=0.3)
    return model.eval()


def make_estimator(name: str) -> PriorEstimator | None:
    random = torch.Generator().manual_seed(2)
    log_mel, waveform = (
        torch.randn(4, N_MELS, 40, generator=random) - 2,
        torch.randn(4, 1, 640, generator=random),
    )
    if name == "energy":
        return MelEnergyEstimator(HOP_LENGTH).fit([log_mel])
    if name == "spectrum":
        return MelSpectrumEstimator(N_MELS, HOP_LENGTH).fit([(log_mel, 0.1 * waveform)])
    return None


def make_vocoder(estimator: str = "energy", **config: object) -> VocoderPipeline:
    scheduler = PriorGradScheduler(model_space="white" if estimator == "spectrum" else "centered")
    vocoder = VocoderPipeline(make_model(**config), scheduler, make_estimator(estimator), mel=MEL)
    vocoder.set_progress_bar_config(disable=True)
    return vocoder


def seeded(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


@pytest.fixture
def log_mels() -> list[Tensor]:
    return [torch.randn(N_MELS, frames) - 2 for frames in LENGTHS]


@pytest.mark.parametrize("estimator", ["energy", "spectrum", "none"])
@pytest.mark.parametrize(
    "steps", [{"num_inference_steps": 6}, {"num_inference_steps": 50}, {"betas": [0.01, 0.3]}]
)
def test_it_is_the_loop_that_one_would_write(estimator: str, steps: dict, log_mels: list[Tensor]) -> None:
    vocoder = make_vocoder(estimator)
    log_mel = log_mels[0][None]
    audio = vocoder(log_mel, **steps, generator=seeded(3)[0]).audios

    scheduler, (generator,) = vocoder.scheduler, seeded(3)
    scheduler.set_prior(vocoder.estimator(log_mel) if vocoder.estimator else None)
    scheduler.set_timesteps(**steps)
    x = torch.randn(1, 1, 7 * HOP_LENGTH, generator=generator) * scheduler.init_noise_sigma
    with torch.no_grad():
        for t in scheduler.timesteps:
            output = vocoder.model(scheduler.scale_model_input(x, t), t, log_mel)
            x = scheduler.step(output, t, x, generator=generator).prev_sample
    assert torch.equal(audio, x[:, 0])


def test_every_item_of_an_uneven_batch_is_what_it_is_alone(log_mels: list[Tensor]) -> None:
    vocoder = make_vocoder()
    together = vocoder(log_mels, generator=seeded(0, 1, 2)).audios
    assert [audio.shape for audio in together] == [(frames * HOP_LENGTH,) for frames in LENGTHS]
    for audio, log_mel, generator in zip(together, log_mels, seeded(0, 1, 2), strict=True):
        torch.testing.assert_close(audio, vocoder(log_mel, generator=generator).audios[0])
    assert not torch.allclose(together[0], together[2])


def test_tensors_and_arrays_come_back_as_asked(log_mels: list[Tensor]) -> None:
    vocoder = make_vocoder()
    expected = vocoder(log_mels, generator=seeded(0, 1, 2)).audios
    (arrays,) = vocoder(log_mels, generator=seeded(0, 1, 2), output_type="np", return_dict=False)
    assert all(isinstance(array, np.ndarray) for array in arrays)
    assert all(np.array_equal(array, audio.numpy()) for array, audio in zip(arrays, expected, strict=True))
    even = torch.stack([log_mels[0], log_mels[2]])
    assert vocoder(even).audios.shape == (2, 7 * HOP_LENGTH)
    assert vocoder(even.numpy(), output_type="np").audios.shape == (2, 7 * HOP_LENGTH)


def test_a_waveform_is_analysed_and_synthesised_again() -> None:
    pytest.importorskip("torchaudio")
    from priordiff.audio import LogMelSpectrogram

    vocoder = make_vocoder()
    waveform = 0.1 * torch.randn(2, 330)
    log_mel = LogMelSpectrogram(n_mels=N_MELS, hop_length=HOP_LENGTH, **MEL)(waveform)
    expected = vocoder(log_mel, generator=seeded(0, 1)).audios
    torch.testing.assert_close(
        vocoder(waveform=waveform, sample_rate=8000, generator=seeded(0, 1)).audios, expected
    )
    audios = vocoder(waveform=[waveform[0].numpy(), waveform[1, :200]], generator=seeded(0, 1)).audios
    torch.testing.assert_close(audios[0], expected[0])
    assert audios[1].shape == (192,)


def test_consistency_steps_follow_the_sampler_and_are_saved(tmp_path: Path, log_mels: list[Tensor]) -> None:
    pytest.importorskip("torchaudio")
    from priordiff.audio import LogMelSpectrogram, mel_consistent

    transform = LogMelSpectrogram(n_mels=N_MELS, hop_length=HOP_LENGTH, **MEL)
    parts = make_model(), PriorGradScheduler(model_space="centered"), make_estimator("energy")
    vocoder = VocoderPipeline(*parts, mel=MEL, num_consistency_steps=3)
    vocoder.set_progress_bar_config(disable=True)
    vocoder.save_pretrained(tmp_path)
    vocoder = VocoderPipeline.from_pretrained(tmp_path)
    vocoder.set_progress_bar_config(disable=True)
    samples = vocoder(log_mels, generator=seeded(0, 1, 2), num_consistency_steps=0).audios
    plain = make_vocoder()(log_mels, generator=seeded(0, 1, 2)).audios
    audios = vocoder(log_mels, generator=seeded(0, 1, 2)).audios
    for log_mel, sample, without, audio in zip(log_mels, samples, plain, audios, strict=True):
        assert torch.equal(sample, without)
        torch.testing.assert_close(audio, mel_consistent(sample[None], log_mel[None], transform, 3)[0])
        assert (transform(audio[None])[0] - log_mel).abs().mean() < (
            transform(sample[None])[0] - log_mel
        ).abs().mean()


def test_a_waveform_too_short_for_a_spectrum_is_left_as_it_is() -> None:
    (audio,) = make_vocoder()(torch.zeros(N_MELS, 1), generator=seeded(0)).audios
    options = {"num_consistency_steps": 2, "generator": seeded(0)}
    assert torch.equal(make_vocoder()(torch.zeros(N_MELS, 1), **options).audios[0], audio)


@pytest.mark.parametrize("prior_condition", ["mel_channel", "conditioner"])
def test_a_model_that_is_told_the_prior_is_told_its_std_per_frame(
    prior_condition: str, log_mels: list[Tensor]
) -> None:
    vocoder = make_vocoder(prior_condition=prior_condition)
    seen = []
    vocoder.model.register_forward_pre_hook(
        lambda _, args, kwargs: seen.append(kwargs["prior_std"]), with_kwargs=True
    )
    vocoder(log_mels[0])
    assert torch.equal(seen[0], vocoder.estimator.frame_std(log_mels[0][None]))


def test_the_prior_is_gone_after_the_call_even_if_it_fails(log_mels: list[Tensor]) -> None:
    vocoder = make_vocoder()
    vocoder(log_mels)
    assert vocoder.scheduler.prior is None
    vocoder.model.register_forward_hook(lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        vocoder(log_mels)
    assert vocoder.scheduler.prior is None


def test_networks_in_half_precision_sample_in_single(log_mels: list[Tensor]) -> None:
    vocoder = make_vocoder()
    expected = vocoder(log_mels[0], generator=seeded(0)[0]).audios
    audio = vocoder.to(torch.bfloat16)(log_mels[0], generator=seeded(0)[0]).audios
    assert audio.dtype == torch.float32
    torch.testing.assert_close(audio, expected, rtol=0.1, atol=0.1)


def test_an_estimator_without_tensors_of_its_own_works(log_mels: list[Tensor]) -> None:
    class Quiet(PriorEstimator):
        def forward(self, log_mel: Tensor) -> DiagonalPrior:
            return DiagonalPrior(0.0, torch.full((1, 1, log_mel.shape[-1] * HOP_LENGTH), 1e-3))

    vocoder = VocoderPipeline(make_model(), PriorGradScheduler(model_space="white"), Quiet(), mel=MEL)
    vocoder.set_progress_bar_config(disable=True)
    assert vocoder(log_mels[0]).audios.abs().max() < 0.1


def test_loading_in_a_new_process_gives_the_same_audio(tmp_path: Path, log_mels: list[Tensor]) -> None:
    vocoder = make_vocoder()
    vocoder.save_pretrained(tmp_path / "vocoder")
    expected = vocoder(log_mels[0], generator=seeded(0)[0]).audios
    torch.save(log_mels[0], tmp_path / "log_mel.pt")
    code = f"""
import torch, priordiff
from diffusers import DiffusionPipeline
vocoder = DiffusionPipeline.from_pretrained({str(tmp_path / "vocoder")!r})
assert type(vocoder) is priordiff.VocoderPipeline
log_mel = torch.load({str(tmp_path / "log_mel.pt")!r})
audio = vocoder(log_mel, generator=torch.Generator().manual_seed(0)).audios
torch.save(audio, {str(tmp_path / "audio.pt")!r})
assert vocoder.sample_rate == 8000
"""
    subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, cwd=Path(__file__).parents[2]
    )
    assert torch.equal(torch.load(tmp_path / "audio.pt"), expected)


@pytest.mark.parametrize("estimator", ["spectrum", "none"])
def test_every_estimator_is_saved_and_loaded(estimator: str, tmp_path: Path, log_mels: list[Tensor]) -> None:
    vocoder = make_vocoder(estimator)
    vocoder.save_pretrained(tmp_path)
    loaded = diffusers.DiffusionPipeline.from_pretrained(tmp_path)
    loaded.set_progress_bar_config(disable=True)
    expected = vocoder(log_mels[0], generator=seeded(0)[0]).audios
    assert torch.equal(loaded(log_mels[0], generator=seeded(0)[0]).audios, expected)


def test_saved_components_are_named_by_the_library_not_by_its_files(tmp_path: Path) -> None:
    make_vocoder().save_pretrained(tmp_path)
    index = json.loads((tmp_path / "model_index.json").read_text())
    assert index["model"] == ["priordiff", "DiffWave"]
    assert index["scheduler"] == ["priordiff", "PriorGradScheduler"]
    assert index["estimator"] == ["priordiff", "MelEnergyEstimator"]
    assert diffusers.VocoderPipeline is VocoderPipeline


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "exactly one of mel and waveform"),
        ({"mel": torch.zeros(N_MELS, 4), "waveform": torch.zeros(100)}, "exactly one of mel and waveform"),
        ({"mel": torch.zeros(N_MELS + 1, 4)}, "9 bands and 4 frames, expected 8"),
        ({"mel": torch.zeros(N_MELS, 0)}, "8 bands and 0 frames"),
        ({"mel": torch.zeros(4)}, r"mel\[0\] has shape \(4,\)"),
        ({"mel": torch.zeros(1, 1, N_MELS, 4)}, r"mel\[0\] has shape \(1, 8, 4\)"),
        ({"mel": []}, "mel has no items"),
        ({"mel": [torch.zeros(N_MELS, 4), torch.full((N_MELS, 4), torch.nan)]}, r"mel\[1\] holds NaN"),
        ({"mel": torch.zeros(N_MELS, 4), "generator": seeded(0, 1)}, "list of 2 for 1 items"),
        ({"mel": torch.zeros(N_MELS, 4), "output_type": "wav"}, "output_type='wav'"),
        ({"mel": torch.zeros(N_MELS, 4), "num_inference_steps": 51}, "num_inference_steps=51"),
        ({"mel": torch.zeros(N_MELS, 4), "betas": [0.9]}, "beta=0.9"),
        ({"mel": torch.zeros(N_MELS, 4), "num_consistency_steps": -1}, "num_consistency_steps=-1"),
        ({"mel": torch.zeros(N_MELS, 4), "num_consistency_steps": 1.5}, "num_consistency_steps=1.5"),
        (
            {"waveform": torch.zeros(500), "sample_rate": 22050},
            "sample_rate=22050, .* works at 8000: resample",
        ),
        ({"waveform": torch.zeros(500, dtype=torch.int16)}, "torch.int16"),
        ({"waveform": torch.zeros(5)}, "5 samples, too few"),
    ],
)
def test_what_does_not_fit_is_an_error_in_one_line(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message) as error:
        make_vocoder()(**arguments)
    assert "\n" not in str(error.value)


def test_parts_that_do_not_fit_are_an_error() -> None:
    with pytest.raises(ValueError, match="mel has hop_length=8, but the model hop_length=16"):
        VocoderPipeline(make_model(), PriorGradScheduler(), mel={**MEL, "hop_length": 8})
    with pytest.raises(TypeError, match=r"VQDiffusionScheduler cannot have a Gaussian prior: .* tokens"):
        VocoderPipeline(make_model(), diffusers.VQDiffusionScheduler(4))
    with pytest.raises(ValueError, match="mel has bands, expected only"):
        VocoderPipeline(make_model(), PriorGradScheduler(), mel={"bands": 8})
    with pytest.raises(ValueError, match="needs an estimator with frame_std"):
        VocoderPipeline(make_model(prior_condition="mel_channel"), PriorGradScheduler())


@pytest.mark.parametrize(
    "scheduler",
    [
        diffusers.DDPMScheduler(),
        diffusers.EulerDiscreteScheduler(),
        diffusers.DPMSolverMultistepScheduler(),
        diffusers.FlowMatchEulerDiscreteScheduler(),
    ],
    ids=lambda scheduler: type(scheduler).__name__,
)
def test_a_scheduler_without_a_prior_is_replaced_by_its_sibling(
    scheduler: diffusers.SchedulerMixin, tmp_path: Path, log_mels: list[Tensor]
) -> None:
    def audio(vocoder: VocoderPipeline) -> Tensor:
        vocoder.set_progress_bar_config(disable=True)
        return vocoder(log_mels[0], generator=seeded(0)[0]).audios

    parts = make_model(), make_estimator("energy")
    expected = audio(VocoderPipeline(parts[0], with_prior(scheduler), parts[1], mel=MEL))
    assert not torch.allclose(expected, audio(VocoderPipeline(parts[0], with_prior(scheduler), mel=MEL)))
    vocoder = VocoderPipeline(parts[0], scheduler, parts[1], mel=MEL)
    assert torch.equal(audio(vocoder), expected)
    vocoder.save_pretrained(tmp_path)
    assert torch.equal(audio(diffusers.DiffusionPipeline.from_pretrained(tmp_path)), expected)
    vocoder.scheduler = scheduler
    assert torch.equal(audio(vocoder), expected)
    assert not hasattr(scheduler, "set_prior")


def test_a_scheduler_with_a_prior_is_taken_as_it_is() -> None:
    scheduler = PriorGradScheduler()
    assert VocoderPipeline(make_model(), scheduler, mel=MEL).scheduler is scheduler


def test_frames_that_are_no_natural_logarithms_are_warned_of() -> None:
    vocoder = make_vocoder()
    frames = torch.linspace(-11.5, -1, N_MELS * 5).reshape(N_MELS, 5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        vocoder([frames, frames])
    with pytest.warns(
        UserWarning, match=r"range from -99\.9 to -1\.0, .* from -11\.5 to .*decibels"
    ) as caught:
        vocoder([frames, frames * 20 / math.log(10)])
    assert len(caught) == 1
    assert caught[0].filename == __file__
    pytest.importorskip("torchaudio")
    with pytest.warns(UserWarning, match="another scale"):
        vocoder(waveform=[3000 * torch.randn(330)])
