"""The acoustic example, in seconds."""

from __future__ import annotations

import shutil
from pathlib import Path

import diffusers
import pytest
import torch

pytest.importorskip("praatio")

from acoustic.__main__ import main
from acoustic.configuration import CONFIGS, AcousticConfig
from acoustic.corpus import _speakers_by_folder, prepare_corpus
from acoustic.data import collate_utterances
from acoustic.judging import NOISE_SCORES, RECORDING_SCORES, scores_at
from acoustic.kinds import KINDS
from acoustic.model import cut
from acoustic.task import AcousticTask
from priordiff import LappedConvNeXt, PriorGradScheduler, VocoderPipeline
from priordiff.experiments import read_scores
from priordiff.training import Draw, load_config, read_metrics
from tests.examples.test_vocoder import rows_of_table
from tests.examples.tiny import ACOUSTIC, as_overrides


@pytest.fixture(scope="module")
def vocoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A vocoder that has learned nothing, but is quick."""
    folder = tmp_path_factory.mktemp("vocoder")
    VocoderPipeline(LappedConvNeXt(16, 1), PriorGradScheduler(), num_inference_steps=1).save_pretrained(
        folder
    )
    return folder


@pytest.fixture(scope="module")
def tiny(speech: Path, vocoder: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Arguments for an experiment of seconds, without an output folder."""
    overrides = {
        **ACOUSTIC,
        "evaluation.vocoder": vocoder,
        "corpus.cache_directory": tmp_path_factory.mktemp("cache"),
        "compare": "[learned,isotropic,grad-tts,fastspeech2]",
        "network": "convnext",
        "training.num_steps": 4,
        "evaluation.num_inference_steps": 3,
        "evaluation.more_inference_steps": "[2]",
        "evaluation.report_utterances": 2,
    }
    return ["--data", str(speech), *as_overrides(overrides)]


