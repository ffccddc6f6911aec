"""Judges what models sample by held-out images."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import torch
from accelerate import PartialState
from torch import Tensor

from latent_diffusion.autoencoding import in_8_bits
from latent_diffusion.configuration import LatentDiffusionConfig
from latent_diffusion.denoising import Denoising
from latent_diffusion.encoding import Encodings
from latent_diffusion.order import one_of_each
from latent_diffusion.prior_task import held_out_nll
from latent_diffusion.references import References, feature_network
from latent_diffusion.sampling import Sampled, estimator_of, first_states, in_turns, prior_of, sample
from latent_diffusion.shown import Shown
from latent_diffusion.tasks import TASKS
from priordiff import ImagePipeline
from priordiff.experiments import write_scores
from priordiff.images.metrics import (
    ImageFeatures,
    distribution_scores,
    nearest_neighbours,
    restoration_scores,
    share_near_training,
)
from priordiff.training import Evaluation

__all__ = ["CEILING_SCORES", "NOISE_SCORES", "Judge", "scores_at"]

# What `priordiff.experiments.read_scores` finds them under.
NOISE_SCORES = "noise"
CEILING_SCORES = "ceiling"
_BATCH = 64

# Held-out images whose samples the report follows from the prior's noise on.
_DENOISED = 3
# Training images beside each sample.
_NEIGHBOURS = 3


def scores_at(num_inference_steps: int, solver: str | None = None) -> str:
    """The name of the scores of so many evaluations, by a solver of `more_solvers` or by the main one."""
    return "-".join(["scores", *([solver] if solver else []), str(num_inference_steps)])


class _Judged(NamedTuple):
    """Scores of samples; images and features of those that the report shows."""

    scores: dict[str, float]
    images: Tensor
    features: Tensor


class Judge:
    """Of the samples of one task, whatever model they are of.

    Args:
        config: of a run of the task.
        references: of the task.
        encodings: of the images.

    Attributes:
        rows: the held-out images whose samples the report shows, of as many classes as there can be.
    """

    def __init__(self, config: LatentDiffusionConfig, references: References, encodings: Encodings) -> None:
        self.config, self.references, self.encodings = config, references, encodings
        self.task, self.held_out = TASKS[config.task], encodings.held_out(config.task)
        evaluation = config.evaluation
        labels = references.validation.images.labels.tolist()
        # Of those that have a sample of their own.
        drawn = labels[: evaluation.final_images]
        self.rows = torch.tensor(one_of_each(drawn, evaluation.report_images))

    def curve(self, pipeline: ImagePipeline) -> Evaluation:
        """The first measures, on as many samples as the configuration says."""
        images = self._sample(pipeline, self.config.evaluation.curve_images).images
        if self.task.has_image:
            scores = self._restored(images)
            return Evaluation({name: scores[name] for name in self.task.measures})
        features, real = self.references.features(images), self.references.of_validation
        return Evaluation(distribution_scores(features, real, self.task.measures))

    def judge(self, directory: Path) -> dict[str, float]:
        """Scores of a run's exported model, stored in its folder `evaluation/` with what the report shows.

        For each number of evaluations, and for each solver that the configuration names besides, the measures
        of the task, `seconds` for each image, and `parameters`; the measures of a sample of the prior alone,
        and `nll`, the negative log-likelihood that the prior gives to an element of a held-out sample; and
        what a perfect model of the samples' space would reach.

        Args:
            directory: of the run.

        Returns:
            The scores in as many evaluations as the configuration says.
        """
        evaluation = self.config.evaluation
        pipeline = ImagePipeline.from_pretrained(directory / "model", low_cpu_mem_usage=False)
        pipeline = pipeline.to(PartialState().device)
        pipeline.set_progress_bar_config(disable=True)
        judged = {}
        for steps in evaluation.all_inference_steps:
            judged[steps] = self._judged(pipeline, steps)
            write_scores(directory, scores_at(steps), judged[steps].scores)
            for solver in evaluation.other_solvers:
                scores = self._judged(pipeline, steps, solver).scores
                write_scores(directory, scores_at(steps, solver), scores)
        prior_alone = self._scores(self._noise(pipeline, torch.arange(evaluation.final_images)))
        nll = held_out_nll(estimator_of(pipeline), self.held_out)
        write_scores(directory, NOISE_SCORES, {**prior_alone, "nll": nll})
        write_scores(directory, CEILING_SCORES, self.ceiling)
        self._shown(pipeline, judged).write(directory)
        return judged[evaluation.num_inference_steps].scores

    @cached_property
    def ceiling(self) -> dict[str, float]:
        """The measures of images as good as the space of the diffusion lets them be, once for all models.

        Restored ones cannot be better than what the autoencoder makes of the true ones. As a set, new ones
        cannot be better than what it makes of as many training images; one by one, than what it makes of the
        held-out ones.
        """
        numbers = torch.arange(self.config.evaluation.final_images)
        scores = self._scores(self._decoded(in_turns(self.held_out, numbers).samples))
        if self.task.has_image:
            return scores
        training = self.encodings.training(self.config.task)[0]
        chosen = torch.randperm(len(training), generator=torch.Generator().manual_seed(0))
        features = self.references.features(self._decoded(training.samples[chosen[: len(numbers)]]))
        return {**scores, **distribution_scores(features, self.references.of_validation)}

    @cached_property
    def _hidden(self) -> Tensor | None:
        """Where nothing was given of the held-out images, bool (N, 1, height, width)."""
        if not self.task.has_holes or self.task.degrade is None:
            return None
        validation = self.references.validation
        return self.task.degrade(validation.originals(range(len(validation))), self.config, 0).hidden

    def _sample(
        self, pipeline: ImagePipeline, count: int, steps: int | None = None, solver: str | None = None
    ) -> Sampled:
        size = self.config.evaluation.batch_size
        return sample(
            pipeline, self.held_out, torch.arange(count), size, num_inference_steps=steps, solver=solver
        )

    def _judged(self, pipeline: ImagePipeline, steps: int, solver: str | None = None) -> _Judged:
        sampled = self._sample(pipeline, self.config.evaluation.final_images, steps, solver)
        features = self.references.features(sampled.images)
        scores = {
            **self._scores(sampled.images, features),
            "seconds": sampled.seconds,
            "parameters": float(sum(parameter.numel() for parameter in pipeline.unet.parameters())),
        }
        return _Judged(scores, sampled.images[self.rows], features.values[self.rows])

    def _noise(self, pipeline: ImagePipeline, numbers: Tensor) -> Tensor:
        """Samples of the prior alone, as images."""
        states = [
            first_states(prior_of(pipeline, self.held_out, some), self.held_out, some)
            for some in numbers.split(_BATCH)
        ]
        return self._decoded(torch.cat(states))

    def _decoded(self, samples: Tensor) -> Tensor:
        space, device = self.encodings.space, PartialState().device
        return torch.cat([space.decode(batch.to(device)).cpu() for batch in samples.split(_BATCH)])

    def _scores(self, images: Tensor, features: ImageFeatures | None = None) -> dict[str, float]:
        """All measures of the task, of samples for the held-out conditioning in turns."""
        references = self.references
        features = references.features(images) if features is None else features
        scores = distribution_scores(features, references.of_validation)
        if self.task.has_image:
            return {**self._restored(images), **scores}
        if self.task.has_labels or self.task.has_text:
            scores |= references.class_accuracy(features.values, self._rows(images))
        distances = nearest_neighbours(features.values, references.of_training.values).distances
        return {**scores, "near_training": share_near_training(distances, references.nearness)}

    def _restored(self, images: Tensor) -> dict[str, float]:
        """The measures of restored images, one by one."""
        rows = self._rows(images)
        hidden = None if self._hidden is None else self._hidden[rows]
        return restoration_scores(images, self.references.targets[rows], feature_network(), hidden=hidden)

    def _rows(self, images: Tensor) -> Tensor:
        """The held-out images that samples are for."""
        return torch.arange(len(images)) % len(self.held_out)

    @torch.no_grad()
    def _shown(self, pipeline: ImagePipeline, judged: dict[int, _Judged]) -> Shown:
        rows, shape = self.rows, self.held_out.sample_shape
        prior = prior_of(pipeline, self.held_out, rows)
        variance = prior.variance(shape).expand(len(rows), *shape)
        denoising = Denoising.of(pipeline, self.held_out, rows[:_DENOISED])
        neighbours = distances = None
        if not self.task.has_image:
            training = self.references.of_training.values
            features = judged[self.config.evaluation.num_inference_steps].features
            neighbours, distances = nearest_neighbours(features, training, min(_NEIGHBOURS, len(training)))
            distances = distances / self.references.nearness.median()
        return Shown(
            rows=rows,
            samples={steps: in_8_bits(each.images) for steps, each in judged.items()},
            mean=in_8_bits(self._decoded(prior.mean.expand(len(rows), *shape))),
            noise=in_8_bits(self._noise(pipeline, rows)),
            std=variance.mean(1).sqrt().cpu(),
            states=denoising.states,
            predictions=denoising.predictions,
            neighbours=neighbours,
            distances=distances,
        )
