"""Optimizer and learning-rate schedule."""

from __future__ import annotations

import torch
from diffusers.optimization import get_scheduler
from torch import nn

from priordiff.training.options import TrainingConfig

__all__ = ["make_optimizer"]


def make_optimizer(
    model: nn.Module, config: TrainingConfig, device: torch.device
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    """AdamW for the trainable parameters of a model, and the schedule of its learning rate.

    Args:
        model: What is trained.
        config: Options of the loop.
        device: Where it is trained.

    Returns:
        Optimizer and schedule.
    """
    optimizer = torch.optim.AdamW(
        [p for p in model.parameters() if p.requires_grad],
        lr=config.learning_rate,
        betas=(config.adam_beta1, config.adam_beta2),
        eps=config.adam_epsilon,
        weight_decay=config.weight_decay,
        fused=device.type in ("cpu", "cuda") or None,
    )
    lr_scheduler = get_scheduler(
        config.lr_scheduler,
        optimizer,
        num_warmup_steps=config.lr_warmup_steps,
        num_training_steps=config.num_steps,
    )
    return optimizer, lr_scheduler
