"""What a run of the vocoder example is made of; `configs/` holds the settings that ship with it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from priordiff.experiments.speech import MelConfig, SpeechConfig
from priordiff.pipelines import SOLVERS
from priordiff.training import ADJUSTABLE, TrainingConfig, expect
from vocoder.priors import BASELINE, PRIORS

__all__ = ["CONFIGS", "NETWORKS", "VocoderConfig"]

CONFIGS = Path(__file__).parent / "configs"
NETWORKS = ("frames", "diffwave")


@dataclass
class CorpusConfig(SpeechConfig):
    """Where the recordings come from, and what is cut out of them.

    Args:
        crop_frames: mel frames of a training sample.
    """

    crop_frames: int = 62

    def __post_init__(self) -> None:
        super().__post_init__()
        expect(self, "crop_frames", self.crop_frames >= 4, "an integer of at least 4")


@dataclass
class EstimatorConfig:
    """A prior that is learned: `priordiff.LearnedMelSpectrumEstimator`, and its training.

    Args:
        channels: width of its network.
        layers: number of its blocks.
        keep_priors: whether the priors of whole recordings, and their mel frames, are found once and kept, in
            a file 1.3 times as large as that of the decoded recordings, and cropped with them; else they are
            found for each crop anew, as they are for recordings in shards.
        training: as that of the denoiser, which it precedes.
    """

    channels: int = 256
    layers: int = 4
    keep_priors: bool = True
    training: TrainingConfig = field(
        default_factory=lambda: TrainingConfig(num_steps=1500, learning_rate=1e-3, lr_scheduler="cosine")
    )


@dataclass
class FrameModelConfig:
    """Arguments of `priordiff.models.LappedConvNeXt`, beside those that the mel fixes."""

    channels: int = 320
    layers: int = 8
    kernel_size: int = 7
    expansion: int = 3


@dataclass
class ModelConfig:
    """Arguments of `priordiff.models.DiffWave`, beside those that the mel fixes."""

    residual_channels: int = 64
    residual_layers: int = 30
    dilation_cycle_length: int = 10
    block_size: int = 1
    prior_condition: str = "none"


@dataclass
class SchedulerConfig:
    """Arguments of `priordiff.PriorGradScheduler`, beside the model space, which follows from the prior."""

    num_train_timesteps: int = 50
    beta_start: float = 1e-4
    beta_end: float = 0.05
    prediction_type: str = "epsilon"
    clip_prev_sample: float | None = 1.0


@dataclass
class EvaluationConfig:
    """How the models are judged on held-out recordings.

    Args:
        num_inference_steps: of the sampler.
        solver: of the sampler, one of `priordiff.pipelines.SOLVERS`; null for the one that suits the prior.
        num_consistency_steps: after the sampler, of `priordiff.audio.mel_consistent`. The evaluations during
            training go without: they follow the network.
        curve_utterances: recordings of the evaluations during training.
        final_utterances: recordings of the evaluation at the end.
        max_seconds: recordings are cut to this length.
        report_utterances: recordings that the report shows and plays.
    """

    num_inference_steps: int = field(default=6, metadata=ADJUSTABLE)
    solver: str | None = field(default=None, metadata=ADJUSTABLE)
    num_consistency_steps: int = field(default=0, metadata=ADJUSTABLE)
    curve_utterances: int = field(default=8, metadata=ADJUSTABLE)
    final_utterances: int = field(default=16, metadata=ADJUSTABLE)
    max_seconds: float = field(default=3.0, metadata=ADJUSTABLE)
    report_utterances: int = field(default=3, metadata=ADJUSTABLE)

    def __post_init__(self) -> None:
        for name in ("num_inference_steps", "curve_utterances", "final_utterances"):
            expect(self, name, getattr(self, name) >= 1, "an integer of at least 1")
        steps = self.num_consistency_steps
        expect(self, "num_consistency_steps", steps >= 0, "an integer of at least 0")
        solvers = ", ".join(SOLVERS)
        expect(self, "solver", self.solver in (None, *SOLVERS), f"one of {solvers}, or null")
        expect(self, "max_seconds", self.max_seconds >= 0.5, "at least 0.5 seconds")
        expect(self, "report_utterances", self.report_utterances >= 0, "an integer of at least 0")


@dataclass
class TwinConfig:
    """What a twin has in the place of the main model's, where it lives in another space.

    A network on mel frames needs white space, where noise and speech have the same size in all coefficients.
    A twin that has none gets the network that suits it, and steps that take about as long.

    Args:
        network: as in the configuration of the run.
        num_steps: of its training.
        batch_size: crops of a step.
        crop_frames: mel frames of a crop.
    """

    network: str = "diffwave"
    num_steps: int = 500
    batch_size: int = 8
    crop_frames: int = 32

    def __post_init__(self) -> None:
        expect(self, "network", self.network in NETWORKS, f"one of {', '.join(NETWORKS)}")


@dataclass
class VocoderConfig:
    """The configuration of one run.

    Args:
        prior: a key of `PRIORS`: `isotropic`, `energy`, `spectral-fit` or `spectral`.
        network: `frames`, which is `priordiff.LappedConvNeXt`, or `diffwave`.
        compare: the twins to train beside it: the same network, seeds, batches and steps under other priors.
        twins: what twins have instead of that if their space is another one; null for nothing.
        loudness_exponent: under a spectral prior, the error of each coefficient is weighted by its standard
            deviation to this power, so that a long training learns first what is heard first; 0 is the loss
            of the prior itself. The minimum stays where it is.
        baseline_steps: train the isotropic twin of the first seed once more, for this many steps, to find how
            many it needs for what the others reach; null for not.
    """

    prior: str = "energy"
    compare: list[str] = field(default_factory=list, metadata=ADJUSTABLE)
    network: str = "diffwave"
    twins: TwinConfig | None = field(default=None, metadata=ADJUSTABLE)
    loudness_exponent: float = 0.0
    baseline_steps: int | None = field(default=None, metadata=ADJUSTABLE)
    corpus: CorpusConfig = field(default_factory=CorpusConfig)
    mel: MelConfig = field(default_factory=MelConfig)
    estimator: EstimatorConfig = field(default_factory=EstimatorConfig)
    frame_model: FrameModelConfig = field(default_factory=FrameModelConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    scheduler: SchedulerConfig = field(default_factory=SchedulerConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)

    def __post_init__(self) -> None:
        names = ", ".join(PRIORS)
        expect(self, "prior", self.prior in PRIORS, f"one of {names}")
        expect(self, "compare", set(self.compare) <= set(PRIORS), f"a list of {names}")
        expect(self, "network", self.network in NETWORKS, f"one of {', '.join(NETWORKS)}")
        expect(self, "loudness_exponent", 0 <= self.loudness_exponent <= 1, "a number in [0, 1]")
        if self.baseline_steps is not None:
            steps = self.under(BASELINE).training.num_steps
            longer = self.baseline_steps > steps
            expect(self, "baseline_steps", longer, f"more than the {steps} of the isotropic twin, or null")

    @property
    def longest_crop(self) -> int:
        """Mel frames of the longest crop that one of the models trains on."""
        return max(self.corpus.crop_frames, self.twins.crop_frames if self.twins else 0)

    def under(self, prior: str) -> VocoderConfig:
        """The configuration of the main model, or of its twin under another prior."""
        config, twins = replace(self, prior=prior, baseline_steps=None), self.twins
        if twins is None or PRIORS[prior].model_space == PRIORS[self.prior].model_space:
            return config
        return replace(
            config,
            network=twins.network,
            twins=None,
            corpus=replace(self.corpus, crop_frames=twins.crop_frames),
            training=replace(self.training, num_steps=twins.num_steps, batch_size=twins.batch_size),
        )
