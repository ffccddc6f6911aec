from __future__ import annotations

import argparse
import logging
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from priordiff.command_line import (
    Command,
    CommandParser,
    experiment_parser,
    overview_parser,
    run_command_line,
)


def parser_of(folder: Path) -> argparse.ArgumentParser:
    (folder / "demo.yaml").write_text("")
    (folder / "large.yaml").write_text("")
    return experiment_parser(
        "examples/toy",
        "Trains toys.",
        "  one more",
        folder,
        "a box (default: a bag)",
        "colour",
        ["red", "blue"],
    )


def status_of(function: str, *arguments: str) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--value")
    commands = {
        "train": Command(parser, f"{__name__}:{function}"),
        "other": Command(parser, f"{__name__}:other"),
    }
    return run_command_line(commands, arguments, "pip install toys")


def echo(parsed: argparse.Namespace) -> int:
    print(f"train {parsed.value}")
    return 3


def other(parsed: argparse.Namespace) -> int:
    print(f"other {parsed.value}")
    return 0


def bad_value(parsed: argparse.Namespace) -> int:
    raise ValueError("the value is wrong:\nexpected another")


def closed_output(parsed: argparse.Namespace) -> int:
    raise BrokenPipeError(32, "Broken pipe")


def no_space(parsed: argparse.Namespace) -> int:
    raise OSError(28, "No space left on device", "model.bin")


def missing_package(parsed: argparse.Namespace) -> int:
    import a_package_that_is_not_there  # noqa: F401

    return 0


def missing_extra(parsed: argparse.Namespace) -> int:
    raise ImportError("not installed: toys; run pip install 'priordiff[toys]'")


def interrupted(parsed: argparse.Namespace) -> int:
    raise KeyboardInterrupt


def bug(parsed: argparse.Namespace) -> int:
    raise TypeError("a mistake of the program")


def test_a_command_is_chosen_by_name_and_the_first_without_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of("echo", "--value", "1") == 3
    assert status_of("echo", "train", "--value", "2") == 3
    assert status_of("echo", "other", "--value", "3") == 0
    assert capsys.readouterr().out == "train 1\ntrain 2\nother 3\n"


def test_with_an_overview_no_command_is_the_default(capsys: pytest.CaptureFixture[str]) -> None:
    parser = CommandParser(prog="toys make", description="Make toys.\n\nMany of them.")
    commands = {"make": Command(parser, f"{__name__}:other")}
    overview = overview_parser("toys", "All about toys.", "1.2", commands)
    assert run_command_line(commands, [], "pip install toys", overview) == 0
    help_text = capsys.readouterr().out
    assert "All about toys." in help_text
    assert "\n  make  Make toys.\n" in help_text
    with pytest.raises(SystemExit) as end:
        run_command_line(commands, ["--value"], "pip install toys", overview)
    assert end.value.code == 2
    assert capsys.readouterr().err == "error: unrecognized arguments: --value; see toys --help\n"


@pytest.mark.parametrize(
    ("function", "line"),
    [
        ("bad_value", "error: the value is wrong: expected another"),
        (
            "no_space",
            "error: model.bin: No space left on device; check path, permissions and free space",
        ),
        (
            "missing_package",
            "error: No module named 'a_package_that_is_not_there': run pip install toys",
        ),
        (
            "closed_output",
            "error: the reader of the standard output has gone: what was written until then is whole",
        ),
        ("missing_extra", "error: not installed: toys; run pip install 'priordiff[toys]'"),
    ],
)
def test_bad_input_is_one_line_and_status_2(
    function: str, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status_of(function) == 2
    assert capsys.readouterr().err == line + "\n"


def warned(parsed: argparse.Namespace) -> int:
    warnings.warn("this is odd:\nhave a look", stacklevel=1)
    return 0


def test_a_warning_is_one_line(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)  # restored at the end
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(False)
        assert status_of("warned") == 0
        logging.captureWarnings(False)
    assert caplog.messages == ["warning: this is odd: have a look"]


def test_an_interruption_is_status_130(capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of("interrupted") == 130
    assert "interrupted" in capsys.readouterr().err


def test_mistakes_of_the_program_are_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TypeError, match="a mistake"):
        status_of("bug")
    monkeypatch.setenv("PRIORDIFF_TRACEBACK", "1")
    with pytest.raises(ValueError, match="the value is wrong"):
        status_of("bad_value")


@pytest.mark.parametrize(
    "arguments",
    [
        ["a=1", "b=2", "--seeds", "3", "4"],
        ["a=1", "--seeds", "3", "4", "b=2"],
        ["--seeds", "3", "4", "--resume", "a=1", "b=2"],
        ["--seeds", "3", "4", "a=1", "b=2"],
    ],
)
def test_overrides_may_stand_anywhere(arguments: list[str], tmp_path: Path) -> None:
    parsed = parser_of(tmp_path).parse_intermixed_args(arguments)
    assert parsed.seeds == [3, 4]
    assert parsed.overrides == ["a=1", "b=2"], "in their order, of which the last counts"


def test_without_arguments_it_is_the_demo(tmp_path: Path) -> None:
    parsed = parser_of(tmp_path).parse_intermixed_args([])
    assert vars(parsed) == {
        "config": "demo",
        "output": Path("runs/toy"),
        "seeds": None,
        "data": None,
        "colour": None,
        "compare": None,
        "resume": False,
        "overrides": [],
    }


def test_seeds_that_are_no_integers_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser_of(tmp_path).parse_intermixed_args(["--seeds", "one"])
    assert "argument --seeds: invalid int value: 'one'" in capsys.readouterr().err


def test_help_names_the_configurations(tmp_path: Path) -> None:
    text = parser_of(tmp_path).format_help()
    assert "demo, large or a YAML file" in text
    assert "one more" in text
    assert "a box (default: a bag)" in text
    assert "red or blue (default: the configuration's)" in text


def test_functions_are_imported_when_they_run() -> None:
    command = Command(argparse.ArgumentParser(), "a_package_that_is_not_there:run")
    assert "a_package_that_is_not_there" not in sys.modules
    with pytest.raises(ModuleNotFoundError):
        command.run(argparse.Namespace())


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({}, "1000"),
        ({"GOMP_SPINCOUNT": "7"}, "7"),
        ({"OMP_WAIT_POLICY": "passive"}, "None"),
    ],
)
def test_threads_spin_briefly_while_they_wait_unless_the_user_chose(
    chosen: dict[str, str], expected: str
) -> None:
    program = """
import os, sys
from priordiff.commands import main
main([])
print(os.environ.get("GOMP_SPINCOUNT"), "torch" in sys.modules)
"""
    unset = {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"}
    finished = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parents[1],
        env={name: value for name, value in os.environ.items() if name not in unset} | chosen,
        capture_output=True,
        text=True,
        check=True,
    )
    assert finished.stdout.split()[-2:] == [expected, "False"], "it is read when torch is imported"
