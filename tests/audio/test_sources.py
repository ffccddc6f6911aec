from __future__ import annotations

from pathlib import Path

import pytest

from priordiff.audio.sources import AudioSource, find_audio


def names(directory: Path) -> list[str]:
    sources, problems = find_audio(directory)
    assert not problems
    return [source.name for source in sources]


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def test_audio_is_found_at_any_depth_and_in_any_case(tmp_path: Path) -> None:
    for name in ("b.wav", "a/C.FLAC", "a/x/d.mp3", "e.Ogg", "notes.txt", "a/cover.jpg"):
        touch(tmp_path / name)
    assert names(tmp_path) == ["a/C", "a/x/d", "b", "e"]


def test_hidden_files_and_folders_are_passed_over(tmp_path: Path) -> None:
    for name in ("seen.wav", "._seen.wav", ".trash/old.wav"):
        touch(tmp_path / name)
    assert names(tmp_path) == ["seen"]


def test_metadata_names_the_recordings_and_their_text(tmp_path: Path) -> None:
    for name in ("LJ1", "LJ2", "LJ3", "unlisted"):
        touch(tmp_path / "wavs" / f"{name}.wav")
    (tmp_path / "metadata.csv").write_text(
        "LJ2|In 1900.|In nineteen hundred.\nLJ1|Only once.|\n\nLJ3.wav\nLJ9|Gone.|Gone.\n", encoding="utf-8"
    )
    wavs = tmp_path / "wavs"
    sources, problems = find_audio(tmp_path)
    assert sources == [
        AudioSource("LJ1", wavs / "LJ1.wav", "Only once."),
        AudioSource("LJ2", wavs / "LJ2.wav", "In nineteen hundred."),
        AudioSource("LJ3", wavs / "LJ3.wav", None),
    ]
    (missing,) = problems
    assert f"line 5 of {tmp_path / 'metadata.csv'} names 'LJ9.wav'" in missing


def test_metadata_with_another_audio_format_is_followed(tmp_path: Path) -> None:
    touch(tmp_path / "wavs" / "a.flac")
    (tmp_path / "metadata.csv").write_text("a|Text.\n", encoding="utf-8-sig")
    assert find_audio(tmp_path) == ([AudioSource("a", tmp_path / "wavs" / "a.flac", "Text.")], [])


def test_metadata_without_a_wavs_folder_is_no_ljspeech(tmp_path: Path) -> None:
    touch(tmp_path / "clips" / "a.wav")
    (tmp_path / "metadata.csv").write_text("b|Text.\n")
    assert names(tmp_path) == ["clips/a"]


def test_a_folder_without_audio_says_what_was_looked_for(tmp_path: Path) -> None:
    touch(tmp_path / "notes.txt")
    with pytest.raises(FileNotFoundError, match=r"\.flac, \.mp3, \.ogg, \.wav.*metadata\.csv") as caught:
        find_audio(tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        find_audio(tmp_path / "nowhere")


def test_metadata_in_another_encoding_is_named(tmp_path: Path) -> None:
    touch(tmp_path / "wavs" / "a.wav")
    (tmp_path / "metadata.csv").write_bytes("a|naïve".encode("latin-1"))
    with pytest.raises(ValueError, match=r"metadata\.csv is not UTF-8"):
        find_audio(tmp_path)
