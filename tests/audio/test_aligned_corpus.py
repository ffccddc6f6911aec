from __future__ import annotations

import logging
import shutil
from pathlib import Path

import pytest

pytest.importorskip("espeakng_loader")

from priordiff.audio import AlignedCorpus, Alignment, AudioCorpus, make_corpus, write_textgrid

SENTENCES = ["Hello there.", "How are you today?", "Fine, thank you."]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_corpus(tmp_path_factory.mktemp("corpus"), SENTENCES)


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "corpus")


def audio(folder: Path) -> AudioCorpus:
    return AudioCorpus.prepare(folder, folder / ".cache", sample_rate=16000, min_seconds=0.1)


def test_recordings_have_the_alignments_of_their_names(folder: Path) -> None:
    corpus = AlignedCorpus.read(audio(folder), folder / "textgrids")
    assert len(corpus) == 3
    for recording, alignment in zip(corpus.audio.recordings, corpus.alignments, strict=True):
        frames = recording.num_samples // 200
        assert alignment.durations(200, 16000, frames).sum() == frames
    assert [alignment.symbols[1] for alignment in corpus.alignments] == ["h", "h", "f"]
    (selected,) = corpus.select([2]).alignments
    assert selected == corpus.alignments[2]
    assert corpus.select([2]).audio.recordings == corpus.audio.recordings[2:]


def test_recordings_that_do_not_fit_are_left_out_by_name(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    grids = folder / "textgrids"
    (grids / "demo-0001.TextGrid").unlink()
    write_textgrid(grids / "demo-0003.TextGrid", Alignment(("a",), (0.0,), 9.0))
    with caplog.at_level(logging.WARNING):
        corpus = AlignedCorpus.read(audio(folder), grids)
    assert [recording.name for recording in corpus.audio.recordings] == ["demo-0002"]
    (message,) = (message for message in caplog.messages if "alignment" in message)
    assert "left out 2 of 3" in message
    assert "demo-0001: no TextGrid" in message
    assert "demo-0003: the alignment ends at 9.00 s" in message


def test_a_folder_without_fitting_grids_is_an_error(folder: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no folder of TextGrids"):
        AlignedCorpus.read(audio(folder), folder / "none")
    with pytest.raises(ValueError, match=r"no recording has an alignment .*demo-0001: .*expected one that"):
        AlignedCorpus.read(audio(folder), folder / "textgrids", tier="ipa")
    with pytest.raises(ValueError, match="1 alignments for 3 recordings"):
        AlignedCorpus(audio(folder), [Alignment(("a",), (0.0,), 1.0)])


def test_a_warning_about_many_recordings_names_the_first(
    folder: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("priordiff.audio.aligned_corpus._NAMED", 1)
    for name in ("demo-0001", "demo-0003"):
        (folder / "textgrids" / f"{name}.TextGrid").unlink()
    AlignedCorpus.read(audio(folder), folder / "textgrids")
    (message,) = (message for message in caplog.messages if "alignment" in message)
    assert "left out 2 of 3" in message
    assert message.endswith("demo-0001.TextGrid; …")
