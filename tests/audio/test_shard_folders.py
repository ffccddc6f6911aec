from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
import torch

from priordiff.audio import (
    AudioCorpus,
    AudioShards,
    encode_audio,
    index_audio_shards,
    make_audio_shards,
    write_audio,
)

RATE = 8000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """LJSpeech's layout: three good recordings, one damaged, one too short."""
    wavs = tmp_path / "speech" / "wavs"
    wavs.mkdir(parents=True)
    random = torch.Generator().manual_seed(0)
    for name, seconds in (("a.1", 1.5), ("b é%", 1.0), ("c", 2.0), ("short", 0.2)):
        write_audio(wavs / f"{name}.wav", 0.1 * torch.randn(int(RATE * seconds), generator=random), RATE)
    (wavs / "bad.wav").write_bytes(b"RIFF nonsense")
    names = ("a.1", "b é%", "bad", "c", "short")
    lines = "".join(f"{name}|text of {name}\n" for name in names)
    (tmp_path / "speech" / "metadata.csv").write_text(lines, encoding="utf-8")
    return tmp_path / "speech"


def test_shards_hold_what_a_corpus_of_the_folder_holds(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert make_audio_shards(folder, tmp_path / "shards", RATE, num_workers=1) == 3
    assert "skipped 2 recordings" in caplog.text
    skipped = (tmp_path / "shards" / "skipped.txt").read_text(encoding="utf-8")
    assert "bad.wav" in skipped
    assert "short.wav is too short" in skipped
    shards = AudioShards(tmp_path / "shards", RATE)
    corpus = AudioCorpus.prepare(folder, tmp_path / "cache", RATE)
    assert [*shards.recordings] == [*corpus.recordings]
    assert (len(shards), shards.seconds) == (3, corpus.seconds) == (3, 4.5)
    for index in range(3):
        torch.testing.assert_close(shards.waveform(index), corpus.waveform(index), atol=1e-4, rtol=0)
        torch.testing.assert_close(
            shards.crop(index, 3000, 500), corpus.crop(index, 3000, 500), atol=1e-4, rtol=0
        )


def test_an_interrupted_call_goes_on_and_others_add_to_it(folder: Path, tmp_path: Path) -> None:
    sizes = {"max_bytes": 20_000}
    make_audio_shards(folder, tmp_path / "whole", RATE, **sizes)
    make_audio_shards(folder, tmp_path / "cut", RATE, **sizes)
    last = sorted((tmp_path / "cut").glob("*.npz"))[-1]
    last.unlink()  # killed between the last shard and its table
    assert make_audio_shards(folder, tmp_path / "cut", RATE, **sizes) == 3
    for path in (tmp_path / "whole").iterdir():
        assert (tmp_path / "cut" / path.name).read_bytes() == path.read_bytes()
    assert len([*(tmp_path / "whole").glob("*.tar")]) == 3


def test_shards_of_another_rate_or_folders_without_audio_are_refused(folder: Path, tmp_path: Path) -> None:
    make_audio_shards(folder, tmp_path / "shards", RATE)
    with pytest.raises(ValueError, match=r"the recordings have 8000 Hz, but 22050 Hz are wanted"):
        AudioShards(tmp_path / "shards", 22050)
    with pytest.raises(ValueError, match="choose another folder"):
        make_audio_shards(folder, tmp_path / "shards", 16000)
    with pytest.raises(ValueError, match=r"none of the audio files in .* can be used"):
        make_audio_shards(folder, tmp_path / "none", RATE, min_seconds=9.0)


def test_shards_from_elsewhere_are_indexed(tmp_path: Path) -> None:
    def member(name: str, data: bytes) -> None:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))

    with tarfile.open(tmp_path / "speech-0.tar", "w") as archive:
        for number, rate in enumerate((RATE, 16000, RATE)):
            member(f"{number}.wav", encode_audio(0.1 * torch.randn(500 + number), rate, ".wav"))
            member(f"{number}.txt", f"text {number}".encode())
        member("3.wav", b"nonsense")
    assert index_audio_shards(tmp_path, RATE) == []
    shards = AudioShards(tmp_path, RATE)
    assert [(each.name, each.text, each.num_samples) for each in shards.recordings] == [
        ("0", "text 0", 500),
        ("2", "text 2", 502),
    ]
    assert shards.waveform(1).shape == (502,)
