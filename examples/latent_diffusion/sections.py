"""The sections of a configuration, each of what a part of the example needs."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from latent_diffusion.unet import expect_groups, expect_levels
from priordiff.images.metrics import FEWEST_IMAGES
from priordiff.pipelines import FILLS, SOLVERS
from priordiff.training import ADJUSTABLE, TrainingConfig, expect

__all__ = [
    "PRETRAINED",
    "AutoencoderConfig",
    "DiTConfig",
    "EstimatorConfig",
    "EvaluationConfig",
    "InpaintingConfig",
    "SchedulerConfig",
]

# In place of the folder of an autoencoder.
PRETRAINED = "pretrained"


@dataclass
class AutoencoderConfig:
    """Stage 1: diffusers' `AutoencoderKL`, trained here or loaded.

    Args:
        folder: in which one was saved; "pretrained" for the one that comes with the package, which knows
            OpenMoji's coloured drawings alone; null to train one; "auto" for the former with these drawings,
            and the latter with other images.
        channels: of each level, of which each but the last halves height and width.
        layers: residual blocks of a level.
        latent_channels: of the latents.
        norm_groups: over which channels are normalised.
        kl_weight: of the divergence of the posterior from N(0, I), in nats an element of the image.
        perceptual_weight: of the perceptual distance, 0 to 4, of reconstructions, beside their mean absolute
            error; 0 for none, null for 0.1 where the extra `image-metrics` is installed, else none.
        training: its training.
    """

    folder: str | None = None
    channels: list[int] = field(default_factory=lambda: [32, 64, 128])
    layers: int = 1
    latent_channels: int = 4
    norm_groups: int = 8
    kl_weight: float = 1e-3
    perceptual_weight: float | None = None
    training: TrainingConfig = field(
        default_factory=lambda: TrainingConfig(num_steps=2000, learning_rate=1e-3, lr_scheduler="cosine")
    )

    def __post_init__(self) -> None:
        expect_levels(self, self.channels)
        for name in ("layers", "latent_channels"):
            expect(self, name, getattr(self, name) >= 1, "an integer of at least 1")
        expect_groups(self, self.norm_groups, self.channels)
        expect(self, "kl_weight", 0 <= self.kl_weight < math.inf, "a finite number of at least 0")
        expected = "a number of at least 0, or null"
        weight = self.perceptual_weight
        expect(self, "perceptual_weight", weight is None or 0 <= weight < math.inf, expected)


@dataclass
class DiTConfig:
    """Arguments of diffusers' `DiTTransformer2DModel`, beside those that the data fix."""

    layers: int = 12
    heads: int = 6
    head_channels: int = 64
    patch_size: int = 2
    dropout: float = 0.0

    def __post_init__(self) -> None:
        for name in ("layers", "heads", "head_channels", "patch_size"):
            expect(self, name, getattr(self, name) >= 1, "an integer of at least 1")
        # Of height and width, each has sines and cosines.
        embedded = self.heads * self.head_channels % 4 == 0
        expected = f"so many that all {self.heads} heads together have a multiple of 4"
        expect(self, "head_channels", embedded, expected)
        expect(self, "dropout", 0 <= self.dropout < 1, "a number in [0, 1)")


@dataclass
class EstimatorConfig:
    """The prior.

    Args:
        rank: of a low-rank covariance.
        floor: smallest standard deviation.
        shrinkage: of the moments of a class towards those of all data, `priordiff.ClassMomentsEstimator`.
        channels: width of the network of a learned prior, `priordiff.LearnedImageEstimator`.
        layers: number of its blocks.
        dropout: of its blocks.
        training: its training, before that of the denoiser.
    """

    rank: int = 16
    floor: float = 0.1
    shrinkage: float = 0.0
    channels: int = 48
    layers: int = 3
    dropout: float = 0.1
    training: TrainingConfig = field(
        default_factory=lambda: TrainingConfig(
            num_steps=500,
            batch_size=32,
            learning_rate=2e-3,
            lr_scheduler="cosine",
            weight_decay=0.1,
            ema_decay=0.99,
            evaluate_every=100,
        )
    )

    def __post_init__(self) -> None:
        for name in ("rank", "channels", "layers"):
            expect(self, name, getattr(self, name) >= 1, "an integer of at least 1")
        expect(self, "floor", 0 < self.floor < 1, "a number between 0 and 1")
        expect(self, "shrinkage", 0 <= self.shrinkage < math.inf, "a finite number of at least 0")
        expect(self, "dropout", 0 <= self.dropout < 1, "a number in [0, 1)")


