"""What a run of the example is made of; `configs/` holds the settings that ship with it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from latent_diffusion.priors import PRIORS, priors_of
from latent_diffusion.sections import (
    AutoencoderConfig,
    DiTConfig,
    EstimatorConfig,
    EvaluationConfig,
    InpaintingConfig,
    SchedulerConfig,
)
from latent_diffusion.tasks import TASKS
from latent_diffusion.unet import UNetConfig
from priordiff.experiments.pictures import ImagesConfig
from priordiff.training import ADJUSTABLE, TrainingConfig, expect

__all__ = ["CONFIGS", "LatentDiffusionConfig", "ModelName"]

CONFIGS = Path(__file__).parent / "configs"


@dataclass(frozen=True)
class ModelName:
    """A model that is compared: a task, and the prior from which it starts."""

    task: str
    prior: str

    @classmethod
    def of(cls, name: str, task: str) -> ModelName:
        """Reads "prior" or "task/prior".

        Args:
            name: the text.
            task: where it names none.
        """
        parts = name.split("/")
        return cls(task, name) if len(parts) == 1 else cls(parts[0], "/".join(parts[1:]))

    @property
    def is_known(self) -> bool:
        """Whether there is such a task, and such a prior for it."""
        return self.task in TASKS and self.prior in priors_of(TASKS[self.task])

    def __str__(self) -> str:
        return f"{self.task}/{self.prior}"


@dataclass
class LatentDiffusionConfig:
    """The configuration of one run.

    Args:
        task: a key of `TASKS`.
        prior: a key of `PRIORS`.
        compare: the models that are trained beside it, with the same network, data, seeds, batches and steps:
            priors for the same task, or "task/prior".
        space: "latent", or "pixel" for a diffusion without an autoencoder.
        network: "unet", "dit", or "unet-condition", which alone takes texts.
        factor: by which super-resolution enlarges.
        drop_labels: share of the steps in which class or text is left out, for guidance.
        flip: whether images are mirrored at random.
    """

    task: str = "class"
    prior: str = "diagonal"
    compare: list[str] = field(default_factory=list, metadata=ADJUSTABLE)
    space: str = "latent"
    network: str = "unet"
    factor: int = 4
    drop_labels: float = 0.1
    flip: bool = False
    corpus: ImagesConfig = field(default_factory=ImagesConfig)
    inpainting: InpaintingConfig = field(default_factory=InpaintingConfig)
    autoencoder: AutoencoderConfig = field(default_factory=AutoencoderConfig)
    unet: UNetConfig = field(default_factory=UNetConfig)
    dit: DiTConfig = field(default_factory=DiTConfig)
    estimator: EstimatorConfig = field(default_factory=EstimatorConfig)
    scheduler: SchedulerConfig = field(default_factory=SchedulerConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)

    def __post_init__(self) -> None:
        expect(self, "task", self.task in TASKS, f"one of {', '.join(TASKS)}")
        priors = priors_of(TASKS[self.task])
        expect(self, "prior", self.prior in priors, f"one of {', '.join(priors)} for the task {self.task}")
        known = all(ModelName.of(name, self.task).is_known for name in self.compare)
        expected = (
            f"a list of {', '.join(PRIORS)}, or of TASK/PRIOR with {', '.join(TASKS)}, that fit together"
        )
        expect(self, "compare", known, expected)
        expect(self, "space", self.space in ("latent", "pixel"), "latent or pixel")
        networks = ("unet", "unet-condition", "dit")
        expect(self, "network", self.network in networks, f"one of {', '.join(networks)}")
        has_text = any(TASKS[name.task].has_text for name in self.names)
        expected = "unet-condition, which alone takes texts"
        expect(self, "network", self.network == "unet-condition" or not has_text, expected)
        expect(self, "factor", self.factor >= 2, "an integer of at least 2")
        if any(name.task == "super-resolution" for name in self.names):
            size = self.corpus.size
            expected = f"a divisor of corpus.size, which is {size}"
            expect(self, "factor", size % self.factor == 0, expected)
        expect(self, "drop_labels", 0 <= self.drop_labels < 1, "a number in [0, 1)")

    @property
    def names(self) -> list[ModelName]:
        """The main model, and those that are compared with it."""
        others = [ModelName.of(name, self.task) for name in self.compare]
        return list(dict.fromkeys([ModelName(self.task, self.prior), *others]))

    def of(self, name: ModelName) -> LatentDiffusionConfig:
        """The configuration of a model that is compared."""
        # Names in `compare` may mean this task's: of another task they would be other models.
        return replace(self, task=name.task, prior=name.prior, compare=[])
