"""The U-Nets of diffusers: their section of a configuration, and what it says to their constructors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from priordiff.training import expect

__all__ = ["UNetConfig", "expect_groups", "expect_levels", "unet_arguments"]


def expect_levels(config: object, channels: Sequence[int]) -> None:
    """Refuses a section without levels, or with one without channels.

    Args:
        config: the section, for the message.
        channels: of each level.

    Raises:
        ValueError: if there is none, or one of the channels is not positive.
    """
    positive = len(channels) > 0 and all(each >= 1 for each in channels)
    expect(config, "channels", positive, "a list of positive integers, one for each level")


def expect_groups(config: object, norm_groups: int, channels: Sequence[int]) -> None:
    """Refuses groups into which not all channels of a section can be divided.

    Args:
        config: the section, for the message.
        norm_groups: how many groups.
        channels: of each level.

    Raises:
        ValueError: if one of the channels is no multiple.
    """
    grouped = norm_groups >= 1 and not any(each % norm_groups for each in channels)
    expect(config, "norm_groups", grouped, f"a divisor of every one of the channels {channels}")


@dataclass
class UNetConfig:
    """Arguments of diffusers' U-Nets, beside those that the data fix.

    Args:
        channels: of each level, of which each but the last halves height and width.
        layers: residual blocks of a level.
        attention: levels that attend, counted from 0, or backwards from -1; the middle does if any does.
        head_channels: of a head of attention.
        norm_groups: over which channels are normalised.
        dropout: of the residual blocks.
    """

    channels: list[int] = field(default_factory=lambda: [64, 128])
    layers: int = 2
    attention: list[int] = field(default_factory=lambda: [-1])
    head_channels: int = 8
    norm_groups: int = 16
    dropout: float = 0.0

    def __post_init__(self) -> None:
        levels = len(self.channels)
        expect_levels(self, self.channels)
        expect(self, "layers", self.layers >= 1, "an integer of at least 1")
        known = all(-levels <= each < levels for each in self.attention)
        expect(self, "attention", known, f"a list of levels from {-levels} to {levels - 1}")
        expect_groups(self, self.norm_groups, self.channels)
        attending = [self.channels[each] for each in self.attention and [*self.attention, -1]]
        headed = self.head_channels >= 1 and not any(each % self.head_channels for each in attending)
        expect(self, "head_channels", headed, f"a divisor of the channels that attend, {attending}")
        expect(self, "dropout", 0 <= self.dropout < 1, "a number in [0, 1)")


def unet_arguments(config: UNetConfig, size: tuple[int, int], kind: str = "Attn") -> dict[str, Any]:
    """Arguments of the constructors of `UNet2DModel` and `UNet2DConditionModel`.

    Args:
        config: of the network.
        size: height and width of what it denoises.
        kind: of the blocks that attend: "Attn", or "CrossAttn" to conditioning.

    Raises:
        ValueError: if height or width can't be halved so often.
    """
    levels = len(config.channels)
    divisor = 2 ** (levels - 1)
    if any(length % divisor for length in size):
        raise ValueError(
            f"unet.channels has {levels} levels, but samples of {size[0]} × {size[1]} can't be halved "
            f"{levels - 1} times: expected multiples of {divisor}, or fewer levels"
        )
    attending = {level % levels for level in config.attention}
    kinds = [kind if level in attending else "" for level in range(levels)]
    return {
        "block_out_channels": tuple(config.channels),
        "layers_per_block": config.layers,
        "down_block_types": tuple(f"{each}DownBlock2D" for each in kinds),
        "up_block_types": tuple(f"{each}UpBlock2D" for each in reversed(kinds)),
        "attention_head_dim": config.head_channels,
        "norm_num_groups": config.norm_groups,
        "dropout": config.dropout,
    }
