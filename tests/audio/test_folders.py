from __future__ import annotations

from pathlib import Path

from priordiff.audio import AUDIO_EXTENSIONS, audio_files


def test_the_files_are_those_of_all_formats_that_can_be_read(tmp_path: Path) -> None:
    for extension in (*AUDIO_EXTENSIONS, ".aac", ".txt"):
        (tmp_path / f"a{extension.upper()}").touch()
    files, problems = audio_files(tmp_path)
    assert [path.suffix.lower() for path in files] == sorted(AUDIO_EXTENSIONS)
    assert not problems
