from __future__ import annotations

import os
import unicodedata
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


def ljspeech(directory: Path, metadata: bytes | str, *recordings: str) -> Path:
    for name in recordings:
        touch(directory / "wavs" / f"{name}.wav")
    content = metadata if isinstance(metadata, bytes) else metadata.encode()
    (directory / "metadata.csv").write_bytes(content)
    return directory


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_end_at_line_ends_alone(tmp_path: Path, end: str) -> None:
    texts = ["one\u2028half", "two\u2029half", "three\x85half", "four\x0bhalf", "five\x0chalf", "six\x1ehalf"]
    rows = "".join(f"{index}|{text}{end}" for index, text in enumerate(texts))
    sources, problems = find_audio(ljspeech(tmp_path, rows, *map(str, range(len(texts)))))
    assert [source.text for source in sources] == texts
    assert not problems


@pytest.mark.parametrize(
    ("line", "named"),
    [
        (
            "a transcript that stands on a line of its own " * 9,
            "'a transcript that stands on a line of its own a trans",
        ),
        ("слово " * 25, "'слово слово"),
        ("b\0c|Text.", r"'b\x00c.wav'"),
        ("../outside|Text.", "'../outside.wav'"),
        ("|Text.", "'.wav'"),
        (".hidden|Text.", "'.hidden.wav'"),
        ("sub//c|Text.", "'sub//c.wav'"),
    ],
)
def test_a_line_that_names_no_file_is_named_by_its_number(tmp_path: Path, line: str, named: str) -> None:
    directory = ljspeech(tmp_path / "data", f"a|Fine.\n{line}\n\nc|Fine.\n", "a", "c", ".hidden", "sub/c")
    touch(directory / "outside.wav")
    sources, problems = find_audio(directory)
    assert [source.name for source in sources] == ["a", "c"]
    (problem,) = problems
    assert f"line 2 of {directory / 'metadata.csv'} names {named}" in problem
    assert len(problem) < 2 * len(str(directory)) + 200


def test_an_absolute_path_is_no_id(tmp_path: Path) -> None:
    outside = touch(tmp_path / "outside.wav")
    sources, problems = find_audio(ljspeech(tmp_path / "data", f"a|Fine.\n{outside}|Text.\n", "a"))
    assert [source.name for source in sources] == ["a"]
    assert len(problems) == 1


@pytest.mark.parametrize(
    ("separator", "plural"),
    [(",", "commas"), (";", "semicolons"), ("\t", "tabs")],
    ids=["comma", "semicolon", "tab"],
)
def test_a_separator_that_is_no_bar_is_explained(tmp_path: Path, separator: str, plural: str) -> None:
    words = "a long transcript, with a comma, " * 20
    rows = f'id{separator}text\n"a.wav"{separator}{words}\n'
    with pytest.raises(
        ValueError, match=rf"metadata\.csv names a file in .*expected id\|text.*{plural} for bars"
    ):
        find_audio(ljspeech(tmp_path, rows, "a"))


@pytest.mark.parametrize("metadata", ["", "\n\n", "wavs/a|Text.\n", "a|Text.".encode("utf-16-le")])
def test_metadata_that_fits_no_file_tells_what_an_id_is(tmp_path: Path, metadata: bytes | str) -> None:
    with pytest.raises(
        ValueError, match=r"no line of .*metadata\.csv names a file .* ids such as 'a'"
    ) as caught:
        find_audio(ljspeech(tmp_path, metadata, "a"))
    assert "for bars" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_metadata_that_is_a_dangling_link_is_not_passed_over(tmp_path: Path) -> None:
    touch(tmp_path / "wavs" / "a.wav")
    (tmp_path / "metadata.csv").symlink_to("gone.csv")
    with pytest.raises(FileNotFoundError, match=r"metadata\.csv"):
        find_audio(tmp_path)


@pytest.mark.parametrize(("on_disk", "listed"), [("NFC", "NFD"), ("NFD", "NFC"), ("NFD", "NFD")])
def test_composed_and_decomposed_names_are_the_same(tmp_path: Path, on_disk: str, listed: str) -> None:
    name = "café"
    row = unicodedata.normalize(listed, name) + "|Text.\n"
    (source,), problems = find_audio(ljspeech(tmp_path, row, unicodedata.normalize(on_disk, name)))
    assert source.path.exists()
    assert source.name == unicodedata.normalize("NFC", name)
    assert not problems
    os.remove(tmp_path / "metadata.csv")
    assert names(tmp_path) == [f"wavs/{source.name}"]
