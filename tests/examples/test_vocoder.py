from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import diffusers
import pytest
import torch
from safetensors.torch import load_file

from priordiff.audio import AudioCorpus, LogMelSpectrogram
from priordiff.commands import main as priordiff
from priordiff.experiments import read_scores
from priordiff.training import Draw, load_config, read_metrics
from vocoder.__main__ import main
from vocoder.configuration import CONFIGS, VocoderConfig
from vocoder.data import MARGIN_FRAMES, CropDataset, prepare_corpus, with_frames
from vocoder.judging import CONSISTENT_NOISE_SCORES, NOISE_SCORES, SAMPLE_SCORES, SCORES
from vocoder.parts import check_parts, make_parts
from vocoder.task import VocoderTask

ROOT = Path(__file__).parents[2]
TWINS = ("spectral", "energy", "isotropic")


def weights(run: Path) -> dict[str, torch.Tensor]:
    """The exported network and the exported statistics of the estimator."""
    files = sorted((run / "model").rglob("*.safetensors"))
    assert files
    return {f"{file.parent.name}/{name}": t for file in files for name, t in load_file(file).items()}


def assert_same_weights(left: Path, right: Path, **tolerance: float) -> None:
    ours, theirs = weights(left), weights(right)
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        if tolerance:
            torch.testing.assert_close(value, theirs[name], **tolerance)
        else:
            assert torch.equal(value, theirs[name]), name


def run_command(*arguments: str | Path, **environment: str) -> subprocess.Popen[str]:
    """The example in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "examples/vocoder", *map(str, arguments)],
        cwd=ROOT,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="module")
def experiment(tiny: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished experiment of three twins."""
    output = tmp_path_factory.mktemp("experiment")
    assert main([*tiny, "--output", str(output)]) == 0
    return output


def rows_of_table(report: Path) -> dict[str, list[str]]:
    """Texts of the cells of a report's first table, by the name of the row."""
    table = re.search(r"<tbody>(.*?)</tbody>", report.read_text(encoding="utf-8"), re.DOTALL)
    assert table
    rows = re.findall(r"<tr\b.*?</tr>", table[1], re.DOTALL)
    cells = [[re.sub(r"<[^>]+>|\s+", " ", cell).strip() for cell in row.split("</t")[:-1]] for row in rows]
    return {row[0].removesuffix(" baseline"): row[1:] for row in cells}


def test_one_command_trains_three_twins_and_reports_on_them(experiment: Path) -> None:
    runs = [f"{prior}-seed0" for prior in TWINS]
    assert {path.name for path in experiment.iterdir()} == {*runs, "spectral-prior-seed0", "report.html"}
    for run in runs:
        measured = {"log_mel_mae", "mr_stft", "mcd", "voicing_error"}
        assert measured | {"real_time_factor", "parameters"} <= read_scores(experiment / run, SCORES).keys()
        assert measured | {"nll"} <= read_scores(experiment / run, NOISE_SCORES).keys()
        pipeline = diffusers.DiffusionPipeline.from_pretrained(experiment / run / "model")
        audio = pipeline(mel=torch.zeros(80, 3), num_inference_steps=2).audios
        assert audio.shape == (1, 3 * 256)
        # The waveforms of the table are closer to their mels than what was sampled, noise alone is too.
        final, sampled = read_scores(experiment / run, SCORES), read_scores(experiment / run, SAMPLE_SCORES)
        assert final["log_mel_mae"] < sampled["log_mel_mae"]
        noise, consistent = (
            read_scores(experiment / run, name) for name in (NOISE_SCORES, CONSISTENT_NOISE_SCORES)
        )
        assert consistent["log_mel_mae"] < noise["log_mel_mae"]
    rows = rows_of_table(experiment / "report.html")
    kinds = ("as sampled", "noise alone", "noise alone, made consistent")
    expected = {f"{prior}: {kind}" for prior in TWINS for kind in kinds}
    assert set(rows) == {*TWINS, *expected, "the recordings"}
    page = (experiment / "report.html").read_text(encoding="utf-8")
    assert page.count("data:audio/wav") == 5, "the target, the prior's noise and three models"
    assert "residual_channels: 8" in page


def test_twins_start_from_the_same_network_and_differ_in_the_prior_alone(experiment: Path) -> None:
    stored = {
        prior: load_config(VocoderConfig, experiment / f"{prior}-seed0" / "config.yaml") for prior in TWINS
    }
    for prior, config in stored.items():
        assert config.prior == prior
        config.prior = "energy"
    assert stored["spectral"] == stored["energy"] == stored["isotropic"]


