"""Priors of whole recordings, found once and cropped."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from priordiff import LappedPrior, LearnedMelSpectrumEstimator
from priordiff.audio import AudioCorpus, LogMelSpectrogram
from priordiff.experiments.speech import MelConfig
from priordiff.training import Draw, load_config
from vocoder import kept
from vocoder.__main__ import main
from vocoder.configuration import CONFIGS, VocoderConfig
from vocoder.data import MARGIN_FRAMES, NoisyCropDataset, Recordings, prepare_corpus, with_frames
from vocoder.kept import KeptFrames
from vocoder.task import VocoderTask


@pytest.fixture
def config(tiny: list[str]) -> VocoderConfig:
    overrides = [argument for argument in tiny if "=" in argument]
    overrides.append(f"corpus.directory={tiny[tiny.index('--data') + 1]}")
    return load_config(VocoderConfig, CONFIGS / "demo.yaml", overrides)


@pytest.fixture
def corpora(config: VocoderConfig) -> tuple[Recordings, Recordings]:
    return prepare_corpus(config)


@pytest.fixture
def find(
    corpora: tuple[Recordings, Recordings],
    config: VocoderConfig,
    estimator: LearnedMelSpectrumEstimator,
    tmp_path: Path,
) -> Callable[..., NoisyCropDataset]:
    """Crops of the training recordings, or of some, with what was found in these, or has been before."""

    def crops(indices: Sequence[int] | None = None, mel: MelConfig = config.mel) -> NoisyCropDataset:
        corpus = corpora[0]
        assert isinstance(corpus, AudioCorpus)
        corpus = corpus if indices is None else corpus.select(indices)
        dataset = NoisyCropDataset(corpus, LogMelSpectrogram(**asdict(mel)), 8, 50)
        dataset.kept = KeptFrames(corpus, dataset.whole_recording, mel, estimator, tmp_path)
        return dataset

    return crops


@pytest.fixture
def estimator() -> LearnedMelSpectrumEstimator:
    torch.manual_seed(0)
    estimator = LearnedMelSpectrumEstimator(channels=8, layers=2)
    torch.nn.init.normal_(estimator.output_projection.weight, std=0.3)
    for block in estimator.blocks:  # which would do nothing as they come
        torch.nn.init.normal_(block.contract.weight, std=0.3)
    return estimator


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many frames went through an estimator in each of its passes."""
    frames: list[int] = []
    forward = LearnedMelSpectrumEstimator.forward

    def counted(self: LearnedMelSpectrumEstimator, log_mel: Tensor) -> LappedPrior:
        frames.append(log_mel.shape[-1])
        return forward(self, log_mel)

    monkeypatch.setattr(LearnedMelSpectrumEstimator, "forward", counted)
    return frames


def test_crops_are_those_of_what_is_found_in_whole_recordings(
    find: Callable[..., NoisyCropDataset],
    estimator: LearnedMelSpectrumEstimator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kept, "_PIECE", 20)
    dataset = find()
    corpus, log_mel = dataset.corpus, dataset.log_mel
    for number in range(12):
        draw = Draw(number % len(corpus), number, 0)
        item = dataset[draw]
        whole = log_mel(corpus.waveform(draw.index)[None, : corpus.num_samples(draw.index) // 256 * 256])
        inside = slice(item["first"], item["first"] + 8 + 2 * MARGIN_FRAMES)
        torch.testing.assert_close(item["log_mel"], whole[0, :, inside])
        with torch.no_grad():
            std = estimator(whole).std[0, :, inside]
        torch.testing.assert_close(item["prior_std"], std)
        _, frames = with_frames(item["surrounded"][None], log_mel)
        torch.testing.assert_close(item["log_mel"], frames[0], rtol=0, atol=1e-4)


def test_what_was_found_is_used_as_long_as_it_is_that_of_the_estimator_and_the_recordings(
    find: Callable[..., NoisyCropDataset],
    corpora: tuple[Recordings, Recordings],
    config: VocoderConfig,
    estimator: LearnedMelSpectrumEstimator,
    tmp_path: Path,
    passes: list[int],
) -> None:
    def found(indices: Sequence[int] | None = None, mel: MelConfig = config.mel) -> int:
        passes.clear()
        find(indices, mel)
        assert len(list(tmp_path.glob("*.f32"))) == 1, "what is outdated is removed"
        return len(passes)

    count, other = len(corpora[0]), replace(config.mel, f_max=7000.0)
    assert found() == count
    assert found() == 0
    assert found([0]) == 1
    assert found() == count
    assert found(mel=other) == count
    torch.nn.init.zeros_(estimator.output_projection.bias)
    assert found(mel=other) == count


def test_a_worker_maps_the_file_again(find: Callable[..., NoisyCropDataset]) -> None:
    frames = find().kept
    assert frames
    pickled = pickle.dumps(frames)
    assert len(pickled) < 2000
    for ours, theirs in zip(frames.crop(1, 3, 10), pickle.loads(pickled).crop(1, 3, 10), strict=True):
        assert torch.equal(ours, theirs)


def test_training_sees_what_was_kept_and_finds_nothing_anew(
    corpora: tuple[Recordings, Recordings],
    config: VocoderConfig,
    estimator: LearnedMelSpectrumEstimator,
    tmp_path: Path,
    passes: list[int],
) -> None:
    losses = {}
    for name, folder in (("kept", tmp_path), ("anew", None)):
        task = VocoderTask(config, *corpora, estimator, folder)
        batch = task.collate([task.dataset[Draw(number, number, 0)] for number in range(2)])
        passes.clear()
        losses[name] = task.loss_sums(task.model, batch, [])["diffusion"]
        assert len(passes) == (name == "anew")
    # Beyond the ends of a crop alone the estimator sees nothing, which alters the priors of the outer frames.
    assert not torch.equal(losses["kept"], losses["anew"])
    torch.testing.assert_close(losses["kept"], losses["anew"], rtol=0.1, atol=0)


@pytest.mark.parametrize("keep", [True, False])
def test_the_configuration_says_whether_priors_are_kept(keep: bool, tiny: list[str], tmp_path: Path) -> None:
    arguments = [*tiny, "compare=[]", "training.num_steps=1", f"estimator.keep_priors={keep}"]
    assert main([*arguments, "--output", str(tmp_path)]) == 0
    assert (tmp_path / "spectral-prior-seed0" / "frames").is_dir() == keep


def test_recordings_in_shards_have_their_priors_found_anew(tiny: list[str], tmp_path: Path) -> None:
    pytest.importorskip("webdataset")
    shards = str(tmp_path / "shards")
    assert main(["make-shards", "--data", tiny[1], "--output", shards, "--megabytes", "1"]) == 0
    arguments = [*tiny, "compare=[]", "training.num_steps=1", "--output", str(tmp_path / "runs")]
    arguments[1] = shards
    assert main(arguments) == 0
    assert not (tmp_path / "runs" / "spectral-prior-seed0" / "frames").exists()
