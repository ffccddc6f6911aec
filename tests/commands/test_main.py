"""The command as a whole, and its help."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import priordiff
from priordiff.commands import main
from priordiff.commands.arguments import COMMANDS
from priordiff.pipelines import SOLVERS
from tests.refusals import Refuse
from tests.test_package import ROOT, run_python, without_extras


@pytest.mark.parametrize("arguments", [[], ["--help"]])
def test_alone_or_with_help_it_lists_the_commands(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    if arguments:
        with pytest.raises(SystemExit, match="0"):
            main(arguments)
    else:
        assert main(arguments) == 0
    lines = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines() if line]
    described = {line[0]: line[1] for line in lines if line[0] in COMMANDS}
    assert described == {
        name: (command.parser.description or "").splitlines()[0] for name, command in COMMANDS.items()
    }


def test_it_tells_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out == f"priordiff {priordiff.__version__}\n"


def test_a_command_that_does_not_exist_is_named(refuse: Refuse) -> None:
    line = refuse("sing", "--file", "song.txt")
    assert "'sing'" in line
    assert all(name in line for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_examples_that_can_be_parsed_and_names_every_solver(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="0"):
        main([name, "--help"])
    text = capsys.readouterr().out
    assert all(solver in text for solver in SOLVERS)
    examples = [line.partition(f"priordiff {name} ")[2] for line in text.split("examples:")[1].splitlines()]
    parser = COMMANDS[name].parser
    parsed = [parser.parse_intermixed_args(line.split("   ")[0].split()) for line in examples if line]
    assert len(parsed) >= 2


def test_help_needs_neither_an_extra_nor_the_time_that_torch_takes() -> None:
    program = without_extras("""
import runpy
helps = [[name, "--help"] for name in ("say", "synthesize", "sample")]
for arguments in ([], ["--help"], *helps, ["say", "--speed", "0"]):
    sys.argv = ["priordiff", *arguments]
    try:
        runpy.run_module("priordiff", run_name="__main__")
    except SystemExit as end:
        assert end.code == (2 if "--speed" in arguments else 0), end.code
assert not {"torch", "diffusers", "numpy"} & set(sys.modules)
""")
    finished = run_python(program)
    assert finished.returncode == 0, finished.stderr


def test_the_script_that_is_installed_is_this_command() -> None:
    assert 'priordiff = "priordiff.commands:main"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_the_package_can_be_run_as_the_script(tmp_path: Path) -> None:
    finished = subprocess.run(
        [sys.executable, "-m", "priordiff", "say", "--file", str(tmp_path / "nothing.txt")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 2
    assert finished.stderr == (
        f"error: {tmp_path}/nothing.txt: No such file or directory; check path, permissions and free space\n"
    )
