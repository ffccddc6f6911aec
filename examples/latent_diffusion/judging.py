"""Judges what models sample by held-out images."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from torch import Tensor

from latent_diffusion.autoencoding import in_8_bits
from latent_diffusion.configuration import LatentDiffusionConfig
from latent_diffusion.encoding import Encodings
from latent_diffusion.prior_task import held_out_nll
from latent_diffusion.references import References, feature_network
from latent_diffusion.tasks import TASKS
from priordiff import DiagonalPrior, ImagePipeline
from priordiff.experiments import EVALUATION, write_scores
from priordiff.files import atomic_path
from priordiff.images.metrics import (
    distribution_scores,
    nearest_neighbours,
    restoration_scores,
    share_near_training,
)
from priordiff.training import Evaluation

__all__ = ["CEILING_SCORES", "NOISE_SCORES", "Judge", "report_pictures", "scores_at"]

# What `priordiff.experiments.read_scores` finds them under.
NOISE_SCORES = "noise"
CEILING_SCORES = "ceiling"
_BATCH = 64


def scores_at(num_inference_steps: int) -> str:
    """The name of the scores of so many evaluations."""
    return f"scores-{num_inference_steps}"


@dataclass(frozen=True)
class Sampled:
    """What a model has sampled: images in [−1, 1], and the seconds that one took."""

    images: Tensor
    seconds: float


class Judge:
    """Of the samples of one task.

    Args:
        config: of the run.
        references: of the task.
        encodings: of the images.
    """

    def __init__(self, config: LatentDiffusionConfig, references: References, encodings: Encodings) -> None:
        self.config, self.references, self.encodings = config, references, encodings
        self.task, self.held_out = TASKS[config.task], encodings.held_out(config.task)

    def curve(self, pipeline: ImagePipeline) -> Evaluation:
        """The first measures, on as many samples as the configuration says."""
        scores = self._scores(self.sample(pipeline, self.config.evaluation.curve_images).images)
        return Evaluation({name: scores[name] for name in self.task.measures})

    def sample(self, pipeline: ImagePipeline, count: int, steps: int | None = None) -> Sampled:
        """Samples for the conditioning of the held-out images in turns, each with the seed of its number."""
        rows, batches = torch.arange(count) % len(self.held_out), []
        started = time.perf_counter()
        for seeds in torch.arange(count).split(self.config.evaluation.batch_size):
            given = self.held_out.select(rows[seeds]).conditioning
            generators = [torch.Generator().manual_seed(seed) for seed in seeds.tolist()]
            output: Any = pipeline(
                given.labels,
                given.image,
                given.text,
                num_images=len(seeds),
                num_inference_steps=steps,
                generator=generators,
                output_type="pt",
            )
            batches.append(output.images.cpu() * 2 - 1)
        return Sampled(torch.cat(batches), (time.perf_counter() - started) / count)

    def judge(self, directory: Path) -> dict[str, float]:
        """Scores of a run's exported model, stored in its folder `evaluation/` with what the report shows.

        For each number of evaluations the measures of the task, `seconds` for each image, and `parameters`;
        the measures of a sample of the prior alone, and `nll`, the negative log-likelihood that the prior
        gives to an element of a held-out sample; and what a perfect model of the samples' space would reach.

        Args:
            directory: of the run.

        Returns:
            The scores in as many evaluations as the configuration says.
        """
        evaluation, main = self.config.evaluation, self.config.evaluation.num_inference_steps
        pipeline = ImagePipeline.from_pretrained(directory / "model", low_cpu_mem_usage=False)
        pipeline = pipeline.to(PartialState().device)
        pipeline.set_progress_bar_config(disable=True)
        parameters = float(sum(parameter.numel() for parameter in pipeline.unet.parameters()))
        pictures: dict[str, Tensor] = {}
        for steps in evaluation.all_inference_steps:
            sampled = self.sample(pipeline, evaluation.final_images, steps)
            scores = {**self._scores(sampled.images), "seconds": sampled.seconds, "parameters": parameters}
            write_scores(directory, scores_at(steps), scores)
            pictures[str(steps)] = sampled.images[: evaluation.report_images]
            if steps == main:
                result = scores
        alone = self._alone(pipeline)
        write_scores(
            directory,
            NOISE_SCORES,
            {**self._scores(alone["noise"]), "nll": held_out_nll(_estimator_of(pipeline), self.held_out)},
        )
        write_scores(directory, CEILING_SCORES, self._scores(self._ceiling()))
        pictures |= {name: images[: evaluation.report_images] for name, images in alone.items()}
        with atomic_path(directory / EVALUATION / "pictures.pt") as file:
            torch.save({name: in_8_bits(each) for name, each in pictures.items()}, file)
        return result

    @torch.no_grad()
    def _alone(self, pipeline: ImagePipeline) -> dict[str, Tensor]:
        """Mean, standard deviation and samples of the prior for held-out conditioning, as images."""
        count = self.config.evaluation.final_images
        held_out = self.held_out.select(torch.arange(count) % len(self.held_out))
        space, estimator, device = self.encodings.space, _estimator_of(pipeline), PartialState().device
        images: dict[str, list[Tensor]] = {"noise": [], "mean": []}
        for rows in torch.arange(count).split(_BATCH):
            prior = estimator(*held_out.select(rows).conditioning.to(device).arguments)
            shape = (len(rows), *held_out.sample_shape)
            noise = prior.sample(shape, torch.Generator().manual_seed(int(rows[0])))
            images["noise"].append(space.decode(noise).cpu())
            images["mean"].append(space.decode(prior.mean.expand(shape).contiguous()).cpu())
        return {name: torch.cat(batches) for name, batches in images.items()}

    def _ceiling(self) -> Tensor:
        """Images as good as the space of the diffusion lets them be.

        Restored ones cannot be better than what the autoencoder makes of the true ones; new ones, than what
        it makes of as many training images.
        """
        count = self.config.evaluation.final_images
        if self.task.has_image:
            samples = self.held_out.samples[torch.arange(count) % len(self.held_out)]
        else:
            training = self.encodings.training(self.config.task)[0]
            chosen = torch.randperm(len(training), generator=torch.Generator().manual_seed(0))[:count]
            samples = training.samples[chosen]
        space, device = self.encodings.space, PartialState().device
        return torch.cat([space.decode(batch.to(device)).cpu() for batch in samples.split(_BATCH)])

    def _scores(self, images: Tensor) -> dict[str, float]:
        """All measures of the task, of samples for the held-out conditioning in turns."""
        references, rows = self.references, torch.arange(len(images)) % len(self.held_out)
        features = references.features(images)
        scores = distribution_scores(features, references.of_validation)
        if self.task.has_image:
            return {**restoration_scores(images, references.targets[rows], feature_network()), **scores}
        if self.task.has_labels or self.task.has_text:
            labels = references.validation.images.labels[rows]
            scores["class_accuracy"] = references.probe.accuracy(features.values, labels)
        distances = nearest_neighbours(features.values, references.of_training.values).distances
        return {**scores, "near_training": share_near_training(distances, references.nearness)}


def _estimator_of(pipeline: ImagePipeline) -> Any:
    """That of a pipeline, or one that says N(0, I) to everything."""
    if pipeline.estimator is not None:
        return pipeline.estimator
    return lambda *conditioning: DiagonalPrior(torch.zeros((), device=PartialState().device), 1.0)


def report_pictures(directory: Path) -> dict[str, Tensor]:
    """The images that `Judge.judge` has stored for the report: uint8 (N, 3, height, width).

    By the number of evaluations; `mean` and `noise` of the prior.
    """
    return torch.load(directory / EVALUATION / "pictures.pt", weights_only=True)
