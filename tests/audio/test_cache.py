from __future__ import annotations

import errno
import json
import logging
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from priordiff.audio import AudioCorpus, cache, write_audio

RATE = 8000


def noise(path: Path, seconds: float = 0.5, sample_rate: int = RATE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_audio(path, 0.1 * torch.randn(int(seconds * sample_rate)), sample_rate)
    return path


def prepare(tmp_path: Path, **settings) -> AudioCorpus:
    return AudioCorpus.prepare(
        tmp_path / "data", tmp_path / "cache", **{"sample_rate": RATE, "min_seconds": 0.1, **settings}
    )


def names(corpus: AudioCorpus) -> list[str]:
    return [recording.name for recording in corpus.recordings]


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that were decoded, in order."""
    calls: list[str] = []
    read_audio = cache.read_audio

    def counting_read(path: Path, sample_rate: int) -> torch.Tensor:
        calls.append(path.name)
        return read_audio(path, sample_rate)

    monkeypatch.setattr(cache, "read_audio", counting_read)
    return calls


def test_formats_rates_channels_and_depths_mix(tmp_path: Path) -> None:
    noise(tmp_path / "data/a.wav")
    noise(tmp_path / "data/x/y/b.flac", sample_rate=44100)
    noise(tmp_path / "data/x/c.ogg", sample_rate=16000)
    noise(tmp_path / "data/d.mp3", sample_rate=22050)
    soundfile.write(
        tmp_path / "data/e.wav", 0.1 * np.random.default_rng(0).normal(size=(6000, 2)), 12000, "PCM_24"
    )
    corpus = prepare(tmp_path)
    assert names(corpus) == ["a", "d", "e", "x/c", "x/y/b"]
    assert all(abs(recording.num_samples - RATE // 2) <= 1 for recording in corpus.recordings)
    for index in range(len(corpus)):
        assert corpus.waveform(index).abs().max() == pytest.approx(0.95)


def test_ljspeech_brings_its_text(tmp_path: Path) -> None:
    noise(tmp_path / "data/wavs/LJ1.wav")
    (tmp_path / "data/metadata.csv").write_text("LJ1|It is 5.|It is five.\n")
    assert prepare(tmp_path).recordings[0].text == "It is five."


def test_without_a_peak_the_samples_keep_their_scale(tmp_path: Path) -> None:
    path = noise(tmp_path / "data/a.wav")
    expected = torch.from_numpy(soundfile.read(path, dtype="float32")[0])
    assert torch.equal(prepare(tmp_path, peak=None).waveform(0), expected)


def test_unusable_files_are_skipped_counted_and_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = tmp_path / "data"
    noise(data / "good.wav")
    noise(data / "short.wav", seconds=0.05)
    write_audio(data / "silent.wav", torch.zeros(RATE), RATE)
    soundfile.write(data / "nan.wav", np.array([0.1, np.nan] * 1000), RATE, "FLOAT")
    (data / "corrupt.flac").write_bytes(b"fLaC and then nothing of the kind")
    noise(data / "good.flac")
    with caplog.at_level(logging.WARNING):
        corpus = prepare(tmp_path)
    assert names(corpus) == ["good"]
    assert "skipped 5 of 6" in caplog.text
    assert "skipped.txt" in caplog.text
    lines = (tmp_path / "cache/skipped.txt").read_text().splitlines()
    reasons = {
        "corrupt.flac": "decoded",
        "good.wav": "second",
        "nan.wav": "NaN",
        "short.wav": "short",
        "silent.wav": "silent",
    }
    assert len(lines) == 5
    for name, reason in reasons.items():
        assert any(name in line and reason in line for line in lines), (name, lines)


def test_a_listed_file_that_is_missing_is_skipped(tmp_path: Path) -> None:
    noise(tmp_path / "data/wavs/a.wav")
    (tmp_path / "data/metadata.csv").write_text("a|Here.\nb|Gone.\n")
    assert names(prepare(tmp_path)) == ["a"]
    assert "b.wav" in (tmp_path / "cache/skipped.txt").read_text()


def test_a_wrapped_line_of_metadata_is_skipped_and_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    noise(tmp_path / "data/wavs/a.wav")
    metadata = tmp_path / "data/metadata.csv"
    metadata.write_text("a|First half\n" + "and the second half " * 20)
    assert names(prepare(tmp_path)) == ["a"]
    assert "skipped 1 of 2" in caplog.text
    assert "line 2 of" in (tmp_path / "cache/skipped.txt").read_text()
    metadata.write_text("a|First half\n\nand the second half")
    prepare(tmp_path)
    assert "line 3 of" in (tmp_path / "cache/skipped.txt").read_text()


def test_every_line_of_what_was_skipped_names_its_file(tmp_path: Path) -> None:
    data = tmp_path / "data"
    noise(data / "good.wav")
    for name in ("rate.wav", "length.wav"):
        content = bytearray(noise(data / name).read_bytes())
        offset = {"rate.wav": 24, "length.wav": 40}[name]
        content[offset : offset + 4] = (1 if name == "rate.wav" else 0).to_bytes(4, "little")
        (data / name).write_bytes(content)
    (data / "dangling.wav").symlink_to("gone.wav")
    (data / "speaker").symlink_to("gone")
    os.mkfifo(data / "pipe.wav")
    assert names(prepare(tmp_path)) == ["good"]
    lines = (tmp_path / "cache/skipped.txt").read_text().splitlines()
    skipped = ["dangling.wav", "length.wav", "pipe.wav", "rate.wav", "speaker"]
    assert len(lines) == len(skipped)
    assert all(any(str(data / name) in line for line in lines) for name in skipped), lines


@pytest.mark.parametrize(("peak", "said"), [(0.95, "scaled to ±0.95"), (None, "kept so")])
def test_samples_in_another_scale_are_said_to_be_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, peak: float | None, said: str
) -> None:
    noise(tmp_path / "data/a.wav")
    integers = np.random.default_rng(0).integers(-32768, 32767, RATE)
    soundfile.write(tmp_path / "data/b.wav", integers.astype(np.float32), RATE, "FLOAT")
    overshooting = 1.2 * np.sin(np.arange(RATE) * 0.1)
    soundfile.write(tmp_path / "data/c.wav", overshooting, RATE, "FLOAT")
    for _ in range(2):  # made now, and found in the cache
        caplog.clear()
        corpus = prepare(tmp_path, peak=peak)
        (record,) = caplog.records
        assert "1 of 3 audio files" in record.getMessage()
        assert f"{tmp_path / 'data/b.wav'} up to ±327" in record.getMessage()
        assert said in record.getMessage()
    assert corpus.waveform(1).abs().max() == pytest.approx(peak or np.abs(integers).max())


def test_nothing_usable_is_an_error_that_names_a_reason(tmp_path: Path) -> None:
    noise(tmp_path / "data/short.wav", seconds=0.05)
    for _ in range(2):  # made now, and found in the cache
        with pytest.raises(
            ValueError, match=r"none of the 1 audio files .*short\.wav is too short.*skipped\.txt"
        ):
            prepare(tmp_path)


def test_an_unchanged_folder_is_decoded_once(tmp_path: Path, decoded: list[str]) -> None:
    noise(tmp_path / "data/a.wav")
    noise(tmp_path / "data/b.wav")
    first = prepare(tmp_path)
    second = prepare(tmp_path)
    assert decoded == ["a.wav", "b.wav"]
    assert second.recordings == first.recordings
    assert torch.equal(second.waveform(1), first.waveform(1))


@pytest.mark.parametrize("change", [{"sample_rate": 4000}, {"min_seconds": 0.2}, {"peak": 0.5}])
def test_a_changed_setting_decodes_again(tmp_path: Path, decoded: list[str], change: dict) -> None:
    noise(tmp_path / "data/a.wav")
    prepare(tmp_path)
    prepare(tmp_path, **change)
    assert len(decoded) == 2


def test_an_added_a_changed_and_a_removed_file_are_noticed(tmp_path: Path) -> None:
    noise(tmp_path / "data/a.wav")
    prepare(tmp_path)
    noise(tmp_path / "data/b.wav")
    assert names(prepare(tmp_path)) == ["a", "b"]
    noise(tmp_path / "data/a.wav", seconds=0.75)
    assert prepare(tmp_path).recordings[0].num_samples == 6000
    (tmp_path / "data/a.wav").unlink()
    assert names(prepare(tmp_path)) == ["b"]
    assert len(list((tmp_path / "cache").glob("samples-*"))) == 1


@pytest.mark.parametrize("damage", ["truncated samples", "missing samples", "garbled index", "foreign index"])
def test_a_damaged_cache_is_made_again(tmp_path: Path, decoded: list[str], damage: str) -> None:
    noise(tmp_path / "data/a.wav")
    expected = prepare(tmp_path).waveform(0)
    (samples,) = (tmp_path / "cache").glob("samples-*")
    if damage == "truncated samples":
        samples.write_bytes(samples.read_bytes()[:100])
    elif damage == "missing samples":
        samples.unlink()
    elif damage == "garbled index":
        (tmp_path / "cache/index.json").write_text('{"key": ')
    else:
        (tmp_path / "cache/index.json").write_text(json.dumps(["not", "ours"]))
    assert torch.equal(prepare(tmp_path).waveform(0), expected)
    assert len(decoded) == 2


def test_an_interrupted_preparation_leaves_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noise(tmp_path / "data/a.wav")
    noise(tmp_path / "data/b.wav")
    read_audio = cache.read_audio

    def interrupted(path: Path, sample_rate: int) -> torch.Tensor:
        if path.name == "b.wav":
            raise KeyboardInterrupt
        return read_audio(path, sample_rate)

    with monkeypatch.context() as patch:
        patch.setattr(cache, "read_audio", interrupted)
        with pytest.raises(KeyboardInterrupt):
            prepare(tmp_path)
    assert not list((tmp_path / "cache").iterdir())
    assert names(prepare(tmp_path)) == ["a", "b"]


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noise(tmp_path / "data/a.wav")

    def full_disk(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", full_disk)
    with pytest.raises(OSError, match=r"could not write .*cache.* \(No space left on device\)") as caught:
        prepare(tmp_path)
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "cache").iterdir())


def test_a_cache_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    noise(tmp_path / "data/a.wav")
    (tmp_path / "cache").write_text("a file, no folder")
    with pytest.raises(OSError, match="cache"):
        prepare(tmp_path)


@pytest.mark.parametrize(
    ("setting", "value"),
    [("sample_rate", 0), ("min_seconds", -1.0), ("min_seconds", float("nan")), ("peak", 0.0), ("peak", 1.5)],
)
def test_a_setting_out_of_range_is_named(tmp_path: Path, setting: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{setting} is {value}"):
        prepare(tmp_path, **{setting: value})
