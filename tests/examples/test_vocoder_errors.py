"""Every bad input ends in one line that names it, exit status 2, and nothing half-written."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.refusals import Refuse, refusal_of
from vocoder.__main__ import main
from vocoder.configuration import CorpusConfig, VocoderConfig
from vocoder.data import prepare_corpus

ROOT = Path(__file__).parents[2]


@pytest.fixture
def refuse(capfd: pytest.CaptureFixture[str]) -> Refuse:
    """Runs the example and returns the one line with which it must refuse."""
    return refusal_of(main, capfd)


@pytest.fixture(autouse=True)
def _no_progress_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TQDM_DISABLE", "1")


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "output"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["training.nun_steps=3"], ["training.nun_steps", "did you mean 'training.num_steps'"]),
        (["modell.block_size=3"], ["modell", "did you mean 'model.block_size'"]),
        (["training.num_steps=many"], ["training.num_steps", "'many'", "expected int"]),
        (["training.num_steps=0"], ["num_steps is 0", "at least 1"]),
        (["model=null"], ["model"]),
        (["nonsense"], ["'nonsense'", "expected key=value"]),
        (["--prior", "laplace"], ["'laplace'", "isotropic, energy, spectral"]),
        (["compare=[laplace]"], ["laplace", "isotropic, energy, spectral"]),
        (["--config", "papper"], ["papper", "demo", "paper-small"]),
        (["--config", "none.yaml"], ["none.yaml", "no configuration file"]),
        (["--seeds", "1", "2", "1"], ["--seeds has 1 twice"]),
        (["--seeds", "-1"], ["seed is -1", "expected"]),
        (["--seeds", "99999999999999999999"], ["seed is 9999", "expected"]),
        (["network=diffwave", "model.block_size=48"], ["hop_length=256", "block_size=48"]),
        (["network=diffwave", "model.residual_layers=0"], ["residual_layers=0"]),
        (
            ["network=diffwave", "model.prior_condition=mel_channel", "prior=isotropic"],
            ["mel_channel", "isotropic", "frame_std"],
        ),
        (["network=diffwave", "model.prior_condition=sometimes"], ["sometimes", "conditioner"]),
        (["network=transformer"], ["network is 'transformer'", "frames, diffwave"]),
        (["network=frames", "frame_model.kernel_size=4"], ["kernel_size=4"]),
        (["prior=spectral", "estimator.channels=0"], ["channels=0"]),
        (["estimator.training.num_steps=0"], ["num_steps is 0"]),
        (["evaluation.solver=euler"], ["solver is 'euler'", "unipc"]),
        (["mel.hop_length=255"], ["hop_length=255"]),
        (["mel.hop_length=2048", "mel.n_fft=1024"], ["hop_length=2048", "n_fft=1024"]),
        (["mel.hop_length=4096"], ["hop_length is 4096"]),
        (["mel.win_length=2048"], ["win_length=2048"]),
        (["mel.f_max=20000"], ["f_max=20000", "11025"]),
        (["mel.n_mels=8"], ["n_mels is 8", "at least 14"]),
        (["mel.sample_rate=100"], ["sample_rate is 100"]),
        (["evaluation.num_inference_steps=100"], ["num_inference_steps=100", "50"]),
        (["evaluation.max_seconds=0.1"], ["max_seconds is 0.1", "0.5"]),
        (["corpus.min_seconds=0.1"], ["min_seconds is 0.1", "0.5"]),
        (["corpus.validation_fraction=1.5"], ["validation_fraction is 1.5"]),
        (["scheduler.beta_end=1.5"], ["beta_end=1.5"]),
        (["scheduler.beta_start=0.5"], ["beta_start=0.5"]),
        (["scheduler.prediction_type=guess"], ["guess", "epsilon"]),
        (["scheduler.num_train_timesteps=0"], ["num_train_timesteps=0"]),
        (["scheduler.clip_prev_sample=-1"], ["clip_prev_sample=-1"]),
        (["training.trackers=[abacus]"], ["'abacus'", "tensorboard"]),
        (["training.mixed_precision=fp8"], ["'fp8'", "bf16"]),
        (["--data", "no_such_folder"], ["no_such_folder", "no folder"]),
        (["--data", ""], ["directory is ''"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_configuration_that_can_not_work_is_refused_before_anything_is_made(
    refuse: Refuse, output: Path, tmp_path: Path, arguments: list[str], named: list[str]
) -> None:
    cache = tmp_path / "cache"
    line = refuse(f"corpus.cache_directory={cache}", *arguments, "--output", output)
    for part in named:
        assert part in line
    assert not cache.exists(), "refused only after the corpus was made"
    assert not list(output.rglob("*"))


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"training:\n  learnin_rate: 3\n", ["learnin_rate", "did you mean 'training.learning_rate'"]),
        (b"training: 3\n", ["training", "expected a section"]),
        (b"training: [unclosed\n", ["no valid YAML"]),
        (b"- a\n- list\n", ["expected keys and values"]),
        (b"prior: \xff\xfe\n", ["no valid YAML"]),
        (b"training: null\n", ["training", "expected"]),
        (b"training:\n  seed: ${oc.env:NO_SUCH}\n", ["NO_SUCH"]),
    ],
)
def test_a_broken_configuration_file_is_named(
    refuse: Refuse, output: Path, tmp_path: Path, content: bytes, named: list[str]
) -> None:
    (tmp_path / "my.yaml").write_bytes(content)
    line = refuse("--config", tmp_path / "my.yaml", "--output", output)
    for part in ["my.yaml", *named]:
        assert part in line
    assert not output.exists()


def _tone(path: Path, seconds: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.3 * np.sin(np.arange(int(seconds * 22050)) * 0.1), 22050)


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda data: None, ["no audio in", ".flac", "LJSpeech"]),
        (lambda data: (data / "a.wav").write_bytes(b"noise"), ["none of the 1 audio files", "a.wav"]),
        (lambda data: _tone(data / "a.wav", 0.2), ["none of the 1 audio files", "a.wav is too short"]),
        (lambda data: _tone(data / "a.wav", 2), ["a corpus of 1 recording"]),
        (lambda data: (_tone(data / "a.wav", 1.2), _tone(data / "b.wav", 1.2)), ["too short", "at least 2."]),
    ],
    ids=["empty", "corrupt", "short", "single", "shorter than a crop"],
)
def test_a_folder_without_usable_recordings_is_refused(
    refuse: Refuse, output: Path, tmp_path: Path, make: Callable[[Path], object], named: list[str]
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    make(data)
    crop = "corpus.crop_frames=200" if "at least 2." in named else "corpus.crop_frames=8"
    line = refuse("--data", data, crop, f"corpus.cache_directory={tmp_path / 'cache'}", "--output", output)
    for part in named:
        assert part in line
    assert not list(output.rglob("*"))


def test_an_output_below_a_file_is_refused(refuse: Refuse, tiny: list[str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    line = refuse(*tiny, "--output", tmp_path / "file" / "runs")
    assert f"could not make the folder {tmp_path}/file/runs (Not a directory): choose another" in line
    line = refuse(*tiny, "--output", tmp_path / "file")
    assert f"could not make the folder {tmp_path}/file (File exists)" in line
    assert (tmp_path / "file").read_text() == "mine"


def test_a_cache_below_a_file_is_refused(
    refuse: Refuse, tiny: list[str], output: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("mine")
    line = refuse(*tiny, f"corpus.cache_directory={tmp_path / 'file' / 'cache'}", "--output", output)
    assert str(tmp_path / "file" / "cache") in line
    assert "Not a directory" in line


def test_an_experiment_is_neither_overwritten_nor_mixed_with_another(
    refuse: Refuse, tiny: list[str], output: Path
) -> None:
    short = [*tiny, "--no-compare", "--output", str(output), "training.num_steps=2"]
    assert main([*short, "--prior", "isotropic"]) == 0
    before = {path: path.stat().st_mtime_ns for path in output.rglob("*")}
    # The run that is in the way is the last of the twins: it must be found before the first is trained.
    line = refuse(*tiny, "--output", output)
    assert f"{output}/isotropic-seed0 holds a run of 2 steps: pass --resume" in line
    line = refuse(*short, "--prior", "isotropic", "--resume", "training.learning_rate=0.5")
    assert "training.learning_rate is 0.5" in line
    assert "choose another folder" in line
    line = refuse(*short, "--prior", "isotropic", "--resume", "training.num_steps=1")
    assert "num_steps is 1" in line
    assert {path: path.stat().st_mtime_ns for path in output.rglob("*")} == before


@pytest.mark.parametrize(
    "limit", [*(pytest.param(limit, marks=pytest.mark.slow) for limit in (4_000, 20_000)), 60_000]
)  # torch 2.5 writes 2 kB itself
def test_a_full_disk_ends_in_one_line_and_leaves_nothing_half_written(
    tiny: list[str], output: Path, limit: int
) -> None:
    assert main([*tiny, "--prior", "energy", "--no-compare", "--output", str(output / "warm")]) == 0
    finished = subprocess.run(
        [sys.executable, "examples/vocoder", *tiny, "--no-compare", "--output", str(output / "full")],
        cwd=ROOT,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 2, finished.stderr
    last = finished.stderr.splitlines()[-1]
    assert "error: could not" in last
    assert str(output / "full") in last
    assert "Traceback" not in finished.stderr
    assert not list((output / "full").rglob(".*.partial"))


def test_a_corpus_of_names_that_are_no_utf8_is_taken(tmp_path: Path) -> None:
    data = tmp_path / os.fsdecode(b"donn\xe9es")
    data.mkdir()
    _tone(tmp_path / "tone.wav", 1)
    for name in (b"\xe8.wav", b"\xe9.wav"):
        shutil.copy(tmp_path / "tone.wav", data / os.fsdecode(name))
    corpus = CorpusConfig(directory=str(data), cache_directory=str(tmp_path / "cache"), crop_frames=8)
    assert sum(map(len, prepare_corpus(VocoderConfig(corpus=corpus)))) == 2


@pytest.mark.parametrize(
    ("packages", "named"),
    [
        (["soundfile", "matplotlib"], "priordiff[audio,train]"),
        pytest.param(["torchaudio"], "priordiff[audio]", marks=pytest.mark.slow),
        (["accelerate"], "pip install"),
        pytest.param(["omegaconf"], "pip install", marks=pytest.mark.slow),
    ],
)
def test_packages_that_are_missing_are_named_with_the_extras_to_install(
    output: Path, packages: list[str], named: str
) -> None:
    program = f"""
import importlib.util, runpy, sys
find_spec = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name in {packages} else find_spec(name, *rest)
sys.modules.update(dict.fromkeys({packages}))
import priordiff
sys.argv = ["examples/vocoder", "--output", {str(output)!r}]
runpy.run_path("examples/vocoder", run_name="__main__")
"""
    finished = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert finished.returncode == 2, finished.stderr
    (line,) = finished.stderr.splitlines()
    assert all(package in line for package in packages)
    assert named in line
    assert not output.exists()
