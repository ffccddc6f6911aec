"""Networks that were trained with N(0, I) and go on under a prior: their settings, and how they begin."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from torch import nn

from priordiff._extra import require
from priordiff.training import ADJUSTABLE, TrainingConfig, expect

__all__ = ["LORA", "TUNINGS", "WARM_START", "FineTuningConfig", "add_lora", "check_tuning", "merged"]

LORA = "lora"
WARM_START = "warm-started"

TUNINGS: Mapping[str, str] = MappingProxyType(
    {
        "fine-tuned": "goes on from the model that was trained with N(0, I), adapted to the prior",
        LORA: "as if fine-tuned, but of the weights only changes of low rank are learned",
        WARM_START: "begins with the weights of the model that was trained with N(0, I), not adapted",
    }
)


@dataclass
class FineTuningConfig:
    """Going on from a network that was trained with N(0, I); all that is not said here is as in `training`.

    Args:
        num_steps: further steps.
        learning_rate: where all weights are trained.
        lora_learning_rate: of LoRA, which trains few.
        rank: of LoRA's matrices.
        evaluate_every: steps between evaluations, of which the first comes before any step.
    """

    num_steps: int = field(default=400, metadata=ADJUSTABLE)
    learning_rate: float = 5e-4
    lora_learning_rate: float = 2e-3
    rank: int = 8
    evaluate_every: int = field(default=50, metadata=ADJUSTABLE)

    def __post_init__(self) -> None:
        expect(self, "rank", self.rank >= 1, "an integer of at least 1")
        expect(self, "lora_learning_rate", self.lora_learning_rate > 0, "a positive number")
        TrainingConfig(
            num_steps=self.num_steps, learning_rate=self.learning_rate, evaluate_every=self.evaluate_every
        )

    def training(self, tuning: str, from_scratch: TrainingConfig) -> TrainingConfig:
        """The training of a model that goes on.

        Args:
            tuning: a key of `TUNINGS`.
            from_scratch: that of the others.
        """
        return replace(
            from_scratch,
            num_steps=self.num_steps,
            learning_rate=self.lora_learning_rate if tuning == LORA else self.learning_rate,
            evaluate_every=self.evaluate_every,
            evaluate_at_start=True,
        )


def check_tuning(tuning: str | None) -> None:
    """Refuses what needs a package that is not there.

    Args:
        tuning: a key of `TUNINGS`; None for a training from scratch.

    Raises:
        ImportError: if it is LoRA, and the extra `fine-tuning` is not installed.
    """
    if tuning == LORA:
        require("peft", "fine-tuning")


def add_lora(network: nn.Module, rank: int) -> None:
    r"""Freezes a network, and gives each of its linear maps and convolutions matrices that are trained.

    A weight $W$ becomes $W + B A$ with $B = 0$ at first (Hu et al., LoRA, ICLR 2022). In the U-Nets of small
    images most weights are those of convolutions, so that attention alone would leave little to learn.

    Args:
        network: in place.
        rank: the number of rows of $A$.
    """
    from peft import LoraConfig, inject_adapter_in_model

    names = [name for name, module in network.named_modules() if isinstance(module, nn.Linear | nn.Conv2d)]
    network.requires_grad_(False)
    inject_adapter_in_model(LoraConfig(r=rank, lora_alpha=rank, target_modules=names), network)


def merged(network: Any) -> Any:
    """A copy of a network whose added matrices have become part of its weights, as files hold them.

    Args:
        network: with or without them.
    """
    if getattr(network, "peft_config", None) is None:
        return network
    from peft.tuners.tuners_utils import BaseTunerLayer

    network = copy.deepcopy(network)
    for name, layer in list(network.named_modules()):
        if isinstance(layer, BaseTunerLayer):
            layer.merge()
            parent, _, last = name.rpartition(".")
            setattr(network.get_submodule(parent), last, layer.get_base_layer())
    del network.peft_config
    return network
