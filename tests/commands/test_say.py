"""Text to speech from a shell: what it writes, and that it refuses bad input and writes nothing then."""

from __future__ import annotations

import io
import re
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import soundfile
import torch

pytest.importorskip("torchaudio")
pytest.importorskip("kitten_text_processing")

from priordiff import TextToSpeechPipeline
from priordiff.commands import main
from tests.pipelines.test_text_to_speech import make
from tests.refusals import Refuse

TEXT = "Hello there! Two."


@pytest.fixture(scope="module")
def voice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny voice with two speakers."""
    folder = tmp_path_factory.mktemp("voice")
    make(num_speakers=2, speakers=["anna", "bert"], num_inference_steps=2).save_pretrained(folder)
    return folder


@pytest.fixture(autouse=True)
def _in_a_new_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def say(voice: Path, *arguments: str | Path) -> int:
    return main(["say", "--model", str(voice), *map(str, arguments)])


def samples(path: str | Path) -> torch.Tensor:
    return torch.from_numpy(soundfile.read(path, dtype="float32")[0])


def assert_spoken(path: str | Path, pipeline_says: torch.Tensor) -> None:
    """The file holds a waveform, in 16 bits."""
    torch.testing.assert_close(samples(path), pipeline_says.clamp(-1, 1), rtol=0, atol=2**-15)


def test_it_says_what_the_pipeline_says(voice: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pipeline = TextToSpeechPipeline.from_pretrained(voice)
    assert say(voice, *TEXT.split()) == 0
    assert_spoken("speech.wav", pipeline(TEXT, seed=0).audios[0])
    manner = ["--speaker", "bert", "--speed", "0.5", "--pitch-shift", "-3", "--temperature", "0.5"]
    sampling = ["--steps", "3", "--solver", "ddim", "--seed", "7", "--pause", "0.1"]
    assert say(voice, *manner, *sampling, "--output", "slow.wav", TEXT) == 0
    options = {"speed": 0.5, "pitch_shift": -3.0, "temperature": 0.5, "seed": 7, "pause": 0.1}
    slow = pipeline(TEXT, speaker="bert", num_inference_steps=3, solver="ddim", **options).audios[0]
    assert_spoken("slow.wav", slow)
    first, second = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"speech\.wav: \d+\.\d s of speech, real-time factor \d+\.\d+", first)
    assert second.startswith(f"slow.wav: {len(slow) / 8000:.1f} s of speech")


def test_files_and_standard_input_are_spoken_as_words_are(
    voice: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one.txt", "two.txt"):
        (tmp_path / name).write_text(TEXT)
    assert say(voice, TEXT) == 0
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(TEXT.encode())))
    assert say(voice, "-", "--output", "piped.wav") == 0
    assert say(voice, "--file", "one.txt", "two.txt", "--output", "talks") == 0
    assert say(voice, "--file", "one.txt") == 0
    for name in ("piped.wav", "talks/one.wav", "talks/two.wav", "one.wav"):
        assert Path(name).read_bytes() == Path("speech.wav").read_bytes()


@pytest.mark.parametrize("extension", ["flac", "ogg", "mp3"])
def test_the_extension_names_the_format(voice: Path, extension: str) -> None:
    path = Path("new", "folder", f"hello.{extension}")
    assert say(voice, "Hello.", "--output", path) == 0
    info = soundfile.info(path)
    assert (info.format, info.samplerate, info.channels) == (extension.upper(), 8000, 1)
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_a_speaker_without_a_name_is_given_by_its_index(voice: Path) -> None:
    for speaker in ("bert", "1"):
        assert say(voice, "--speaker", speaker, "--output", f"{speaker}.wav", "Hello.") == 0
    assert Path("bert.wav").read_bytes() == Path("1.wav").read_bytes()


def test_the_bounds_of_a_manner_are_spoken(voice: Path) -> None:
    for bounds in (("0.1", "0", "-48", "0"), ("10", "60", "48", "10")):
        manner = zip(("speed", "pause", "pitch-shift", "temperature"), bounds, strict=True)
        assert say(voice, TEXT, *(f"--{name}={value}" for name, value in manner)) == 0


def test_only_one_sentence_of_a_text_is_in_memory(voice: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on_disk = []

    def stream(self: TextToSpeechPipeline, text: str, **options: object) -> Iterator[torch.Tensor]:
        for _ in range(3):
            yield torch.zeros(8000)
            on_disk.append(sum(path.stat().st_size for path in Path.cwd().glob(".*.partial")))

    monkeypatch.setattr(TextToSpeechPipeline, "stream", stream)
    assert say(voice, TEXT, "--pause", "0") == 0
    assert [round(size / 16000) for size in on_disk] == [1, 2, 3]
    assert len(samples("speech.wav")) == 24000


def interrupt() -> None:
    raise KeyboardInterrupt


def terminate() -> None:
    signal.raise_signal(signal.SIGTERM)


@pytest.mark.parametrize(("stop", "status"), [(interrupt, 130), (terminate, 143)])
def test_what_is_stopped_leaves_nothing_behind(
    voice: Path, monkeypatch: pytest.MonkeyPatch, stop: Callable[[], None], status: int
) -> None:
    def stream(self: TextToSpeechPipeline, text: str, **options: object) -> Iterator[torch.Tensor]:
        yield torch.zeros(8000)
        stop()

    Path("there.wav").write_bytes(b"mine")
    monkeypatch.setattr(TextToSpeechPipeline, "stream", stream)
    before = signal.getsignal(signal.SIGTERM)
    assert say(voice, TEXT, "--output", "there.wav") == status
    assert signal.getsignal(signal.SIGTERM) is before
    assert [path.name for path in Path.cwd().iterdir()] == ["there.wav"]
    assert Path("there.wav").read_bytes() == b"mine"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ([], "nothing to say"),
        (["hello", "--file", "text.txt"], "only one of the two"),
        ([""], "the text is empty"),
        (["--file", "nothing.txt"], "nothing.txt: No such file"),
        (["--file", "."], ".: Is a directory"),
        (["..."], "nothing in '...' can be spoken"),
        (["two", "--speaker", "carl"], "speaker='carl', expected one of 'anna', 'bert'"),
        (["two", "--speaker", "2"], "speaker=2, expected one of"),
        (["two", "--speed", "0"], "argument --speed: 0, expected 0.1 to 10"),
        (["two", "--speed", "1e-9"], "argument --speed: 1e-9, expected 0.1 to 10"),
        (["two", "--speed", "fast"], "argument --speed: fast, expected 0.1 to 10"),
        (["two", "--speed", "nan"], "argument --speed: nan, expected 0.1 to 10"),
        (["two", "--pause", "-1"], "argument --pause: -1, expected 0 to 60"),
        (["two", "--pause", "1e6"], "argument --pause: 1e6, expected 0 to 60"),
        (["two", "--temperature", "-1"], "argument --temperature: -1, expected 0 to 10"),
        (["two", "--pitch-shift", "inf"], "argument --pitch-shift: inf, expected -48 to 48"),
        (["two", "--seed", "-1"], "argument --seed: -1, expected 0 to"),
        (["two", "--seed", "1.5"], "argument --seed: 1.5, expected 0 to"),
        (["two", "--steps", "51"], "num_inference_steps=51, expected 1 to 50"),
        (["two", "--solver", "rk4"], "solver='rk4', expected one of"),
        (["two", "--output", "speech.aac"], "the extension .aac is unknown"),
        (["two", "--output", "text.txt/speech.wav"], "could not make the folder text.txt (File exists)"),
        (
            ["two", "--output", "text.txt/talks/"],
            "could not make the folder text.txt/talks (Not a directory)",
        ),
        (["two", "--loudly"], "--loudly"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_bad_input_is_named_in_one_line(
    voice: Path, refuse: Refuse, arguments: list[str], named: str
) -> None:
    Path("text.txt").write_text("two")
    assert named in refuse("say", "--model", voice, *arguments)
    assert [path.name for path in Path.cwd().iterdir()] == ["text.txt"]


@pytest.mark.parametrize(
    ("package", "extra"),
    [
        ("kitten_text_processing", "text"),
        ("sentencex", "text"),
        ("soundfile", "audio"),
        ("tqdm", "audio"),
    ],
)
def test_a_missing_extra_is_named_with_the_command_that_installs_it(
    voice: Path, refuse: Refuse, monkeypatch: pytest.MonkeyPatch, package: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    line = refuse("say", "--model", voice, TEXT)
    assert package in line
    assert f"pip install 'priordiff[{extra}]'" in line
