"""What a run of the acoustic example is made of; `configs/` holds the settings that ship with it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from acoustic.kinds import KINDS
from priordiff.experiments.learned_alignments import AlignmentConfig
from priordiff.experiments.speech import MelConfig, SpeechConfig
from priordiff.pipelines import SOLVERS
from priordiff.training import ADJUSTABLE, TrainingConfig, expect

__all__ = ["CONFIGS", "AcousticConfig"]

CONFIGS = Path(__file__).parent / "configs"


@dataclass
class EncoderConfig:
    """Arguments of `priordiff.models.TextEncoder`, beside those that the corpus fixes."""

    channels: int = 256
    layers: int = 4
    heads: int = 2
    filter_channels: int = 1024
    kernel_size: int = 9
    dropout: float = 0.2
    predictor_channels: int = 256
    predictor_dropout: float = 0.5


@dataclass
class DecoderConfig:
    """Arguments of `priordiff.models.MelDiffWave`, beside those that the mel and the encoder fix."""

    residual_channels: int = 128
    residual_layers: int = 12
    dilation_cycle_length: int = 1


@dataclass
class ConvNeXtConfig:
    """Arguments of `priordiff.models.MelConvNeXt`, beside those that the mel and the encoder fix."""

    channels: int = 256
    layers: int = 6
    kernel_size: int = 7
    expansion: int = 3


@dataclass
class TransformerConfig:
    """Arguments of `priordiff.models.MelTransformer`, FastSpeech 2's decoder, beside those of the encoder."""

    layers: int = 4
    heads: int = 2
    filter_channels: int = 1024
    kernel_size: int = 9
    dropout: float = 0.2


@dataclass
class SchedulerConfig:
    """Arguments of `priordiff.PriorGradScheduler`, beside the model space, which follows from the kind."""

    num_train_timesteps: int = 400
    beta_start: float = 1e-4
    beta_end: float = 0.05
    prediction_type: str = "epsilon"


@dataclass
class PriorConfig:
    """The phonemes' prior, in units of the standardised mel.

    Args:
        floor: smallest standard deviation.
        ceiling: largest standard deviation; null for no limit.
        use: "both" moments of each phoneme, or the "mean" or the "std" alone.
        condition: whether the network is told the prior.
        model_space: what the network sees where the prior has a standard deviation: the noisy frames less
            their mean, as published, or divided by the standard deviation besides.
    """

    floor: float = 0.1
    ceiling: float | None = None
    use: str = "both"
    condition: bool = False
    model_space: str = "centered"

    def __post_init__(self) -> None:
        expect(self, "floor", self.floor > 0, "a positive number")
        in_order = self.ceiling is None or self.ceiling >= self.floor
        expect(self, "ceiling", in_order, f"at least floor={self.floor}, or null")
        expect(self, "use", self.use in ("both", "mean", "std"), "both, mean or std")
        spaces = ("centered", "white")
        expect(self, "model_space", self.model_space in spaces, f"one of {', '.join(spaces)}")


@dataclass
class EvaluationConfig:
    """How the models are judged on held-out recordings.

    Args:
        num_inference_steps: of the sampler.
        more_inference_steps: with which every finished model is judged besides.
        solver: one of `priordiff.pipelines.SOLVERS`.
        curve_utterances: recordings of the evaluations during training.
        final_utterances: recordings of the evaluation at the end.
        report_utterances: recordings that the report shows and plays.
        vocoder: folder of the `VocoderPipeline` that makes the frames audible; null for the package's.
    """

    num_inference_steps: int = field(default=12, metadata=ADJUSTABLE)
    more_inference_steps: list[int] = field(default_factory=lambda: [2, 4, 6], metadata=ADJUSTABLE)
    solver: str = field(default="ddpm", metadata=ADJUSTABLE)
    curve_utterances: int = field(default=8, metadata=ADJUSTABLE)
    final_utterances: int = field(default=16, metadata=ADJUSTABLE)
    report_utterances: int = field(default=3, metadata=ADJUSTABLE)
    vocoder: str | None = field(default=None, metadata=ADJUSTABLE)

    def __post_init__(self) -> None:
        for name in ("num_inference_steps", "curve_utterances", "final_utterances"):
            expect(self, name, getattr(self, name) >= 1, "an integer of at least 1")
        expect(self, "solver", self.solver in SOLVERS, f"one of {', '.join(SOLVERS)}")
        fewest = min(self.more_inference_steps, default=1)
        expect(self, "more_inference_steps", fewest >= 1, "integers of at least 1")
        expect(self, "report_utterances", self.report_utterances >= 0, "an integer of at least 0")


@dataclass
class AcousticConfig:
    """The configuration of one run.

    Args:
        kind: a key of `KINDS`.
        compare: the kinds of the models that are trained beside it, with the same data, seeds and steps.
        crop_frames: mel frames of a training sample, of which the encoder sees the whole text.
        network: the denoiser: "diffwave", as published, or "convnext", which the demo has.
        initial: folder of the `TextToSpeechPipeline` that the main model goes on from; null for none.
    """

    kind: str = "prior"
    compare: list[str] = field(default_factory=list, metadata=ADJUSTABLE)
    crop_frames: int = 128
    network: str = "diffwave"
    initial: str | None = None
    corpus: SpeechConfig = field(default_factory=SpeechConfig)
    alignment: AlignmentConfig = field(default_factory=AlignmentConfig)
    mel: MelConfig = field(default_factory=MelConfig)
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    decoder: DecoderConfig = field(default_factory=DecoderConfig)
    convnext: ConvNeXtConfig = field(default_factory=ConvNeXtConfig)
    transformer: TransformerConfig = field(default_factory=TransformerConfig)
    prior: PriorConfig = field(default_factory=PriorConfig)
    scheduler: SchedulerConfig = field(default_factory=SchedulerConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)

    def __post_init__(self) -> None:
        names = ", ".join(KINDS)
        expect(self, "kind", self.kind in KINDS, f"one of {names}")
        expect(self, "compare", set(self.compare) <= set(KINDS), f"a list of {names}")
        networks = ("diffwave", "convnext")
        expect(self, "network", self.network in networks, f"one of {', '.join(networks)}")
        expect(self, "crop_frames", self.crop_frames >= 4, "an integer of at least 4")

    def of_kind(self, kind: str) -> AcousticConfig:
        """The configuration of a model that is compared with this one."""
        return replace(self, kind=kind, initial=self.initial if kind == self.kind else None)
