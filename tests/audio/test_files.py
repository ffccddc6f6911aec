from __future__ import annotations

import errno
import os
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from priordiff.audio import audio_writer, read_audio, write_audio


def tone(sample_rate: int, seconds: float = 0.5, frequency: float = 220.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * frequency * np.arange(int(seconds * sample_rate)) / sample_rate)).astype(
        "f4"
    )


@pytest.mark.parametrize(
    ("extension", "subtype"),
    [
        ("wav", "PCM_16"),
        ("wav", "PCM_24"),
        ("wav", "PCM_32"),
        ("wav", "FLOAT"),
        ("wav", "DOUBLE"),
        ("flac", "PCM_16"),
        ("flac", "PCM_24"),
        ("ogg", None),
        ("mp3", None),
    ],
)
def test_every_format_and_width_reads_as_the_same_tone(
    tmp_path: Path, extension: str, subtype: str | None
) -> None:
    path = tmp_path / f"tone.{extension}"
    soundfile.write(path, tone(22050), 22050, subtype=subtype)
    waveform = read_audio(path, 22050)
    assert waveform.dtype == torch.float32
    assert waveform.shape == (11025,)
    tolerance = 0.03 if extension in ("ogg", "mp3") else 1e-4
    middle = slice(2000, -2000)
    torch.testing.assert_close(
        waveform[middle], torch.from_numpy(tone(22050))[middle], atol=tolerance, rtol=0
    )


def test_stereo_is_averaged(tmp_path: Path) -> None:
    left, right = tone(22050), tone(22050, frequency=330.0)
    soundfile.write(tmp_path / "stereo.wav", np.stack([left, right], axis=1), 22050, subtype="FLOAT")
    expected = torch.from_numpy((left + right) / 2)
    torch.testing.assert_close(read_audio(tmp_path / "stereo.wav", 22050), expected)


@pytest.mark.parametrize("file_rate", [8000, 16000, 44100, 48000])
def test_any_sample_rate_is_resampled(tmp_path: Path, file_rate: int) -> None:
    soundfile.write(tmp_path / "tone.wav", tone(file_rate), file_rate, subtype="FLOAT")
    waveform = read_audio(tmp_path / "tone.wav", 22050)
    assert abs(len(waveform) - 11025) <= 1
    middle = slice(1000, 10000)
    torch.testing.assert_close(waveform[middle], torch.from_numpy(tone(22050))[middle], atol=2e-3, rtol=0)


def test_an_odd_sample_rate_is_met_within_a_cent(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "tone.wav", tone(44099, seconds=2.0), 44099, subtype="FLOAT")
    waveform = read_audio(tmp_path / "tone.wav", 22050)
    assert len(waveform) == pytest.approx(44100, rel=5e-4)
    zero_crossings = (waveform.sign().diff() != 0).sum().item()
    assert zero_crossings == pytest.approx(2 * 220 * 2.0, abs=2)


def corrupt(path: Path) -> None:
    path.write_bytes(b"RIFF this is no audio" * 10)


def empty_file(path: Path) -> None:
    path.touch()


def no_samples(path: Path) -> None:
    soundfile.write(path, np.zeros(0), 22050)


def not_a_number(path: Path) -> None:
    soundfile.write(path, np.array([0.0, np.nan, 0.1]), 22050, subtype="FLOAT")


def infinite(path: Path) -> None:
    soundfile.write(path, np.array([0.0, np.inf, 0.1]), 22050, subtype="FLOAT")


@pytest.mark.parametrize("damage", [corrupt, empty_file, no_samples, not_a_number, infinite])
def test_an_unusable_file_is_named_in_one_line(tmp_path: Path, damage) -> None:
    path = tmp_path / "bad.wav"
    damage(path)
    with pytest.raises(ValueError, match=r"bad\.wav") as caught:
        read_audio(path, 22050)
    assert "\n" not in str(caught.value)


