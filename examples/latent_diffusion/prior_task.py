"""A prior that is learned by its likelihood, as the training loop sees it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from torch import Tensor, nn
from torch.utils.data import default_collate

from latent_diffusion.configuration import LatentDiffusionConfig
from latent_diffusion.dataset import EncodedDataset, EncodedItem
from latent_diffusion.encoding import EncodedImages
from latent_diffusion.estimation import make_estimator
from priordiff.estimators import prior_nll
from priordiff.pipelines import Conditioning
from priordiff.training import Evaluation

__all__ = ["PriorTask", "held_out_nll"]

_BATCH = 64


class PriorTask:
    """The estimator of a run's prior, on the training images.

    Its dropout, weight decay and averaged weights keep it from learning them by heart; the likelihood of the
    held-out ones, which the evaluations follow, says for how many steps. It is not chosen by that: the models
    under it are judged on the same images.

    Args:
        config: of the run.
        variants: the training images, encoded in one or several ways.
        held_out: images to be judged on.
        num_classes: of the corpus.
    """

    def __init__(
        self,
        config: LatentDiffusionConfig,
        variants: list[EncodedImages],
        held_out: EncodedImages,
        num_classes: int,
    ) -> None:
        self.dataset, self.held_out = EncodedDataset(variants), held_out
        torch.manual_seed(config.estimator.training.seed)
        self.model: Any = make_estimator(config, variants[0], num_classes)

    def collate(self, items: list[EncodedItem]) -> dict[str, Tensor]:
        return default_collate(items)

    def loss_counts(self, batch: dict[str, Tensor]) -> dict[str, int]:
        return {"nll": batch["sample"].numel()}

    def loss_sums(
        self, model: nn.Module, batch: dict[str, Tensor], generators: Sequence[torch.Generator]
    ) -> dict[str, Tensor]:
        conditioning = Conditioning.of(batch)
        sample = batch["sample"]
        return {"nll": prior_nll(model(*conditioning.arguments), sample) * sample.numel()}

    def evaluate(self, step: int) -> Evaluation:
        return Evaluation({"nll": held_out_nll(self.model, self.held_out)})

    def names(self, batch: dict[str, Tensor]) -> list[str]:
        return self.dataset.names(batch["index"])

    def save(self, directory: Path) -> None:
        self.model.save_pretrained(directory)


@torch.no_grad()
def held_out_nll(estimator: Any, held_out: EncodedImages) -> float:
    """How badly an estimator's priors describe images, in nats an element.

    Args:
        estimator: conditioning to prior.
        held_out: the images.
    """
    device, nats = PartialState().device, 0.0
    for rows in torch.arange(len(held_out)).split(_BATCH):
        batch = held_out.select(rows)
        prior = estimator(*batch.conditioning.to(device).arguments)
        nats += float(prior_nll(prior, batch.samples.to(device))) * len(rows)
    return nats / len(held_out)
