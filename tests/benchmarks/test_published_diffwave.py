from __future__ import annotations

import pytest
import torch

from benchmarks.measuring import Options
from benchmarks.published_diffwave import PublishedDiffWave, multiply_adds, pair, sample, training_loss
from priordiff import DiagonalPrior, DiffWave, PriorGradScheduler, VocoderPipeline, prior_loss
from tests.golden import Golden

pytestmark = pytest.mark.filterwarnings("ignore:log-mel frames range")


@pytest.fixture(scope="module")
def golden() -> Golden:
    return Golden("vocoder_small")


@pytest.fixture(scope="module")
def published(golden: Golden) -> PublishedDiffWave:
    network = PublishedDiffWave(channels=8, layers=4, cycle=int(golden.metadata["cyc"])).eval()
    network.load_state_dict(golden.weights)
    return network


@pytest.mark.parametrize("t", [0, 7, 49, 3.3])
def test_the_yardstick_predicts_what_was_published(
    t: float, golden: Golden, published: PublishedDiffWave
) -> None:
    std = golden.tensors["std"].repeat_interleave(256, dim=1)[:, None]
    state = golden.draws(1)[0] * std
    with torch.no_grad():
        prediction = published(state, torch.tensor([float(t)]), golden.tensors["mel"])
    torch.testing.assert_close(prediction[:, 0], golden.tensors[f"eps_t{t}"], rtol=1e-5, atol=1e-5)


def test_its_sampler_makes_what_the_pipeline_makes(golden: Golden, published: PublishedDiffWave) -> None:
    pipeline = VocoderPipeline(golden.model, PriorGradScheduler())
    pipeline.set_progress_bar_config(disable=True)
    pipeline.scheduler.set_timesteps(6)
    log_mel, betas = golden.tensors["mel"], [1e-4, 1e-3, 0.01, 0.05, 0.2, 0.5]
    timesteps = pipeline.scheduler.timesteps.flip(0)
    audio = sample(published, log_mel, timesteps, betas, torch.Generator().manual_seed(0))
    expected = pipeline(log_mel, num_inference_steps=6, generator=torch.Generator().manual_seed(0)).audios
    torch.testing.assert_close(audio, expected, rtol=1e-4, atol=1e-4)


def test_of_the_published_sizes_it_has_as_many_parameters_as_ours() -> None:
    network = PublishedDiffWave()
    assert DiffWave.from_neuralspeech(network.state_dict()).num_parameters() == 2_619_971
    assert multiply_adds(network) == 30 * (3 * 64 * 128 + 80 * 128 + 64 * 128) + 64 + 64 * 64 + 64


def test_what_both_networks_predict_is_as_large_as_noise_so_that_differences_show() -> None:
    published, ours = pair(Options(torch.device("cpu"), quick=True))
    waveform, log_mel = torch.randn(1, 1, 16 * 256), torch.randn(1, 80, 16) * 2 - 5
    predictions = [network(waveform, torch.tensor([25]), log_mel) for network in (published, ours)]
    assert 0.5 < predictions[0].std() < 2
    torch.testing.assert_close(*predictions, rtol=1e-3, atol=1e-3)
    with torch.no_grad():
        ours.layers[1].dilated_conv.weight *= 1.01
    changed = ours(waveform, torch.tensor([25]), log_mel)
    assert (changed - predictions[0]).abs().max() > 1e-3


def test_its_loss_is_that_of_the_scheduler_and_the_prior(
    published: PublishedDiffWave, golden: Golden
) -> None:
    waveform, noise, std = torch.randn(2, 1, 1024), torch.randn(2, 1, 1024), torch.rand(2, 1, 1024) + 0.1
    log_mel, timesteps, scheduler = torch.randn(2, 80, 4) - 5, torch.tensor([3, 40]), PriorGradScheduler()
    prior = DiagonalPrior(torch.zeros(()), std)
    scheduler.set_prior(prior)
    noisy = scheduler.scale_model_input(scheduler.add_noise(waveform, noise, timesteps), timesteps)
    prediction = golden.model(noisy, timesteps, log_mel)
    expected = prior_loss(prediction, scheduler.training_target(waveform, noise, timesteps), prior)
    loss = training_loss(published, waveform, log_mel, std, noise, timesteps, scheduler.alphas_cumprod)
    torch.testing.assert_close(loss, expected, rtol=1e-4, atol=1e-5)
