"""Copy-synthesis: what it writes, and that every bad input ends in one line and nothing half-written."""

from __future__ import annotations

import io
import os
import shutil
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from priordiff import LappedConvNeXt, PriorGradScheduler, VocoderPipeline
from priordiff.audio import read_audio
from priordiff.commands import main, synthesis
from tests.refusals import Refuse

# A random network makes frames that no recording has.
pytestmark = pytest.mark.filterwarnings("ignore:log-mel frames range")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two runs, each of which holds a vocoder."""
    folder = tmp_path_factory.mktemp("runs")
    for name in ("one-seed0", "two-seed0"):
        torch.manual_seed(0)
        vocoder = VocoderPipeline(LappedConvNeXt(8, 1), PriorGradScheduler(), num_inference_steps=2)
        vocoder.save_pretrained(folder / name / "model")
    return folder


@pytest.fixture
def model(runs: Path) -> Path:
    return runs / "one-seed0"


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    return tone(tmp_path / "recording.wav", 1)


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "output"


def tone(path: Path, seconds: float) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.3 * np.sin(np.arange(int(seconds * 22050)) * 0.1), 22050)
    return path


def synthesize(model: Path, output: Path, *inputs: str | Path) -> int:
    command = ["synthesize", "--model", model, "--output", output, "--input", *inputs]
    return main([str(part) for part in command])


def test_it_writes_a_wav_file_of_the_same_length_and_rate_for_each_recording(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "recordings"
    source = tone(folder / "deep" / "a.wav", 1.5)
    samples, _ = soundfile.read(source)
    soundfile.write(folder / "b.flac", samples[:22050].repeat(2), 2 * 22050)
    first, second = tmp_path / "out" / "1", tmp_path / "out" / "2"
    assert synthesize(model, first, folder) == 0
    assert synthesize(model / "model", second, source, folder / "b.flac") == 0
    assert sorted(p.relative_to(first).as_posix() for p in first.rglob("*.wav")) == ["b.wav", "deep/a.wav"]
    assert sorted(path.name for path in second.iterdir()) == ["a.wav", "b.wav"]
    for path, length in ((first / "deep" / "a.wav", len(samples)), (first / "b.wav", 22050)):
        info = soundfile.info(path)
        assert (info.samplerate, info.frames, info.channels) == (22050, length // 256 * 256, 1)
    assert (first / "deep" / "a.wav").read_bytes() == (second / "a.wav").read_bytes()
    assert capsys.readouterr().out.count("log-mel MAE") == 4


def test_on_a_cpu_each_thread_has_a_recording_of_its_own(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = [tone(tmp_path / f"{number}.wav", 0.7 + number / 4) for number in range(4)]
    before = torch.get_num_threads()
    both_are_there = threading.Barrier(2, timeout=60)

    def read_beside_another(*given: Any) -> torch.Tensor:
        both_are_there.wait()  # one after the other would never pass
        return read_audio(*given)

    try:
        torch.set_num_threads(1)
        for source in sources:
            assert synthesize(model, tmp_path / "alone", source) == 0
        torch.set_num_threads(2)
        monkeypatch.setattr(synthesis, "read_audio", read_beside_another)
        assert synthesize(model, tmp_path / "together", *sources) == 0
    finally:
        torch.set_num_threads(before)
    for source in sources:
        alone, together = (tmp_path / name / source.name for name in ("alone", "together"))
        assert together.read_bytes() == alone.read_bytes()


def test_without_a_model_it_is_the_vocoder_that_comes_with_the_package(
    recording: Path, output: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["synthesize", "--input", str(recording), "--output", str(output), "--steps", "1"]) == 0
    error = float(capsys.readouterr().out.split("log-mel MAE ")[1].split(",")[0])
    assert error < 1, "a random network has several times as much"


def test_another_seed_makes_other_noise(model: Path, recording: Path, output: Path) -> None:
    content = []
    for seed in ("0", "0", "1"):
        command = ["synthesize", "--model", model, "--input", recording, "--output", output, "--seed", seed]
        assert main([str(part) for part in command]) == 0
        content.append((output / "recording.wav").read_bytes())
    assert content[0] == content[1] != content[2]


def test_synthesis_without_a_model_says_what_was_looked_for(
    refuse: Refuse, runs: Path, recording: Path, output: Path
) -> None:
    rest = ["--input", recording, "--output", output]
    assert "no trained vocoder in nowhere" in refuse("synthesize", "--model", "nowhere", *rest)
    line = refuse("synthesize", "--model", runs, *rest)
    assert f"it holds runs: give one of {runs}/one-seed0, {runs}/two-seed0" in line
    assert not output.exists()


@pytest.mark.parametrize("damage", ["truncated", "missing", "config", "index", "foreign"])
def test_a_damaged_model_is_named(
    refuse: Refuse, runs: Path, recording: Path, output: Path, tmp_path: Path, damage: str
) -> None:
    folder = shutil.copytree(runs / "one-seed0" / "model", tmp_path / "damaged")
    weights = folder / "model" / "diffusion_pytorch_model.safetensors"
    if damage == "truncated":
        weights.write_bytes(weights.read_bytes()[:1000])
    elif damage == "missing":
        weights.unlink()
    elif damage == "config":
        (folder / "model" / "config.json").write_text("{")
    elif damage == "index":
        (folder / "model_index.json").write_text("{")
    else:
        (folder / "model_index.json").write_text('{"_class_name": "DDPMPipeline"}')
    line = refuse("synthesize", "--model", folder, "--input", recording, "--output", output)
    assert f"can't load the vocoder in {folder}" in line
    assert not output.exists()


@pytest.mark.parametrize("steps", ["0", "-3", "51"])
def test_steps_out_of_range_are_refused(
    refuse: Refuse, model: Path, recording: Path, output: Path, steps: str
) -> None:
    line = refuse("synthesize", "--model", model, "--input", recording, "--output", output, "--steps", steps)
    assert f"num_inference_steps={steps}" in line
    assert not output.exists()


def test_inputs_that_can_not_be_used_are_named_and_the_others_done(
    refuse: Refuse, model: Path, recording: Path, output: Path, tmp_path: Path
) -> None:
    command = ["synthesize", "--model", model, "--output", output, "--input"]
    assert "no such input: nothing.wav" in refuse(*command, recording, "nothing.wav")
    (tmp_path / "empty").mkdir()
    assert f"no audio in {tmp_path / 'empty'}" in refuse(*command, tmp_path / "empty")
    tone(tmp_path / "again" / "recording.wav", 1)
    assert "would both be written to" in refuse(*command, recording, tmp_path / "again" / "recording.wav")
    assert not output.exists()
    (tmp_path / "broken.wav").write_bytes(b"noise")
    tone(tmp_path / "short.wav", 0.1)
    line = refuse(*command, tmp_path / "broken.wav", recording, tmp_path / "short.wav")
    assert "2 of 3 inputs were left out" in line
    assert "broken.wav cannot be decoded" in line
    assert [path.name for path in output.iterdir()] == ["recording.wav"]
    line = refuse(*command, tmp_path / "short.wav")
    assert "short.wav is too short: 0.10 s, expected at least 0.5 s" in line


def test_synthesis_takes_what_training_takes_and_names_the_rest(
    refuse: Refuse, model: Path, recording: Path, output: Path, tmp_path: Path
) -> None:
    inputs = tmp_path / "inputs"
    for name in ("a.wav", ".Trash/old.wav", "._a.wav", "c.wav/d.wav"):
        tone(inputs / name, 1)
    (inputs / "empty.wav").mkdir()
    (inputs / "b.wav").symlink_to("../.git/annex/objects/b.wav")
    (inputs / "loop.wav").symlink_to("loop.wav")
    (inputs / "speaker").symlink_to("unmounted")
    tone(tmp_path / "elsewhere" / "e.wav", 1)
    (inputs / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "back").symlink_to(inputs)
    (tmp_path / "dangling.wav").symlink_to("gone.wav")
    command = ["synthesize", "--model", model, "--output", output, "--input"]
    line = refuse(*command, inputs, tmp_path / "dangling.wav")
    assert "4 of 7 inputs were left out" in line
    assert all(f"{inputs / name} is a link to" in line for name in ("b.wav", "loop.wav", "speaker"))
    assert f"{tmp_path / 'dangling.wav'} is a link to gone.wav" in line
    written = sorted(path.relative_to(output).as_posix() for path in output.rglob("*") if path.is_file())
    assert written == ["a.wav", "c.wav/d.wav", "linked/e.wav"]
    output.rename(tmp_path / "first")
    assert "1 of 2 inputs" in refuse(*command, inputs / ".Trash" / "old.wav", inputs / "b.wav")
    assert [path.name for path in output.iterdir()] == ["old.wav"], "what is asked for by name is taken"


def test_a_recording_beyond_full_scale_is_scaled_to_it_and_said_to_be_so(
    model: Path, recording: Path, output: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    samples, rate = soundfile.read(recording)
    loud = samples / np.abs(samples).max()
    soundfile.write(tmp_path / "full.wav", loud, rate, subtype="FLOAT")
    soundfile.write(tmp_path / "integers.wav", 32768 * loud, rate, subtype="FLOAT")
    files = [str(tmp_path / "full.wav"), str(tmp_path / "integers.wav")]
    assert synthesize(model, output, *files) == 0
    warned = [record.getMessage() for record in caplog.records if "full scale" in record.getMessage()]
    assert warned == [f"{files[1]} has samples up to ±32768, beyond full scale: it is scaled to ±1"]
    assert (output / "full.wav").read_bytes() == (output / "integers.wav").read_bytes()


def test_synthesis_does_not_write_over_its_input_nor_below_a_file(
    refuse: Refuse, model: Path, recording: Path
) -> None:
    before = recording.read_bytes()
    command = ["synthesize", "--model", model, "--input", recording, "--output"]
    assert "would be replaced" in refuse(*command, recording.parent)
    assert f"could not make the folder {recording}/out" in refuse(*command, recording / "out")
    assert recording.read_bytes() == before


def test_names_that_are_no_utf8_pass_through(
    model: Path, recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, output = tmp_path / os.fsdecode(b"donn\xe9es"), tmp_path / "output"
    data.mkdir()
    for name in (b"\xe8.wav", b"\xe9.wav"):
        shutil.copy(recording, data / os.fsdecode(name))
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="utf-8"))
    assert synthesize(model, output, data) == 0
    assert sorted(os.listdir(os.fsencode(output))) == [b"\xe8.wav", b"\xe9.wav"]