def test_twins_in_another_space_may_have_a_network_and_batches_of_their_own(
    tiny: list[str], tmp_path: Path
) -> None:
    twins = "twins={network: diffwave, num_steps: 3, batch_size: 1, crop_frames: 4}"
    arguments = [*tiny, twins, "compare=[spectral-fit, energy]", "training.num_steps=2"]
    assert main([*arguments, "--output", str(tmp_path)]) == 0
    stored = {
        prior: load_config(VocoderConfig, tmp_path / f"{prior}-seed0" / "config.yaml") for prior in TWINS[:2]
    }
    assert stored["energy"].network == "diffwave"
    assert stored["energy"].corpus.crop_frames == 4
    assert stored["energy"].training.batch_size == 1
    assert [row["step"] for row in read_metrics(tmp_path / "energy-seed0", "evaluation")] == [2, 3]
    fit = load_config(VocoderConfig, tmp_path / "spectral-fit-seed0" / "config.yaml")
    assert fit == replace(stored["spectral"], prior="spectral-fit"), (
        "the space is the same: nothing else differs"
    )
    assert main([*arguments, "--resume", "--output", str(tmp_path)]) == 0
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "3 steps of 1 crops" in page
    assert "2 steps of 2 crops" in page


def test_several_seeds_give_mean_and_spread(tiny: list[str], tmp_path: Path) -> None:
    arguments = ["--prior", "energy", "--no-compare", "--output", str(tmp_path), "--seeds", "0", "1"]
    arguments.append("training.num_steps=2")  # what follows the seeds is no seed
    assert main([*tiny, *arguments]) == 0
    assert not torch.equal(*(_first_weight(tmp_path / f"energy-seed{seed}") for seed in (0, 1)))
    assert "2 steps of" in (tmp_path / "report.html").read_text(encoding="utf-8")
    row = rows_of_table(tmp_path / "report.html")["energy"]
    assert re.search(r"\d\.\d{3}\s*± ?\d\.\d{3}", row[0])


def test_a_longer_baseline_is_a_row_of_its_own(tiny: list[str], tmp_path: Path) -> None:
    arguments = ["--prior", "isotropic", "--no-compare", "--output", str(tmp_path), "baseline_steps=6"]
    assert main([*tiny, *arguments]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {
        "isotropic-seed0",
        "isotropic-seed0-longer",
        "report.html",
    }
    steps = [row["step"] for row in read_metrics(tmp_path / "isotropic-seed0-longer", "evaluation")]
    assert steps == [2, 4, 6]
    assert "isotropic, 6 steps" in (tmp_path / "report.html").read_text(encoding="utf-8")


def _first_weight(run: Path) -> torch.Tensor:
    return weights(run)["model/input_projection.weight"]


def test_resuming_a_finished_experiment_changes_nothing_and_writes_the_report_again(
    experiment: Path, tiny: list[str], tmp_path: Path
) -> None:
    again = shutil.copytree(experiment, tmp_path / "again")
    (again / "report.html").unlink()
    assert main([*tiny, "--output", str(again), "--resume"]) == 0
    assert (again / "report.html").is_file()
    for prior in TWINS:
        before, after = experiment / f"{prior}-seed0", again / f"{prior}-seed0"
        assert_same_weights(before, after)
        assert (before / "metrics.jsonl").read_text() == (after / "metrics.jsonl").read_text()
        scores = [read_scores(run, SCORES) for run in (before, after)]
        for score in scores:
            del score["real_time_factor"]
        assert scores[0] == scores[1]


@pytest.mark.slow
@pytest.mark.parametrize(("number", "status"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, 0)])
def test_a_run_that_is_killed_or_stopped_and_resumed_is_that_of_an_unbroken_one(
    tiny: list[str], tmp_path: Path, number: int, status: int
) -> None:
    arguments = [*tiny, "--prior", "spectral", "--no-compare", "training.num_steps=40"]
    assert main([*arguments, "--output", str(tmp_path / "unbroken")]) == 0
    broken = tmp_path / "broken"
    process = run_command(*arguments, "--output", broken)
    checkpoints = broken / "spectral-seed0" / "checkpoints"
    while process.poll() is None and not list(checkpoints.glob("step-*")):
        pass
    process.send_signal(number)
    _, errors = process.communicate()
    assert process.returncode == status, errors
    assert not (broken / "spectral-seed0" / "model").exists()
    assert "Traceback" not in errors
    if number == signal.SIGTERM:
        assert "--resume" in errors
    assert main([*arguments, "--output", str(broken), "--resume"]) == 0
    assert_same_weights(tmp_path / "unbroken" / "spectral-seed0", broken / "spectral-seed0")


