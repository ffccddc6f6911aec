"""What the report shows of a model: kept in the folder of its run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from priordiff.experiments import EVALUATION
from priordiff.files import atomic_path

__all__ = ["Shown"]

_FILE = "pictures.pt"


@dataclass(frozen=True)
class Shown:
    """Pictures for the conditioning of N held-out images; images are uint8 (N, 3, height, width).

    Attributes:
        rows: which held-out images, (N,).
        samples: of the model, by the number of evaluations.
        mean: of the prior.
        noise: a sample of the prior.
        std: of the prior: standard deviation at each place of the space of the diffusion, root mean square
            over its channels, (N, height, width).
        states: of a few of the samples, see `Denoising`.
        predictions: likewise.
        neighbours: the training images nearest to each sample, the nearest first, (N, count); None for images
            that are restored.
        distances: to these, in multiples of the median distance of a held-out image to its nearest one.
    """

    rows: Tensor
    samples: dict[int, Tensor]
    mean: Tensor
    noise: Tensor
    std: Tensor
    states: Tensor
    predictions: Tensor
    neighbours: Tensor | None = None
    distances: Tensor | None = None

    def write(self, directory: Path) -> None:
        """Stores them in the folder of a run.

        Raises:
            OSError: if it can't be written.
        """
        with atomic_path(directory / EVALUATION / _FILE) as file:
            torch.save(vars(self), file)

    @classmethod
    def read(cls, directory: Path) -> Shown:
        """Those that `write` has stored.

        Raises:
            FileNotFoundError: if it has stored none.
        """
        return cls(**torch.load(directory / EVALUATION / _FILE, weights_only=True))
