"""What a run of the example is made of; `configs/` holds the settings that ship with it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from latent_diffusion.fine_tuning import TUNINGS, FineTuningConfig
from latent_diffusion.priors import BASELINE, PRIORS, priors_of
from latent_diffusion.sections import (
    PRETRAINED,
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
from priordiff.report import MOST_MODELS
from priordiff.training import ADJUSTABLE, AUTO, TrainingConfig, expect

__all__ = ["CONFIGS", "LatentDiffusionConfig", "ModelName"]

CONFIGS = Path(__file__).parent / "configs"


@dataclass(frozen=True)
class ModelName:
    """A model that is compared.

    Attributes:
        task: a key of `TASKS`.
        prior: from which it starts, a key of `PRIORS`.
        tuning: how it goes on from the model that was trained with N(0, I), a key of `TUNINGS`; None if it is
            trained from scratch.
    """

    task: str
    prior: str
    tuning: str | None = None

    @classmethod
    def of(cls, name: str, task: str) -> ModelName:
        """Reads "prior" or "task/prior", and what may follow either: "/tuning".

        Args:
            name: the text.
            task: where it names none.
        """
        first, *others = name.split("/")
        task, parts = (first, others) if first in TASKS else (task, [first, *others])
        return cls(task, "".join(parts[:1]), "/".join(parts[1:]) or None)

    @property
    def is_known(self) -> bool:
        """Whether there is such a task, such a prior for it, and such a tuning."""
        has_prior = self.task in TASKS and self.prior in priors_of(TASKS[self.task])
        return has_prior and self.tuning in (None, *TUNINGS)

    @property
    def start(self) -> ModelName:
        """The model that it goes on from, if it does."""
        return ModelName(self.task, BASELINE)

    def folder_name(self, seed: int) -> str:
        """Of its run, within that of the experiment."""
        return f"{str(self).replace('/', '-')}-seed{seed}"

    def __str__(self) -> str:
        return "/".join(part for part in (self.task, self.prior, self.tuning) if part)


@dataclass
class LatentDiffusionConfig:
    """The configuration of one run.

    Args:
        task: a key of `TASKS`.
        prior: a key of `PRIORS`.
        compare: the models that are trained beside it, with the same network, data, seeds, batches and steps:
            priors for the same task, or "task/prior"; either may be followed by a tuning, as in
            "diagonal/lora".
        tuning: how the main model goes on from the one that was trained with N(0, I), a key of `TUNINGS`;
            null to train it from scratch.
        initial: folder of an `ImagePipeline` that was trained with N(0, I), from which the models of this
            task that have a tuning go on; null for the experiment's own. With it the main model's tuning is
            "fine-tuned" if none is given, and without `autoencoder.folder` the autoencoder is its own.
        space: "latent", or "pixel" for a diffusion without an autoencoder.
        network: "unet", "dit", or "unet-condition", which alone takes texts.
        factor: by which super-resolution enlarges.
        drop_labels: share of the steps in which class or text is left out, for guidance.
        flip: whether images are mirrored at random.
    """

    task: str = "class"
    prior: str = "diagonal"
    compare: list[str] = field(default_factory=list, metadata=ADJUSTABLE)
    tuning: str | None = None
    initial: str | None = None
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
    fine_tuning: FineTuningConfig = field(default_factory=FineTuningConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)

    def __post_init__(self) -> None:
        expect(self, "task", self.task in TASKS, f"one of {', '.join(TASKS)}")
        priors = priors_of(TASKS[self.task])
        expect(self, "prior", self.prior in priors, f"one of {', '.join(priors)} for the task {self.task}")
        known = all(ModelName.of(name, self.task).is_known for name in self.compare)
        expected = (
            f"a list of {', '.join(PRIORS)}, or of TASK/PRIOR with {', '.join(TASKS)}, that fit together, "
            f"perhaps with /{' or /'.join(TUNINGS)}"
        )
        expect(self, "compare", known, expected)
        expect(self, "initial", self.initial != "", "the folder of an ImagePipeline, or null")
        if self.initial is not None and self.tuning is None:
            self.tuning = next(iter(TUNINGS))
        tunings = f"one of {', '.join(TUNINGS)}, or null"
        expect(self, "tuning", self.tuning in (None, *TUNINGS), tunings)
        few = f"at most {MOST_MODELS} models, with {self.prior} and those from which others go on"
        expect(self, "compare", len(self.names) <= MOST_MODELS, few)
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
        """The main model, those that are compared with it, and those from which some of them go on."""
        others = [ModelName.of(name, self.task) for name in self.compare]
        named = [ModelName(self.task, self.prior, self.tuning), *others]
        starts = [name.start for name in named if name.tuning and self.initial_of(name) is None]
        return list(dict.fromkeys([*named, *starts]))

    def initial_of(self, name: ModelName) -> str | None:
        """The folder of a model, not of this experiment, from which one that is compared goes on."""
        return self.initial if name.tuning and name.task == self.task else None

    @property
    def autoencoder_folder(self) -> str | None:
        """That of the autoencoder, or "pretrained"; None if it is trained, or that of `initial`."""
        folder = self.autoencoder.folder
        if folder != AUTO:
            return folder
        knows = self.initial is None and self.corpus.is_openmoji and self.corpus.style == "color"
        return PRETRAINED if knows else None

    def of(self, name: ModelName) -> LatentDiffusionConfig:
        """The configuration of a model that is compared."""
        fine_tuning, training = FineTuningConfig(), self.training
        if name.tuning is not None:
            fine_tuning = self.fine_tuning
            training = fine_tuning.training(name.tuning, training)
        return replace(
            self,
            task=name.task,
            prior=name.prior,
            # Names in it may mean this task's: of another task they would be other models.
            compare=[],
            tuning=name.tuning,
            initial=self.initial_of(name),
            training=training,
            fine_tuning=fine_tuning,
        )
