r"""How good a model's drawings of classes are, by solver, guidance and evaluations, and how long they take.

    python benchmarks/drawings.py [--model MODEL] [--solver ddim dpm++ unipc] [--guidance 1 2 3] \
        [--steps 2 5 10 20] [--count 512]

compares samples for the classes of OpenMoji's held-out drawings with these: Fréchet and kernel distance,
precision and recall by the features of a small network, how often a classifier of the training drawings finds
the class that was asked for, and how many samples are nearer to a training drawing than 95 % of the held-out
ones are. In the last row training drawings and, for the classes, held-out ones stand for samples.
"""

from __future__ import annotations

import argparse
import itertools
import platform
import time
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from priordiff import ImagePipeline
from priordiff.commands.models import load_image_model
from priordiff.experiments.pictures import ImagesConfig, prepare_images
from priordiff.images import ImageCorpus, openmoji_images
from priordiff.images.metrics import (
    IMAGE_METRICS,
    EfficientNetLite,
    ImageFeatures,
    LinearProbe,
    distribution_scores,
    nearest_neighbours,
    share_near_training,
)

_BATCH = 64
_MEASURES = ("frechet", "kernel", "precision", "recall", "class_accuracy", "near_training")


class Drawings:
    """OpenMoji's drawings, what a network sees in them, and how samples compare with them.

    Args:
        class_names: of the model.
        size: height and width.

    Raises:
        ValueError: if the classes are neither its groups nor its subgroups.
    """

    def __init__(self, class_names: Sequence[str], size: int) -> None:
        kinds = {openmoji_images(classes=kind).class_names: kind for kind in ("group", "subgroup")}
        if tuple(class_names) not in kinds:
            raise ValueError(
                f"the model has {len(class_names)} classes that are not OpenMoji's: choose another"
            )
        config = ImagesConfig(size=size, classes=kinds[tuple(class_names)])
        self.training, self.held_out = prepare_images(config)

    @cached_property
    def network(self) -> EfficientNetLite:
        """That computes features."""
        return EfficientNetLite()

    @cached_property
    def of_training(self) -> Tensor:
        """Features of the training drawings."""
        return ImageFeatures.of(_pixels(self.training), self.network).values

    @cached_property
    def of_held_out(self) -> ImageFeatures:
        """Features of the held-out drawings."""
        return ImageFeatures.of(_pixels(self.held_out), self.network)

    @cached_property
    def probe(self) -> LinearProbe:
        """A classifier of the training drawings."""
        return LinearProbe.fit(self.of_training, self.training.labels)

    @cached_property
    def nearness(self) -> Tensor:
        """How far each held-out drawing is from the nearest training drawing."""
        return nearest_neighbours(self.of_held_out.values, self.of_training).distances

    def labels(self, count: int) -> Tensor:
        """Of held-out drawings in an order of chance, in turns."""
        order = torch.randperm(len(self.held_out), generator=torch.Generator().manual_seed(0))
        return self.held_out.labels[order[torch.arange(count) % len(order)]]

    def scores(self, samples: ImageFeatures, of_classes: Tensor, labels: Tensor) -> dict[str, float]:
        """All measures.

        Args:
            samples: that are judged as a set.
            of_classes: features of those that are judged by their class.
            labels: the classes.
        """
        nearest = nearest_neighbours(samples.values, self.of_training).distances
        return {
            **distribution_scores(samples, self.of_held_out),
            "class_accuracy": self.probe.accuracy(of_classes, labels),
            "near_training": share_near_training(nearest, self.nearness),
        }


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", type=Path, help="folder of a saved pipeline (default: the package's)")
    parser.add_argument("--solver", nargs="+", help="default: the model's")
    parser.add_argument("--guidance", nargs="+", type=float, help="scales (default: the model's)")
    parser.add_argument("--steps", nargs="+", type=int, help="evaluations (default: the model's)")
    parser.add_argument("--count", type=int, default=512, help="of samples")
    arguments = parser.parse_args()
    pipeline = load_image_model(arguments.model)
    config = pipeline.config
    size = pipeline.latent_space.downsampling * pipeline.unet.config.sample_size
    drawings = Drawings(config.classes or (), size)
    labels = drawings.labels(arguments.count)
    print(f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    print(f"{arguments.count} samples; features by {drawings.network.name}")
    names = [IMAGE_METRICS[name].label for name in _MEASURES]
    print(f"| solver | guidance | evaluations | {' | '.join(names)} | s an image |")
    print("|---" * (len(names) + 4) + "|")
    choices = itertools.product(
        arguments.solver or [config.solver],
        arguments.guidance or [config.guidance_scale],
        arguments.steps or [config.num_inference_steps],
    )
    for solver, guidance, steps in choices:
        started = time.perf_counter()
        images = torch.cat(list(sampled(pipeline, labels, solver, guidance, steps)))
        seconds = (time.perf_counter() - started) / len(images)
        samples = ImageFeatures.of(images, drawings.network)
        scores = drawings.scores(samples, samples.values, labels)
        print(f"| {solver} | {guidance:g} | {steps} | {_cells(scores)} | {seconds:.3f} |", flush=True)
    chosen = torch.randperm(len(drawings.training), generator=torch.Generator().manual_seed(0))[: len(labels)]
    real = ImageFeatures(drawings.of_training[chosen], drawings.network.name)
    scores = drawings.scores(real, drawings.of_held_out.values, drawings.held_out.labels)
    print(f"| true drawings | | | {_cells({**scores, 'near_training': float('nan')})} | |")


def sampled(
    pipeline: ImagePipeline, labels: Tensor, solver: str | None, guidance: float, steps: int
) -> Iterator[Tensor]:
    """Images (batch, 3, height, width) in [−1, 1], batch by batch, each from the noise of its number."""
    for seeds in torch.arange(len(labels)).split(_BATCH):
        output = pipeline(
            labels[seeds],
            num_inference_steps=steps,
            solver=solver,
            guidance_scale=guidance,
            generator=[torch.Generator().manual_seed(seed) for seed in seeds.tolist()],
            output_type="pt",
        )
        yield output.images.cpu() * 2 - 1


def _pixels(corpus: ImageCorpus) -> Tensor:
    return corpus.images().float() / 127.5 - 1


def _cells(scores: dict[str, float]) -> str:
    return " | ".join(f"{scores[name]:.3g}" if scores[name] == scores[name] else "" for name in _MEASURES)


if __name__ == "__main__":
    main()
