from __future__ import annotations

import pytest

from priordiff.commands import main
from tests.refusals import Refuse, refusal_of


@pytest.fixture
def refuse(capfd: pytest.CaptureFixture[str]) -> Refuse:
    """Runs `priordiff` and returns the one line with which it must refuse."""
    return refusal_of(main, capfd)


@pytest.fixture(autouse=True)
def _no_progress_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TQDM_DISABLE", "1")