def with_header(path: Path, field: str, value: int) -> Path:
    """A wav file of half a second whose header says something else."""
    soundfile.write(path, tone(22050), 22050, subtype="PCM_16")
    content = bytearray(path.read_bytes())
    offset = {"sample_rate": content.index(b"fmt ") + 12, "data_length": content.index(b"data") + 4}[field]
    content[offset : offset + 4] = struct.pack("<I", value)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("sample_rate", [0, 1, 10, 999, 1_000_001, 2**31 - 1, 2**32 - 1])
def test_an_impossible_sample_rate_is_named_with_its_file(tmp_path: Path, sample_rate: int) -> None:
    path = with_header(tmp_path / "odd.wav", "sample_rate", sample_rate)
    with pytest.raises(ValueError, match=r"odd\.wav"):
        read_audio(path, 22050)


def test_a_header_that_was_never_completed_is_not_taken_for_an_empty_file(tmp_path: Path) -> None:
    path = with_header(tmp_path / "recorder.wav", "data_length", 0)
    with pytest.raises(ValueError, match=r"recorder\.wav is empty by its header, .* 22094 bytes: .*ffmpeg"):
        read_audio(path, 22050)


@pytest.mark.parametrize("target", ["gone.wav", "a_folder", "link.wav"])
def test_a_link_that_leads_nowhere_is_named_with_its_target(tmp_path: Path, target: str) -> None:
    (tmp_path / "a_folder").mkdir()
    (tmp_path / "link.wav").symlink_to(target)
    with pytest.raises(FileNotFoundError, match=rf"link\.wav is a link to {target}"):
        read_audio(tmp_path / "link.wav", 22050)


@pytest.mark.skipif(os.name == "nt", reason="names are Unicode there")
def test_a_name_that_is_no_utf8_is_read_and_named(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.wav")
    write_audio(path, torch.zeros(10), 22050)
    assert len(read_audio(path, 22050)) == 10
    path.write_bytes(b"noise")
    with pytest.raises(
        ValueError, match=r"caf.+\.wav cannot be decoded as wav, flac, ogg or mp3: Format not"
    ):
        read_audio(path, 22050)


def test_a_file_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_audio(tmp_path / "locked.wav", torch.zeros(10), 22050)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(PermissionError, match=r"locked\.wav cannot be read"):
        read_audio(tmp_path / "locked.wav", 22050)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere\.wav"):
        read_audio(tmp_path / "nowhere.wav", 22050)


@pytest.mark.parametrize("extension", ["wav", "flac", "ogg", "mp3"])
def test_what_is_written_reads_back(tmp_path: Path, extension: str) -> None:
    waveform = torch.from_numpy(tone(22050))
    path = tmp_path / f"tone.{extension}"
    write_audio(path, waveform, 22050)
    assert soundfile.info(path).format == extension.upper()
    torch.testing.assert_close(read_audio(path, 22050)[2000:-2000], waveform[2000:-2000], atol=0.03, rtol=0)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def write_pieces(path: Path, *pieces: torch.Tensor, sample_rate: int = 22050) -> None:
    with audio_writer(path, sample_rate) as write:
        for piece in pieces:
            write(piece)


@pytest.mark.parametrize("extension", ["wav", "flac", "ogg", "mp3"])
def test_pieces_are_written_as_a_whole_is(tmp_path: Path, extension: str) -> None:
    waveform = torch.from_numpy(tone(22050))
    write_audio(tmp_path / f"whole.{extension}", waveform, 22050)
    write_pieces(tmp_path / f"pieces.{extension}", *waveform.split(5000))
    whole, pieces = (read_audio(tmp_path / f"{name}.{extension}", 22050) for name in ("whole", "pieces"))
    torch.testing.assert_close(pieces[2000:-2000], whole[2000:-2000], atol=0.03, rtol=0)
    assert len(list(tmp_path.iterdir())) == 2


def test_pieces_go_to_the_disk_and_the_file_is_there_at_the_end(tmp_path: Path) -> None:
    with audio_writer(tmp_path / "tone.wav", 22050) as write:
        write(torch.zeros(22050))
        (partial,) = tmp_path.iterdir()
        assert partial.name != "tone.wav"
        assert partial.stat().st_size >= 2 * 22050
    assert [file.name for file in tmp_path.iterdir()] == ["tone.wav"]


def test_minutes_of_speech_can_be_written_as_ogg(tmp_path: Path) -> None:
    write_audio(tmp_path / "long.ogg", torch.zeros(200 * 22050), 22050)  # overflowed a stack in libsndfile
    assert soundfile.info(tmp_path / "long.ogg").frames == 200 * 22050


def test_pieces_that_cannot_be_written_leave_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "tone.flac"
    write_audio(path, torch.zeros(10), 22050)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"tone\.flac: the waveform holds NaN"):
        write_pieces(path, torch.zeros(10), torch.tensor([torch.nan]))
    with pytest.raises(ValueError, match=r"tone\.mp3 at 1234 Hz"):
        write_pieces(tmp_path / "tone.mp3", sample_rate=1234)
    with pytest.raises(OSError, match=r"no_folder.tone\.wav \(No such file or directory\)"):
        write_pieces(tmp_path / "no_folder" / "tone.wav", torch.zeros(10))
    assert [file.name for file in tmp_path.iterdir()] == ["tone.flac"]
    assert path.read_bytes() == before


