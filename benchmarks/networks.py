"""Networks that several benchmarks measure."""

from __future__ import annotations

from priordiff import DiffWave

__all__ = ["demo_diffwave"]


def demo_diffwave() -> DiffWave:
    """That of the vocoder demo's twin, with new weights."""
    return DiffWave(residual_channels=64, residual_layers=12, dilation_cycle_length=6, block_size=16)