@pytest.fixture(scope="module")
def experiment(tiny: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished experiment of all kinds."""
    output = tmp_path_factory.mktemp("experiment")
    assert main([*tiny, "--output", str(output)]) == 0
    return output


def config_of(tiny: list[str], kind: str = "prior") -> AcousticConfig:
    overrides = [argument for argument in tiny if "=" in argument]
    return load_config(
        AcousticConfig, CONFIGS / "demo.yaml", [*overrides, f"corpus.directory={tiny[1]}", f"kind={kind}"]
    )


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_configuration_is_one(path: Path) -> None:
    assert load_config(AcousticConfig, path).kind == "prior"


def test_one_command_trains_all_models_and_reports_on_them(experiment: Path) -> None:
    assert {path.name for path in experiment.iterdir()} == {
        *(f"{kind}-seed0" for kind in KINDS),
        "report.html",
    }
    for kind, each in KINDS.items():
        run = experiment / f"{kind}-seed0"
        measured = {"log_mel_mae", "mcd", "duration_error", "real_time_factor", "parameters"}
        assert measured <= read_scores(run, scores_at(3)).keys() <= {*measured, "f0_rmse", "wer", "mos"}
        assert {"log_mel_mae": 0.0, "mcd": 0.0}.items() <= read_scores(run, RECORDING_SCORES).items()
        assert (run / "evaluation" / "0.wav").exists()
        assert (run / "evaluation" / "scores-2.json").exists() == (each.prior is not None)
        has_estimator = each.prior not in (None, "none")
        assert (run / "evaluation" / f"{NOISE_SCORES}.json").exists() == has_estimator
        assert [row["step"] for row in read_metrics(run, "evaluation")] == [2, 4]
        pipeline = diffusers.DiffusionPipeline.from_pretrained(run / "model")
        pipeline.set_progress_bar_config(disable=True)
        assert pipeline("See the well.", seed=0).mels[0].shape[0] == 80
    denoisers = [kind for kind, each in KINDS.items() if each.prior is not None]
    rows = rows_of_table(experiment / "report.html")
    recordings = "the recordings, through the vocoder"
    assert {*rows} - {recordings} == {
        *KINDS,
        *(f"{kind}: 2 evaluations" for kind in denoisers),
        *(f"{kind}: noise alone" for kind in denoisers if kind != "isotropic"),
    }
    # An untrained vocoder may have no voiced frame to be compared.
    heard = read_scores(experiment / "prior-seed0", RECORDING_SCORES).keys() - {"log_mel_mae", "mcd"}
    assert (recordings in rows) == bool(heard)
    page = (experiment / "report.html").read_text(encoding="utf-8")
    assert page.count("<audio") == 1 + 1 + len(KINDS), "the target, the prior's noise and every model"


@pytest.mark.parametrize("network", ["diffwave", "convnext"])
@pytest.mark.parametrize("kind", KINDS)
def test_losses_count_what_they_sum_and_all_weights_learn(kind: str, network: str, tiny: list[str]) -> None:
    config = config_of([*tiny, f"network={network}"], kind)
    task = AcousticTask(config, prepare_corpus(config))
    items = [task.dataset[Draw(index, number, 0)] for number, index in enumerate((0, 1))]
    batch = collate_utterances(items)
    counts, sums = task.loss_counts(batch), task.model(batch)
    assert counts.keys() == sums.keys()
    assert ("prior" in counts) == (kind in ("learned", "grad-tts"))
    sum(sums[name] / counts[name] for name in counts).backward()
    silent = {name for name, p in task.model.named_parameters() if p.grad is None}
    assert silent == set()


def test_the_prior_has_the_moments_of_the_training_frames(tiny: list[str]) -> None:
    config = config_of(tiny)
    task = AcousticTask(config, prepare_corpus(config))
    symbol = int(task.dataset.items[0]["symbols"][1])
    frames = [
        item["mel"][:, item["symbols"].repeat_interleave(item["durations"]) == symbol]
        for item in task.dataset.items
    ]
    fitted = task.model.estimator.moments.mean[symbol]
    torch.testing.assert_close(fitted, torch.cat(frames, dim=1).mean(dim=1), rtol=1e-4, atol=1e-4)


def test_without_textgrids_the_alignment_is_learned_once_and_kept_beside_the_cache(
    tiny: list[str], speech: Path, tmp_path: Path
) -> None:
    pytest.importorskip("kitten_text_processing")
    folder = shutil.copytree(speech, tmp_path / "speech", ignore=shutil.ignore_patterns("textgrids"))
    config = config_of(tiny)
    config.corpus.directory, config.corpus.cache_directory = str(folder), str(tmp_path / "cache")
    config.alignment.rounds = 2
    learned = prepare_corpus(config)
    (first,) = (tmp_path / "cache").rglob("alignments-*")
    written = {path.name: path.stat().st_mtime_ns for path in first.iterdir()}
    again = prepare_corpus(config)
    for before, after in zip(learned.training.items, again.training.items, strict=True):
        assert torch.equal(before["durations"], after["durations"])
    assert {path.name: path.stat().st_mtime_ns for path in first.iterdir()} == written
    assert {path.name for path in folder.iterdir()} == {"corpus.json", "metadata.csv", "wavs"}
    config.alignment.textgrids = str(speech / "textgrids")
    exact = prepare_corpus(config).training.corpus.alignments
    assert exact == prepare_corpus(config_of(tiny)).training.corpus.alignments
    assert exact != learned.training.corpus.alignments
    config.alignment.source, config.alignment.textgrids = "textgrids", None
    with pytest.raises(FileNotFoundError, match="no folder of TextGrids"):
        prepare_corpus(config)


def test_a_window_is_what_the_whole_has_there_and_ends_with_the_item(tiny: list[str]) -> None:
    config = config_of(tiny)
    task = AcousticTask(config, prepare_corpus(config))
    batch = collate_utterances([task.dataset[Draw(index, 0, 0)] for index in (0, 1)])
    encoder = task.model.encoder.eval()
    encoded = encoder(batch["symbols"], batch["speaker"], durations=batch["durations"])
    lengths = encoded.mask.sum(dim=1)
    window = cut(encoded, lengths - 5, frames=8)
    assert window.mask.tolist() == [[True] * 5 + [False] * 3] * 2
    for index, length in enumerate(lengths.tolist()):
        expected = encoded.condition[index, :, length - 5 : length]
        assert torch.equal(window.condition[index, :, :5], expected)
        assert torch.equal(window.symbols[index, :5], encoded.symbols[index, length - 5 : length])
    assert not window.condition[..., 5:].any()


@pytest.mark.parametrize(
    ("names", "speakers"),
    [
        (["wav48/p225/a", "wav48/p226/a", "wav48/p226/b"], ["p225", "p226", "p226"]),
        (["84/121123/a", "84/121550/b", "174/50561/a"], ["84", "84", "174"]),
        (["wavs/a", "wavs/b"], ["", ""]),
        (["a", "b"], ["", ""]),
    ],
)
def test_speakers_have_a_folder_each(names: list[str], speakers: list[str]) -> None:
    assert [*_speakers_by_folder(names).values()] == speakers


def test_held_out_pitch_and_energy_have_the_units_of_the_training(tiny: list[str]) -> None:
    corpus = prepare_corpus(config_of(tiny))
    assert corpus.validation.prosody == corpus.training.prosody


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--kind", "tacotron"], ["'tacotron'", "prior, learned, isotropic"]),
        (["compare=[x]"], ["compare", "prior, learned, isotropic"]),
        (["alignment.source=mfa"], ["'mfa'", "auto, textgrids, learned"]),
        (["evaluation.solver=rk4"], ["'rk4'", "ddpm"]),
        (["--config", "large"], ["large", "demo, long, paper"]),
        (["--data", "nowhere"], ["nowhere"]),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str], named: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "--output", str(tmp_path / "runs")]) == 2
    (line,) = (line for line in capfd.readouterr().err.splitlines() if line.startswith("error: "))
    for name in named:
        assert name in line
