"""Training that goes on from a saved model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

pytest.importorskip("praatio")

from acoustic.__main__ import main
from acoustic.configuration import AcousticConfig
from acoustic.model import AcousticModel
from acoustic.starting import start_from, symbols_of
from priordiff import PhonemeEstimator, TextToSpeechPipeline
from priordiff.commands.models import load_saved
from priordiff.training import load_config
from tests.examples.tiny import ACOUSTIC, as_overrides

SYMBOLS = ("a", "b", "c")


def model_of(num_symbols: int = len(SYMBOLS), num_speakers: int = 1, **overrides: object) -> AcousticModel:
    config = load_config(AcousticConfig, None, as_overrides({**ACOUSTIC, "network": "convnext", **overrides}))
    return AcousticModel(config, num_symbols, num_speakers)


def fitted(model: AcousticModel, offset: float = 0.0) -> AcousticModel:
    if isinstance(model.estimator, PhonemeEstimator):
        symbols = torch.arange(model.encoder.config.num_symbols + 1).repeat(20)[None]
        mel = offset + torch.randn(1, 80, symbols.shape[1], generator=torch.Generator().manual_seed(0))
        model.estimator.moments.fit([(symbols, mel)])
    return model


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[AcousticModel, Path]:
    model, folder = fitted(model_of()), tmp_path_factory.mktemp("saved")
    pipeline = TextToSpeechPipeline(
        model.encoder, model.decoder, model.scheduler, model.estimator, symbols=SYMBOLS
    )
    pipeline.save_pretrained(folder)
    return model, folder


def test_phonemes_are_found_by_their_names_and_new_ones_stay_as_they_were_drawn(
    saved: tuple[AcousticModel, Path],
) -> None:
    old, folder = saved
    new = fitted(model_of(4), offset=1.0)
    drawn = new.encoder.symbols.weight.detach().clone()
    start_from(new, folder, ["c", "new", "a", "b"], [""], present=[2, 3, 4])
    weights = new.encoder.symbols.weight
    torch.testing.assert_close(weights[[0, 1, 3, 4]], old.encoder.symbols.weight[[0, 3, 1, 2]])
    torch.testing.assert_close(weights[2], drawn[2])
    assert torch.equal(new.estimator.moments.mean[1], old.estimator.moments.mean[3])  # "c", which no one says
    assert not torch.equal(new.estimator.moments.mean[3], old.estimator.moments.mean[1])
    for own, other in zip(new.decoder.parameters(), old.decoder.parameters(), strict=True):
        torch.testing.assert_close(own, other)


def test_what_a_training_goes_on_from_is_loaded_once(
    saved: tuple[AcousticModel, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = []

    def counted(kind: type, folder: Path, called: str) -> TextToSpeechPipeline:
        folders.append(folder)
        return load_saved(kind, folder, called)

    monkeypatch.setattr("acoustic.starting.load_saved", counted)
    link = tmp_path / "link"  # of another name, so that no test before has loaded it
    link.symlink_to(saved[1])
    assert symbols_of(str(link)) == list(SYMBOLS)
    for _ in range(2):
        new = fitted(model_of())
        start_from(new, str(link), SYMBOLS, [""], range(4))
        torch.testing.assert_close(new.encoder.symbols.weight, saved[0].encoder.symbols.weight)
        torch.nn.init.zeros_(new.encoder.symbols.weight)
    assert folders == [link]


def test_a_voice_becomes_one_of_several(saved: tuple[AcousticModel, Path]) -> None:
    old, folder = saved
    new = model_of(num_speakers=2)
    start_from(new, folder, SYMBOLS, ["anna", "ben"], range(4))
    torch.testing.assert_close(new.encoder.symbols.weight, old.encoder.symbols.weight)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"encoder.channels": 24}, "has other sizes: TextEncoder's"),
        ({"convnext.channels": 24}, "has other sizes: MelConvNeXt's"),
        ({"network": "diffwave"}, "has a MelConvNeXt where this configuration has a MelDiffWave"),
        ({"kind": "learned"}, "has a PhonemeEstimator where this configuration has a EncodedTextEstimator"),
    ],
)
def test_what_does_not_fit_is_named(
    saved: tuple[AcousticModel, Path], overrides: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        start_from(model_of(**overrides), saved[1], SYMBOLS, [""], range(4))


def test_a_folder_without_a_pipeline_is_one_line(
    speech: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    overrides = {**ACOUSTIC, "corpus.cache_directory": tmp_path / "cache", "initial": tmp_path / "none"}
    arguments = ["--data", str(speech), *as_overrides(overrides), "--output", str(tmp_path / "run")]
    assert main(arguments) == 2
    assert "no trained acoustic model in" in capsys.readouterr().err


def test_only_the_main_model_goes_on_from_another() -> None:
    config = replace(AcousticConfig(), initial="voice")
    assert (config.of_kind("prior").initial, config.of_kind("isotropic").initial) == ("voice", None)
