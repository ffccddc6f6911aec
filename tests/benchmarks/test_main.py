from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from benchmarks.__main__ import NAMES, main
from benchmarks.measuring import Times
from benchmarks.tables import Table
from benchmarks.training import layer_by_layer
from priordiff import DiffWave


@pytest.mark.parametrize("name", NAMES)
def test_every_benchmark_runs(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "new" / "benchmarks.json"
    main([name, "--quick", "--output", str(file)])
    content = json.loads(file.read_text())
    assert list(content["benchmarks"]) == [name]
    tables = content["benchmarks"][name]["tables"]
    assert tables
    printed = capsys.readouterr().out
    for table in tables:
        assert table["rows"]
        assert table["title"] in printed
    assert content["machine"]["seed"] == 0
    assert content["machine"]["torch"]


def test_tables_and_plots_are_written_where_they_are_asked_for(tmp_path: Path) -> None:
    folders = {name: tmp_path / name for name in ("tables", "plots")}
    given = [argument for name, folder in folders.items() for argument in (f"--{name}", str(folder))]
    main(["scaling", "--quick", "--output", str(tmp_path / "benchmarks.json"), *given])
    text = (folders["tables"] / "scaling.md").read_text()
    tables = json.loads((tmp_path / "benchmarks.json").read_text())["benchmarks"]["scaling"]["tables"]
    assert text.startswith("*processor ")
    assert all(f"\n\n{table['title']}\n\n| " in text for table in tables)
    assert len(list(folders["plots"].glob("scaling-*.svg"))) == len(tables)


def test_a_name_that_is_none_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["speed"])
    assert "no benchmark speed: expected some of inference, " in capsys.readouterr().err


def test_times_are_summed_up_by_their_middle() -> None:
    times = Times([5.0, 1.0, 2.0, 3.0, 4.0])
    assert times.median == 3
    assert times.spread == pytest.approx(1 / 3)


def test_a_table_is_written_in_markdown() -> None:
    table = Table(
        "Times", {"name": "{}", "s": "{:.1f}"}, [{"name": "a", "s": 1.25}, {"name": "b", "s": None}]
    )
    assert str(table) == "Times\n\n| name | s |\n| --- | --- |\n| a | 1.2 |\n| b | – |"


def test_a_layer_called_by_itself_predicts_what_the_stack_does() -> None:
    network, given = DiffWave(residual_channels=8, residual_layers=2), (torch.randn(1, 1, 512), 3.0)
    torch.nn.init.normal_(network.output_projection.weight)
    log_mel, calls = torch.randn(1, 80, 2), []
    forward = network.layers[1].output_projection.register_forward_hook
    stacked = network(*given, log_mel)
    with layer_by_layer(network.layers):
        handle = forward(lambda *_: calls.append(1))
        torch.testing.assert_close(network(*given, log_mel), stacked, rtol=1e-4, atol=1e-4)
    handle.remove()
    assert calls == [1]
    assert not any(layer._forward_hooks for layer in network.layers)
