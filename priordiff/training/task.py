"""What an example gives to the training loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from priordiff.training.data import TrainingDataset

__all__ = ["Evaluation", "TrainingTask"]


@dataclass
class Evaluation:
    """What an evaluation found.

    Args:
        metrics: Values by name.
        audio: Waveforms of shape (num_samples,) in [-1, 1] for the trackers, by name.
        sample_rate: Of the waveforms, in Hz.
        images: 8-bit images of shape (height, width, 3) for the trackers, by name.
    """

    metrics: Mapping[str, float]
    audio: Mapping[str, Tensor] = field(default_factory=dict)
    sample_rate: int = 22050
    images: Mapping[str, np.ndarray] = field(default_factory=dict)


class TrainingTask(Protocol):
    r"""What is trained, on what, and how it is judged; a class needs these members, not this base.

    The loop minimises

    $$\sum_k \frac{\sum_{\text{samples}} S_k}{\sum_{\text{samples}} N_k}$$

    with the sums $S_k$ of `loss_sums` and the counts $N_k$ of `loss_counts` taken over the whole batch of a
    step: a mean over unmasked elements is exact however the batch is split into processes and micro-batches.
    """

    @property
    def model(self) -> nn.Module:
        """Everything trainable, in one module."""

    @property
    def dataset(self) -> TrainingDataset:
        """The training set."""

    def collate(self, items: list[Any]) -> Any:
        """Batch made from items of the dataset: a tensor, or tensors and numbers in dicts, lists or tuples.

        Args:
            items: Items of one micro-batch.

        Returns:
            The batch, on the CPU.
        """

    def loss_counts(self, batch: Any) -> Mapping[str, int]:
        """Over how many elements each loss is averaged, by name.

        Args:
            batch: A micro-batch, still on the CPU.

        Returns:
            The number of unmasked elements of each loss.
        """

    def loss_sums(
        self, model: nn.Module, batch: Any, generators: Sequence[torch.Generator]
    ) -> Mapping[str, Tensor]:
        """Each loss summed over its elements, by the names of `loss_counts`.

        On an accelerator it is called `without_value_checks`, and is fastest if it looks at no values itself:
        for an `item()`, a mask as an index, or noise drawn on the CPU the host waits. What has to be known,
        such as a length, or is drawn, can come with the batch.

        Args:
            model: ``self.model``, wrapped for mixed precision and several processes: call this one.
            batch: A micro-batch on the device.
            generators: One per sample, on the CPU, for steps and noise, so that these don't depend on how the
                batch is split; ``diffusers.utils.torch_utils.randn_tensor`` takes the list.

        Returns:
            Scalars, with a graph.
        """

    def evaluate(self, step: int) -> Evaluation:
        """Judge ``self.model``, which holds the averaged weights, on the main process alone.

        Args:
            step: Steps taken.

        Returns:
            Metrics, and media for the trackers.
        """

    def names(self, batch: Any) -> list[str]:
        """Names of a batch's samples, such as file names, for error messages.

        Args:
            batch: A micro-batch.

        Returns:
            One name per sample.
        """

    def save(self, directory: Path) -> None:
        """Export ``self.model``, which holds the averaged weights, with all that is needed to use it.

        Args:
            directory: An empty folder.
        """
