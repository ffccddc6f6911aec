"""Options of the training loop."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from accelerate.utils import DynamoBackend
from diffusers.optimization import SchedulerType

from priordiff.training.config import ADJUSTABLE, expect, left_open
from priordiff.training.precision import AUTO

__all__ = ["TrainingConfig"]

_COMPILERS = sorted(each.value.lower() for each in DynamoBackend if each is not DynamoBackend.NO)
_SCHEDULES = sorted(s.value for s in SchedulerType if s is not SchedulerType.PIECEWISE_CONSTANT)


@dataclass
class TrainingConfig:
    """Options of the training loop.

    A step consumes ``batch_size`` × ``gradient_accumulation_steps`` × processes samples.

    Args:
        seed: Fixes data order, crops and noise, whatever the number of processes and workers.
        num_steps: Optimizer steps in all.
        batch_size: Samples per process and forward pass.
        gradient_accumulation_steps: Forward passes per optimizer step.
        learning_rate: Peak learning rate of AdamW.
        lr_scheduler: Name of a schedule in ``diffusers.optimization``.
        lr_warmup_steps: Steps of linear warm-up, for the schedules that have one.
        adam_beta1: Decay of AdamW's first moment.
        adam_beta2: Decay of AdamW's second moment.
        adam_epsilon: Added to the root of AdamW's second moment.
        weight_decay: Decoupled weight decay; 0 is plain Adam.
        max_grad_norm: Gradients are scaled down to this norm; None leaves them as they are.
        mixed_precision: ``no``, ``bf16`` or ``fp16``; ``auto`` is bf16 on NVIDIA GPUs that have units for it
            (compute capability 8.0 and newer) and on CPUs that turn out to be faster with it, else ``no``.
            What was chosen is stored with the run, which keeps it when it is resumed, on whatever machine.
        tf32: Whether NVIDIA GPUs may multiply float32 matrices in TF32, which has 10 bits of mantissa.
        compile: Backend of `torch.compile`, such as ``inductor``; null for none, or for what
            ``accelerate launch --dynamo_backend`` says. Evaluations and what is saved aren't compiled.
        channels_last: Whether the weights of 2-D convolutions lie in memory with the channels last.
        gradient_checkpointing: Whether networks of diffusers recompute their activations in the backward
            pass, for less memory.
        ema_decay: Decay of the weights' moving average, which is evaluated and exported; None for none.
        num_workers: Processes that read data, for each training process.
        log_every: Steps over which logged losses are averaged.
        evaluate_every: Steps between evaluations; None evaluates after the last step alone.
        evaluate_at_start: Whether what is trained is evaluated before the first step, too.
        checkpoint_every: Steps between checkpoints; None saves after the last step (or a signal) alone.
        keep_checkpoints: How many of the latest checkpoints are kept.
        trackers: Names of accelerate's trackers.

    Raises:
        ValueError: If a value is out of its range.

    Example:
        >>> TrainingConfig(learning_rate=-1.0)
        Traceback (most recent call last):
        ...
        ValueError: learning_rate is -1.0: expected a positive number
    """

    seed: int = 0
    num_steps: int = field(default=1000, metadata=ADJUSTABLE)
    batch_size: int = field(default=16, metadata=ADJUSTABLE)
    gradient_accumulation_steps: int = field(default=1, metadata=ADJUSTABLE)
    learning_rate: float = 2e-4
    lr_scheduler: str = "constant"
    lr_warmup_steps: int = 0
    adam_beta1: float = 0.9
    adam_beta2: float = 0.999
    adam_epsilon: float = 1e-8
    weight_decay: float = 0.0
    max_grad_norm: float | None = 1.0
    mixed_precision: str = field(default=AUTO, metadata=left_open(AUTO))
    tf32: bool = False
    compile: str | None = field(default=None, metadata=ADJUSTABLE)
    channels_last: bool = False
    gradient_checkpointing: bool = field(default=False, metadata=ADJUSTABLE)
    ema_decay: float | None = 0.999
    num_workers: int = field(default=0, metadata=ADJUSTABLE)
    log_every: int = field(default=50, metadata=ADJUSTABLE)
    evaluate_every: int | None = field(default=1000, metadata=ADJUSTABLE)
    evaluate_at_start: bool = field(default=False, metadata=ADJUSTABLE)
    checkpoint_every: int | None = field(default=1000, metadata=ADJUSTABLE)
    keep_checkpoints: int = field(default=2, metadata=ADJUSTABLE)
    trackers: list[str] = field(default_factory=lambda: ["tensorboard"], metadata=ADJUSTABLE)

    def num_evaluations(self, step: int = 0) -> int:
        """Count the evaluations of a run, of which the last follows the last step.

        Args:
            step: Steps taken before.

        Returns:
            How many there will be after that step.

        Example:
            >>> TrainingConfig(num_steps=1000, evaluate_every=300).num_evaluations(step=300)
            3
        """
        if step >= self.num_steps:
            return 0
        every = self.evaluate_every or self.num_steps
        return math.ceil(self.num_steps / every) - step // every

    def __post_init__(self) -> None:
        for name in (
            "num_steps",
            "batch_size",
            "gradient_accumulation_steps",
            "log_every",
            "keep_checkpoints",
        ):
            expect(self, name, getattr(self, name) >= 1, "an integer of at least 1")
        expect(self, "seed", 0 <= self.seed < 2**32, "an integer from 0 to 4294967295")
        for name in ("lr_warmup_steps", "num_workers"):
            expect(self, name, getattr(self, name) >= 0, "an integer of at least 0")
        for name in ("evaluate_every", "checkpoint_every"):
            every = getattr(self, name)
            expect(self, name, every is None or every >= 1, "an integer of at least 1, or null")
        for name in ("learning_rate", "adam_epsilon"):
            expect(self, name, _is_positive(getattr(self, name)), "a positive number")
        for name in ("adam_beta1", "adam_beta2"):
            expect(self, name, 0 <= getattr(self, name) < 1, "a number in [0, 1)")
        expect(self, "weight_decay", 0 <= self.weight_decay < math.inf, "a number of at least 0")
        clip = self.max_grad_norm
        expect(self, "max_grad_norm", clip is None or _is_positive(clip), "a positive number, or null")
        decay = self.ema_decay
        expect(self, "ema_decay", decay is None or 0 <= decay < 1, "a number in [0, 1), or null")
        precisions = (AUTO, "no", "bf16", "fp16")
        expect(self, "mixed_precision", self.mixed_precision in precisions, "auto, no, bf16 or fp16")
        compilers = f"one of {', '.join(_COMPILERS)}, or null"
        expect(self, "compile", self.compile in (None, *_COMPILERS), compilers)
        schedules = f"one of {', '.join(_SCHEDULES)}"
        expect(self, "lr_scheduler", self.lr_scheduler in _SCHEDULES, schedules)
        if self.lr_scheduler == "constant":
            expect(
                self, "lr_warmup_steps", self.lr_warmup_steps == 0, "0, or lr_scheduler constant_with_warmup"
            )


def _is_positive(value: float) -> bool:
    return 0 < value < math.inf
