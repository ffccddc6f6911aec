"""On accelerators, the steps of latent diffusion wait for nothing that is its own, and learn the same."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import Mock

import pytest
import torch

from latent_diffusion.configuration import LatentDiffusionConfig
from latent_diffusion.encoding import EncodedImages
from latent_diffusion.estimation import fit_estimator
from latent_diffusion.task import DiffusionTask
from priordiff.pipelines import Conditioning
from priordiff.training import load_config
from tests.examples.test_waiting import assert_nothing_waits
from tests.examples.tiny import LATENT_DIFFUSION, as_overrides


@pytest.mark.parametrize("prior", ["diagonal", "low-rank", "fourier"])
def test_latent_diffusion(prior: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    labels, random = torch.arange(12) % 3, torch.Generator().manual_seed(0)
    samples = torch.randn(12, 3, 8, 8, generator=random)
    data = EncodedImages(samples, Conditioning(labels=labels), tuple("abcdefghijkl"))
    overrides = as_overrides({**LATENT_DIFFUSION, "prior": prior, "drop_labels": 0.5})
    config = load_config(LatentDiffusionConfig, overrides=overrides)

    def task() -> DiffusionTask:
        return DiffusionTask(config, [data], fit_estimator(config, [data], 3), None, "abc", Mock())

    assert_nothing_waits(task, config.training, tmp_path, monkeypatch)