@dataclass
class InpaintingConfig:
    """What is hidden of images.

    Args:
        holes: how many different ones each training image has; held-out images have one.
        fill: what stands in a hole: white, the background of drawings, or grey, the mean of photographs.
        margin: of latents around those of the hole, which count as hidden: the encoder saw the hole there.
            With white drawings and three levels, latents next to a hole err by half a standard deviation, and
            those after them by a seventh.
    """

    holes: int = 4
    fill: str = "white"
    margin: int = 1

    def __post_init__(self) -> None:
        expect(self, "holes", self.holes >= 1, "an integer of at least 1")
        expect(self, "fill", self.fill in FILLS, f"one of {', '.join(FILLS)}")
        expect(self, "margin", self.margin >= 0, "an integer of at least 0")


@dataclass
class SchedulerConfig:
    """The noise levels, and what the network predicts of them.

    Args:
        num_train_timesteps: how many levels.
        beta_schedule: of diffusers' `DDIMScheduler`.
        prediction_type: epsilon, sample or v_prediction; "flow" for the velocity of a straight path.
        model_space: what the network sees under a prior: "centered", "data" or "white".
    """

    num_train_timesteps: int = 1000
    beta_schedule: str = "squaredcos_cap_v2"
    prediction_type: str = "v_prediction"
    model_space: str = "white"

    def __post_init__(self) -> None:
        expect(self, "num_train_timesteps", self.num_train_timesteps >= 1, "an integer of at least 1")
        schedules = ("linear", "scaled_linear", "squaredcos_cap_v2")
        expect(self, "beta_schedule", self.beta_schedule in schedules, f"one of {', '.join(schedules)}")
        kinds = ("epsilon", "sample", "v_prediction", "flow")
        expect(self, "prediction_type", self.prediction_type in kinds, f"one of {', '.join(kinds)}")
        spaces = ("centered", "data", "white")
        expect(self, "model_space", self.model_space in spaces, f"one of {', '.join(spaces)}")


@dataclass
class EvaluationConfig:
    """How the models are judged on held-out images.

    Args:
        num_inference_steps: of the sampler.
        more_inference_steps: with which every finished model is judged besides.
        solver: one of `priordiff.pipelines.SOLVERS`; null for the scheduler of the training.
        more_solvers: of the same, with which every finished model is judged besides, in all these numbers of
            evaluations.
        curve_images: samples of the evaluations during training.
        final_images: samples of the evaluation at the end.
        training_images: training images among which the nearest to each sample are looked for, and from which
            the classifier learns that says whether samples are of their class: of a larger corpus so many are
            drawn.
        report_images: held-out images for whose conditioning the report shows samples of each model.
        batch_size: samples of a batch.
    """

    num_inference_steps: int = field(default=10, metadata=ADJUSTABLE)
    more_inference_steps: list[int] = field(default_factory=lambda: [2, 5, 20, 50], metadata=ADJUSTABLE)
    solver: str | None = field(default="ddim", metadata=ADJUSTABLE)
    more_solvers: list[str] = field(default_factory=list, metadata=ADJUSTABLE)
    curve_images: int = field(default=64, metadata=ADJUSTABLE)
    final_images: int = field(default=256, metadata=ADJUSTABLE)
    training_images: int = field(default=10_000, metadata=ADJUSTABLE)
    report_images: int = field(default=6, metadata=ADJUSTABLE)
    batch_size: int = field(default=64, metadata=ADJUSTABLE)

    @property
    def all_inference_steps(self) -> list[int]:
        """Numbers of evaluations with which a finished model is judged, in increasing order."""
        return sorted({*self.more_inference_steps, self.num_inference_steps})

    @property
    def other_solvers(self) -> list[str]:
        """Those of `more_solvers` that are not the main one, each once."""
        return [solver for solver in dict.fromkeys(self.more_solvers) if solver != self.solver]

    def __post_init__(self) -> None:
        for name in ("num_inference_steps", "training_images", "report_images", "batch_size"):
            expect(self, name, getattr(self, name) >= 1, "an integer of at least 1")
        for name in ("curve_images", "final_images"):
            fewest = f"an integer of at least {FEWEST_IMAGES}, for the measures of sets of images"
            expect(self, name, getattr(self, name) >= FEWEST_IMAGES, fewest)
        solvers = ", ".join(SOLVERS)
        expect(self, "more_solvers", {*self.more_solvers} <= SOLVERS.keys(), f"a list of {solvers}")
        expect(self, "solver", self.solver in (None, *SOLVERS), f"one of {solvers}, or null")
