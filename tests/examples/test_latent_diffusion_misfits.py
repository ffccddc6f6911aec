"""Which sizes of the latent diffusion example don't fit together, before anything is trained."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("efficientnet_lite_pytorch")

from latent_diffusion.__main__ import main
from latent_diffusion.configuration import CONFIGS, LatentDiffusionConfig
from latent_diffusion.experiment import LatentDiffusionExperiment
from priordiff.training import load_config
from tests.refusals import last_error


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ("corpus.size=15", "corpus.size is 15: expected a multiple of 2, as an autoencoder of 2 levels"),
        (
            "autoencoder.channels=[8,8,8,8,8,8]",
            "16: expected a multiple of 32, as an autoencoder of 6",
        ),
        (
            "corpus.size=50 autoencoder.folder=pretrained",
            "size is 50: expected a multiple of 4, as autoenc",
        ),
        (
            "unet.channels=[16,16,16,16,16]",
            "samples of 8 × 8 can't be halved 4 times: expected",
        ),
        (
            "autoencoder.folder=pretrained unet.channels=[16,16,16,16]",
            "4 × 4 can't be halved 3 times",
        ),
        (
            "network=dit dit.patch_size=3",
            "dit.patch_size is 3: expected a divisor of 8, the height",
        ),
        (
            "compare=[low-rank] estimator.rank=128",
            "rank is 128: expected less than the 128 elements of 2 ×",
        ),
        (
            "task=inpainting prior=low-rank inpainting.margin=8",
            "margin is 8: expected less than 8",
        ),
    ],
)
def test_sizes_that_do_not_fit_together_are_named_before_any_training(
    tiny_images: list[str],
    overrides: str,
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = [*tiny_images, "compare=[]", *overrides.split(), "--output", str(tmp_path / "run")]
    assert message in last_error(main, run, capsys)
    assert not list(tmp_path.glob("run/*"))


def test_the_sizes_of_every_configuration_fit_and_those_not_used_do_not_matter(
    tmp_path: Path,
) -> None:
    for path in CONFIGS.glob("*.yaml"):
        LatentDiffusionExperiment(load_config(LatentDiffusionConfig, path), [0], tmp_path)
    unused = ["autoencoder.folder=null", "estimator.rank=2000", "dit.patch_size=3", "inpainting.margin=90"]
    config = load_config(LatentDiffusionConfig, overrides=unused)
    LatentDiffusionExperiment(config, [0], tmp_path)
    odd = ["corpus.size=15", "space=pixel", "unet.channels=[16]", "task=inpainting", "inpainting.margin=90"]
    LatentDiffusionExperiment(load_config(LatentDiffusionConfig, overrides=odd), [0], tmp_path)
