"""A model under one prior, as the training loop sees it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn
from torch.utils.data import default_collate

from latent_diffusion.configuration import LatentDiffusionConfig
from latent_diffusion.dataset import EncodedDataset, EncodedItem
from latent_diffusion.encoding import EncodedImages
from latent_diffusion.fine_tuning import LORA, add_lora, merged
from latent_diffusion.judging import Judge
from latent_diffusion.network import Denoiser, make_network, make_scheduler
from latent_diffusion.starting import start_from
from latent_diffusion.tasks import TASKS
from priordiff import ImagePipeline, PriorEstimator, prior_loss
from priordiff.fine_tuning import PriorAdapterMixin
from priordiff.pipelines import Conditioning
from priordiff.training import Evaluation

__all__ = ["DiffusionTask"]


class DiffusionTask:
    """A denoiser under a prior that has been fitted to the training images, or learned from them.

    Args:
        config: of the run.
        variants: the training images, encoded in one or several ways.
        estimator: of the prior, not to be trained; None for N(0, I).
        vae: None in pixel space.
        class_names: of the corpus.
        judge: of what it samples.
        start: folder of the model that it goes on from; None for a network with weights that are drawn.
    """

    def __init__(
        self,
        config: LatentDiffusionConfig,
        variants: list[EncodedImages],
        estimator: PriorEstimator | None,
        vae: AutoencoderKL | None,
        class_names: Sequence[str],
        judge: Judge,
        start: Path | None = None,
    ) -> None:
        self.config, self.estimator, self.vae, self.judge = config, estimator, vae, judge
        self.class_names, task = list(class_names), TASKS[config.task]
        self.scheduler = make_scheduler(config, estimator is not None)
        self.timesteps = self.scheduler.timesteps.clone()
        dropped = config.drop_labels if task.has_labels or task.has_text else 0.0
        self.dataset = EncodedDataset(variants, config.scheduler.num_train_timesteps, dropped)
        torch.manual_seed(config.training.seed)
        network = make_network(config, variants[0], len(class_names))
        if start is not None:
            network = start_from(start, config, network, vae, class_names)
            if config.tuning == LORA:
                add_lora(network, config.fine_tuning.rank)
        self.model = Denoiser(network)

    def collate(self, items: list[EncodedItem]) -> dict[str, Tensor]:
        return default_collate(items)

    def loss_counts(self, batch: dict[str, Tensor]) -> dict[str, int]:
        return {"denoising": batch["sample"].numel()}

    def loss_sums(
        self, model: nn.Module, batch: dict[str, Tensor], generators: Sequence[torch.Generator]
    ) -> dict[str, Tensor]:
        sample, noise = batch["sample"], batch["noise"]
        conditioning = Conditioning.of(batch)
        scheduler, prior = self.scheduler, None
        if isinstance(self.model.network, PriorAdapterMixin):
            self.model.network.follow(scheduler)  # again: it samples with others
        if self.estimator is not None:
            with torch.no_grad():
                prior = self.estimator(*conditioning.arguments)
        scheduler.set_prior(prior)
        timesteps = self.timesteps.to(sample.device, non_blocking=True)[batch["level"]]
        noisy, target = scheduler.training_pair(sample, noise, timesteps)
        given = conditioning.without(batch["dropped"], null_label=len(self.class_names))
        prediction = model(noisy, timesteps, given).float()
        weighting = prior if scheduler.model_space != "white" else None
        loss = prior_loss(prediction, target, weighting, reduction="sum")
        scheduler.set_prior(None)
        return {"denoising": loss}

    def evaluate(self, step: int) -> Evaluation:
        return self.judge.curve(self.pipeline())

    def names(self, batch: dict[str, Tensor]) -> list[str]:
        return self.dataset.names(batch["index"])

    def save(self, directory: Path) -> None:
        self.pipeline().save_pretrained(directory)

    def pipeline(self) -> ImagePipeline:
        """The sampler with the weights of this moment."""
        task, evaluation = TASKS[self.config.task], self.config.evaluation
        pipeline = ImagePipeline(
            merged(self.model.network),
            # Another one: sampling must not move the training's levels.
            make_scheduler(self.config, self.estimator is not None),
            self.vae,
            self.estimator,
            classes=self.class_names if task.has_labels else None,
            num_inference_steps=evaluation.num_inference_steps,
            solver=evaluation.solver,
            task=self.config.task,
            factor=self.config.factor if self.config.task == "super-resolution" else None,
            fill=self.config.inpainting.fill if task.has_holes else None,
            margin=self.config.inpainting.margin if task.has_holes else None,
        )
        pipeline.set_progress_bar_config(disable=True)
        return pipeline
