from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from priordiff.audio import EspeakVoice, Utterance, demo_corpus, make_corpus, read_textgrid, voices
from priordiff.audio.demo_corpus import shipped_sentences, speakers_of

SENTENCES = [
    f"Sentence number {word}." for word in ("one", "two", "three", "four", "five", "six", "seven", "eight")
]


def contents(directory: Path) -> dict[str, bytes]:
    return {str(p.relative_to(directory)): p.read_bytes() for p in directory.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_corpus(tmp_path_factory.mktemp("corpus"), SENTENCES)


def test_the_layout_is_that_of_ljspeech(corpus: Path) -> None:
    rows = [row.split("|") for row in (corpus / "metadata.csv").read_text(encoding="utf-8").splitlines()]
    assert [text for _, text, _ in rows] == SENTENCES
    assert {f"{name}.wav" for name, _, _ in rows} == {path.name for path in (corpus / "wavs").iterdir()}
    for name, _, _ in rows:
        info = soundfile.info(corpus / "wavs" / f"{name}.wav")
        assert (info.samplerate, info.channels, info.subtype) == (22050, 1, "PCM_16")


def test_a_grid_beside_each_recording_says_when_which_phoneme_sounds(corpus: Path) -> None:
    grids = sorted((corpus / "textgrids").iterdir())
    assert [grid.stem for grid in grids] == sorted(wav.stem for wav in (corpus / "wavs").iterdir())
    alignment = read_textgrid(grids[0])
    assert "".join(alignment.symbols).startswith("_sˈɛntəns")
    assert alignment.symbols[-1] == "."
    info = soundfile.info(corpus / "wavs" / f"{grids[0].stem}.wav")
    assert alignment.end == pytest.approx(info.frames / info.samplerate, abs=1e-4)


def test_no_stretch_is_digital_silence_and_the_floor_is_faint(corpus: Path) -> None:
    for path in (corpus / "wavs").iterdir():
        samples, _ = soundfile.read(path)
        assert np.abs(samples).max() < 1
        # espeak-ng begins with some 10 ms of silence, so this is the noise alone.
        level = 20 * np.log10(np.sqrt(np.mean(samples[:200] ** 2)))
        assert -62 < level < -58


def test_making_it_twice_gives_the_same_bytes(corpus: Path, tmp_path: Path) -> None:
    assert contents(make_corpus(tmp_path / "again", SENTENCES)) == contents(corpus)


def test_an_interrupted_corpus_is_continued_to_the_same_bytes(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def interrupted_speak(text: str, *settings):
        calls.append(text)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return speak(text, *settings)

    speak = voices.speak
    monkeypatch.setattr(voices, "speak", interrupted_speak)
    with pytest.raises(KeyboardInterrupt):
        make_corpus(tmp_path / "corpus", SENTENCES)
    assert not (tmp_path / "corpus" / "metadata.csv").exists()
    make_corpus(tmp_path / "corpus", SENTENCES)
    assert calls == [*SENTENCES[:4], *SENTENCES[3:]]
    assert contents(tmp_path / "corpus") == contents(corpus)


def test_a_finished_corpus_is_not_made_again(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(voices, "speak", lambda *_: pytest.fail("spoke again"))
    assert make_corpus(corpus, SENTENCES) == corpus


def test_a_changed_recipe_replaces_every_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = make_corpus(tmp_path / "corpus", SENTENCES[:3])
    before = contents(directory)
    monkeypatch.setattr(demo_corpus, "_VERSION", 99)
    monkeypatch.setattr(demo_corpus, "_NOISE_RMS", 0.002)
    make_corpus(directory, SENTENCES[:2])
    after = contents(directory)
    assert {name for name in after if name.endswith(".wav")} == {
        os.path.join("wavs", f"demo-000{n}.wav") for n in (1, 2)
    }
    assert all(after[name] != before[name] for name in after if not name.endswith(".TextGrid"))
    assert len([name for name in after if name.endswith(".TextGrid")]) == 2


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(FileExistsError, match="empty or new"):
        make_corpus(tmp_path, SENTENCES)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("content", ["[]", '{"name": "mine"}', "no JSON"])
def test_a_corpus_of_others_is_left_alone_and_has_no_known_speakers(tmp_path: Path, content: str) -> None:
    (tmp_path / "corpus.json").write_text(content)
    (tmp_path / "metadata.csv").write_text("mine")
    with pytest.raises(FileExistsError):
        make_corpus(tmp_path, ["Hello."])
    assert (tmp_path / "metadata.csv").read_text() == "mine"
    assert speakers_of(tmp_path) == {}


def test_a_full_disk_leaves_no_incomplete_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full_disk(file: Path, content: bytes) -> int:
        file.touch()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full_disk)
    with pytest.raises(OSError, match="No space left"):
        make_corpus(tmp_path / "corpus", SENTENCES)
    grid = os.path.join("textgrids", "demo-0001.TextGrid")
    assert set(contents(tmp_path / "corpus")) == {"corpus.json", grid}
    assert not json.loads((tmp_path / "corpus" / "corpus.json").read_text())["complete"]


@pytest.mark.parametrize("sentence", ["one|two", "one\ntwo", "one\rtwo", " "])
def test_a_sentence_that_metadata_cannot_hold_is_refused(tmp_path: Path, sentence: str) -> None:
    with pytest.raises(ValueError, match=r"metadata\.csv"):
        make_corpus(tmp_path / "corpus", [sentence])
    assert not (tmp_path / "corpus").exists()


def test_the_shipped_sentences_are_plain_varied_and_unique() -> None:
    sentences = shipped_sentences()
    words = {word.strip(".,?!").lower() for sentence in sentences for word in sentence.split()}
    assert len(sentences) == len(set(sentences)) >= 400
    assert len(words) > 1800
    assert all(5 <= len(sentence.split()) <= 25 for sentence in sentences)
    assert all(sentence.isascii() and not any(map(str.isdigit, sentence)) for sentence in sentences)


@pytest.mark.slow
def test_the_whole_corpus_lasts_at_least_twenty_minutes(tmp_path: Path) -> None:
    make_corpus(tmp_path)
    seconds = [soundfile.info(path).duration for path in (tmp_path / "wavs").iterdir()]
    assert sum(seconds) >= 20 * 60


class Tone:
    """A voice that hums for as long as the text has letters."""

    name, license = "tone", "CC0-1.0"

    def speak(self, text: str) -> Utterance:
        time = torch.arange(800 * len(text)) / 24000
        return Utterance(0.5 * (2 * torch.pi * 200 * time).sin(), 24000, [("m", 0)])


def test_voices_take_turns_and_are_named_with_their_licences(tmp_path: Path) -> None:
    directory = make_corpus(tmp_path, SENTENCES[:4], voices=[Tone(), EspeakVoice("en", pitch=70)])
    rates = [soundfile.info(directory / "wavs" / f"demo-000{n}.wav").samplerate for n in (1, 2, 3, 4)]
    assert rates == [24000, 22050, 24000, 22050]
    recipe = json.loads((directory / "corpus.json").read_text())
    assert recipe["voices"] == ["tone", "en 175 70"]
    assert "CC0-1.0" in recipe["licenses"]
    with pytest.raises(ValueError, match="voices is empty"):
        make_corpus(tmp_path / "none", SENTENCES, voices=[])


def test_more_sentences_make_a_corpus_of_two_hours() -> None:
    few, more = shipped_sentences(), shipped_sentences(more=True)
    assert more[: len(few)] == few
    assert len(set(more)) == len(more) > 2000
    for sentence in more:
        assert sentence.isascii()
        assert not any(character.isdigit() or character in '|"()' for character in sentence)
        assert sentence[-1] in ".?!"
