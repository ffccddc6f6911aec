from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch

from priordiff.audio import AudioCorpus, Recording, read_audio, write_audio

RATE = 8000


@pytest.fixture
def corpus(tmp_path: Path) -> AudioCorpus:
    (tmp_path / "data").mkdir()
    for index, name in enumerate("abc"):
        write_audio(tmp_path / "data" / f"{name}.wav", 0.1 * torch.randn(1000 * (index + 1)), RATE)
    return AudioCorpus.prepare(tmp_path / "data", tmp_path / "cache", RATE, min_seconds=0.1)


def test_recordings_have_names_and_lengths(corpus: AudioCorpus) -> None:
    assert corpus.recordings == (
        Recording("a", None, 1000),
        Recording("b", None, 2000),
        Recording("c", None, 3000),
    )
    assert len(corpus) == 3
    assert corpus.sample_rate == RATE


def test_a_waveform_is_the_file_scaled_to_the_peak(corpus: AudioCorpus, tmp_path: Path) -> None:
    for index, name in enumerate("abc"):
        waveform = read_audio(tmp_path / "data" / f"{name}.wav", RATE)
        torch.testing.assert_close(corpus.waveform(index), waveform * (0.95 / waveform.abs().max()))


def test_a_crop_is_a_part_of_the_waveform(corpus: AudioCorpus) -> None:
    assert torch.equal(corpus.crop(1, 300, 500), corpus.waveform(1)[300:800])
    assert torch.equal(corpus.crop(2, 2000, 1000), corpus.waveform(2)[2000:])


@pytest.mark.parametrize(("start", "length"), [(-1, 10), (995, 10), (0, -5)])
def test_a_crop_beyond_the_recording_is_refused(corpus: AudioCorpus, start: int, length: int) -> None:
    with pytest.raises(ValueError, match=r"in a: it has 1000"):
        corpus.crop(0, start, length)


def test_changing_a_waveform_leaves_the_corpus_alone(corpus: AudioCorpus) -> None:
    before = corpus.waveform(0)
    corpus.waveform(0).zero_()
    assert torch.equal(corpus.waveform(0), before)


def test_a_selection_reads_its_own_recordings(corpus: AudioCorpus) -> None:
    selection = corpus.select([2, 0])
    assert [recording.name for recording in selection.recordings] == ["c", "a"]
    assert torch.equal(selection.waveform(0), corpus.waveform(2))
    assert torch.equal(selection.crop(1, 10, 20), corpus.crop(0, 10, 20))


def test_corpora_of_the_same_recordings_have_the_same_identity(corpus: AudioCorpus, tmp_path: Path) -> None:
    def prepared() -> AudioCorpus:
        return AudioCorpus.prepare(tmp_path / "data", tmp_path / "cache", RATE, min_seconds=0.1)

    assert prepared().identity == corpus.identity == corpus.select([0, 1, 2]).identity
    assert corpus.select([1, 0, 2]).identity != corpus.identity
    write_audio(tmp_path / "data" / "a.wav", 0.1 * torch.randn(1000), RATE)
    assert prepared().identity != corpus.identity


def test_a_pickled_corpus_carries_no_samples(corpus: AudioCorpus) -> None:
    pickled = pickle.dumps(corpus.select([1, 2]))
    assert len(pickled) < 2000
    assert torch.equal(pickle.loads(pickled).waveform(0), corpus.waveform(1))
