"""The search of the acoustic example, in seconds."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("praatio")

from acoustic.__main__ import main
from acoustic.configuration import CONFIGS, AcousticConfig
from acoustic.corpus import prepare_corpus
from acoustic.searching import Judge
from priordiff import TextToSpeechPipeline
from priordiff.models.frames import log_mel_of_standardized
from priordiff.pipelines import with_solver
from priordiff.pipelines.mel_sampling import sample_mel
from priordiff.search import SAMPLERS
from priordiff.training import load_config
from tests.examples.tiny import ACOUSTIC, as_overrides

PHONEMES = ["_", "ð", "ə"]


@pytest.fixture(scope="module")
def corpus(speech: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Arguments for recordings of which half is held out."""
    cache = tmp_path_factory.mktemp("cache")
    return [
        f"corpus.directory={speech}",
        f"corpus.cache_directory={cache}",
        "corpus.validation_fraction=0.5",
    ]


@pytest.fixture(scope="module")
def trained(corpus: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs with and without the prior, and one without a diffusion."""
    output = tmp_path_factory.mktemp("runs")
    overrides = {
        **ACOUSTIC,
        "compare": "[isotropic,fastspeech2]",
        "training.num_steps": 2,
        "evaluation.num_inference_steps": 2,
        "evaluation.more_inference_steps": "[]",
        "evaluation.report_utterances": 0,
    }
    arguments = [*corpus, *as_overrides(overrides)]
    assert main([*arguments, "--output", str(output)]) == 0
    return output


@pytest.fixture
def runs(trained: Path, tmp_path: Path) -> Path:
    """Copies that a search may write into."""
    return Path(shutil.copytree(trained, tmp_path / "runs"))


def load(run: Path) -> TextToSpeechPipeline:
    pipeline = TextToSpeechPipeline.from_pretrained(run / "model")
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def spoken(pipeline: TextToSpeechPipeline, **options: Any) -> torch.Tensor:
    output: Any = pipeline(phonemes=PHONEMES, seed=0, **options)
    return output.mels[0]


def test_one_command_searches_prints_and_saves(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    both = [runs / f"{kind}-seed0" for kind in ("prior", "isotropic")]
    before = [load(run) for run in both]
    arguments = ["--steps", "2", "3", "--default-steps", "3", "--budget", "2"]
    assert main(["search", "--model", *map(str, both), *arguments]) == 0
    printed = capsys.readouterr().out
    rows = [line for line in printed.splitlines() if line.startswith("| prior-seed0: ")]
    assert len(rows) == 4 * len(SAMPLERS), "searched and as it comes, by two measures"
    assert printed.count("| isotropic-seed0: DDIM | ") == 4
    assert printed.count("| model and sampler | 2 | 3 |") == 4
    for run, old in zip(both, before, strict=True):
        pipeline = load(run)
        assert pipeline.config.num_inference_steps == 3
        assert set(pipeline.config.schedules) == {"2", "3"}
        assert torch.equal(spoken(pipeline), spoken(pipeline, num_inference_steps=3))
        assert torch.equal(spoken(pipeline, num_inference_steps=4), spoken(old, num_inference_steps=4))
        assert "_name_or_path" not in json.loads((run / "model" / "model_index.json").read_text())


def test_tables_alone_leave_the_model_as_it_was(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = runs / "prior-seed0"
    before = (run / "model" / "model_index.json").read_bytes()
    options = ["--steps", "2", "--budget", "2", "--solvers", "unipc", "--no-save", "--measure", "mae"]
    assert main(["search", "--model", str(run), *options]) == 0
    assert "| prior-seed0: UniPC | **" in capsys.readouterr().out
    assert (run / "model" / "model_index.json").read_bytes() == before


def test_a_judge_measures_samples_over_the_recordings_own_durations(trained: Path, corpus: list[str]) -> None:
    config = load_config(AcousticConfig, CONFIGS / "demo.yaml", corpus)
    items = prepare_corpus(config).validation.items
    pipeline = load(trained / "prior-seed0")
    scheduler = with_solver(pipeline.scheduler, "ddpm")
    scores = Judge(pipeline, items[:1]).scores(scheduler, 3)
    item = items[0]
    encoded = pipeline.encoder(
        *(item["symbols"].repeat(2, 1), torch.tensor([item["speaker"]] * 2)),
        **{name: item[name].repeat(2, 1) for name in ("durations", "pitch", "energy")},  # type: ignore[literal-required]
    )
    scheduler.set_timesteps(3)
    generator = torch.Generator().manual_seed(item["index"])
    with torch.no_grad():
        mel = sample_mel(encoded, pipeline.decoder, scheduler, pipeline.estimator, generator)
    first, second, true = map(log_mel_of_standardized, (*mel, item["mel"]))
    mae = ((first - true).abs().mean() + (second - true).abs().mean()) / 2
    assert scores["mae"] == pytest.approx(float(mae), rel=1e-5)
    assert scores["crps"] == pytest.approx(float(mae - (first - second).abs().mean() / 2), rel=1e-5)
    assert Judge(pipeline, items[:1]).scores(scheduler, 3) == scores, "the noise is the same each time"


@pytest.mark.parametrize(
    ("kind", "options", "named"),
    [
        ("fastspeech2", [], "fastspeech2-seed0 has no schedule to search"),
        ("tacotron", [], "tacotron-seed0 is no finished run"),
        ("prior", ["--utterances", "1"], "1 held-out recordings, expected at least 2"),
        ("prior", ["--solvers", "rk4"], "solver='rk4'"),
        ("prior", ["--steps", "0"], "num_inference_steps=0"),
        (
            "prior",
            ["--steps", "2", "3", "--default-steps", "5"],
            "--default-steps is 5, expected one of --steps: 2, 3",
        ),
    ],
)
def test_what_cannot_be_searched_is_named_in_one_line(
    kind: str, options: list[str], named: str, runs: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["search", "--model", str(runs / f"{kind}-seed0"), "--budget", "1", *options]) == 2
    (line,) = (line for line in capfd.readouterr().err.splitlines() if line.startswith("error: "))
    assert named in line


def test_other_recordings_than_those_of_the_model_are_an_error(
    runs: Path, corpus: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    run = runs / "prior-seed0"
    path = run / "model" / "model_index.json"
    index = json.loads(path.read_text(encoding="utf-8"))
    index["symbols"][0] = "ʘ"
    path.write_text(json.dumps(index), encoding="utf-8")
    assert main(["search", "--model", str(run)]) == 2
    assert "search on the corpus that it was trained with" in capfd.readouterr().err