@pytest.mark.slow
# Of the spectral prior's network weights begin at zero, where Adam's first steps magnify rounding.
@pytest.mark.parametrize(("prior", "tolerance"), [("energy", 1e-5), ("spectral", 2e-4)])
def test_two_processes_train_as_one_with_a_doubled_batch(
    prior: str, tolerance: float, tiny: list[str], tmp_path: Path
) -> None:
    arguments = [*tiny, "--prior", prior, "--no-compare", "training.mixed_precision=no"]
    doubled = ["training.batch_size=4", "estimator.training.batch_size=4"]
    assert main([*arguments, *doubled, "--output", str(tmp_path / "one")]) == 0
    finished = subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"),
            *("examples/vocoder/__main__.py", *arguments, "--output", str(tmp_path / "two")),
        ],
        cwd=ROOT,
        env=os.environ | {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert finished.returncode == 0, finished.stderr
    assert finished.stderr.count("log-mel MAE") == 1, "only the main process speaks"
    one, two = (tmp_path / name / f"{prior}-seed0" for name in ("one", "two"))
    assert_same_weights(one, two, rtol=tolerance, atol=tolerance)


def test_recordings_may_lie_in_folders(speech: Path, tiny: list[str], tmp_path: Path) -> None:
    shutil.copytree(speech / "wavs", tmp_path / "recordings" / "speaker")
    arguments = [*tiny, "prior=spectral-fit", "compare=[]", "training.num_steps=1"]
    arguments[arguments.index("--data") + 1] = str(tmp_path / "recordings")
    assert main([*arguments, "--output", str(tmp_path / "runs")]) == 0
    (spoken,) = (tmp_path / "runs" / "spectral-fit-seed0" / "evaluation").rglob("*.wav")
    assert spoken.parent.name == "speaker"


def test_priordiff_synthesizes_with_the_folder_of_a_run(
    experiment: Path, speech: Path, tmp_path: Path
) -> None:
    command = ["synthesize", "--model", experiment / "spectral-seed0", "--output", tmp_path, "--steps", "2"]
    assert priordiff([str(part) for part in [*command, "--input", speech / "wavs"]]) == 0
    assert len(list(tmp_path.glob("*.wav"))) == len(list((speech / "wavs").iterdir()))


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_configurations_that_ship_are_valid(path: Path) -> None:
    config = load_config(VocoderConfig, path)
    check_parts(config, [config.prior, *config.compare])


def test_paper_is_the_published_model() -> None:
    config = load_config(VocoderConfig, CONFIGS / "paper.yaml")
    model, scheduler, _ = make_parts(config)
    assert sum(parameter.numel() for parameter in model.parameters()) == 2_619_971
    betas = torch.linspace(1e-4, 0.05, 50, dtype=torch.float64)
    torch.testing.assert_close(scheduler.alphas_cumprod.double(), (1 - betas).cumprod(0), rtol=1e-5, atol=0)
    assert (config.prior, scheduler.config.model_space, config.scheduler.prediction_type) == (
        "energy",
        "centered",
        "epsilon",
    )
    assert (config.training.batch_size, config.training.learning_rate) == (16, 2e-4)
    assert config.corpus.crop_frames == 62


@pytest.mark.parametrize("hop_length", [256, 64, 300])
def test_the_mel_of_a_crop_is_the_crop_of_the_whole_recordings_mel(
    speech: Path, tmp_path: Path, hop_length: int
) -> None:
    corpus = AudioCorpus.prepare(speech, tmp_path, 22050)
    log_mel = LogMelSpectrogram(hop_length=hop_length)
    total = corpus.recordings[0].num_samples // hop_length
    whole = corpus.waveform(0)[: total * hop_length]
    frames = log_mel(whole[None])[0]
    margins = CropDataset(corpus, log_mel, 4).frames - 4
    starts = set()
    # Short crops from the middle, and long ones that touch both ends.
    for crop_frames in (4, total - margins - 2):
        dataset = CropDataset(corpus, log_mel, crop_frames)
        for number in range(12):
            waveform, crop = with_frames(dataset[Draw(0, number, 0)]["surrounded"][None], log_mel)
            length = crop.shape[-1]
            pieces = whole.unfold(0, length * hop_length, hop_length)
            (start,) = (pieces == waveform[0]).all(dim=-1).nonzero()[:, 0].tolist()
            torch.testing.assert_close(crop[0], frames[:, start : start + length], rtol=0, atol=1e-4)
            starts.add(start)
    assert starts > {0, 1, 2}


def test_a_loudness_exponent_of_one_weights_the_error_as_in_data_space(tiny: list[str]) -> None:
    overrides = [argument for argument in tiny if "=" in argument]
    overrides += ["prior=spectral-fit", "loudness_exponent=1.0"]
    config = load_config(VocoderConfig, CONFIGS / "demo.yaml", overrides)
    config.corpus.directory = tiny[tiny.index("--data") + 1]
    task = VocoderTask(config, *prepare_corpus(config))
    batch = task.collate([task.dataset[Draw(0, number, 0)] for number in range(2)])
    assert task.estimator
    _, frames = with_frames(batch["surrounded"], task.log_mel)
    prior, log_mel = task.estimator(frames), frames[..., MARGIN_FRAMES:-MARGIN_FRAMES]
    error = torch.randn(2, 1, 8 * 256, generator=torch.Generator().manual_seed(0))
    ratio = task._weighting(prior, log_mel).whiten(error) / task.estimator(log_mel).color(error)
    torch.testing.assert_close(ratio, ratio[..., :1].expand_as(ratio), rtol=1e-2, atol=0)