@pytest.mark.skipif(os.name == "nt", reason="has no such limit")
@pytest.mark.parametrize("extension", ["wav", "flac", "ogg", "mp3"])
def test_a_disk_that_is_full_after_some_pieces_is_named(tmp_path: Path, extension: str) -> None:
    import resource

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, limits[1]))
    try:
        with pytest.raises(OSError, match=rf"could not write .*tone\.{extension} .*: check free space"):
            write_pieces(tmp_path / f"tone.{extension}", *10 * [torch.from_numpy(tone(22050))])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not list(tmp_path.iterdir())


def test_loud_samples_are_clipped_rather_than_wrapped(tmp_path: Path) -> None:
    write_audio(tmp_path / "loud.wav", torch.tensor([2.0, -2.0]), 22050)
    torch.testing.assert_close(
        read_audio(tmp_path / "loud.wav", 22050), torch.tensor([1.0, -1.0]), atol=1e-4, rtol=0
    )


@pytest.mark.parametrize(
    ("name", "waveform", "message"),
    [
        ("tone.aiff", torch.zeros(5), r"\.wav"),
        ("tone.wav", torch.zeros(1, 5), r"\(1, 5\)"),
        ("tone.wav", torch.tensor([0.0, torch.nan]), "NaN"),
    ],
)
def test_what_cannot_be_written_is_refused(
    tmp_path: Path, name: str, waveform: torch.Tensor, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        write_audio(tmp_path / name, waveform, 22050)
    assert not list(tmp_path.iterdir())


def test_a_rate_that_a_format_does_not_have_is_named_with_the_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"tone\.mp3 at 1234 Hz"):
        write_audio(tmp_path / "tone.mp3", torch.zeros(10), 1234)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "tone.wav"
    write_audio(path, torch.zeros(10), 22050)
    before = path.read_bytes()

    def fill_the_disk(file: Path, content: bytes) -> int:
        with file.open("wb") as stream:
            stream.write(content[:20])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", fill_the_disk)
    with pytest.raises(OSError, match=r"tone\.wav \(No space left"):
        write_audio(path, torch.ones(10), 22050)
    assert [file.name for file in tmp_path.iterdir()] == ["tone.wav"]
    assert path.read_bytes() == before


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"no_folder.tone\.wav"):
        write_audio(tmp_path / "no_folder" / "tone.wav", torch.zeros(10), 22050)
