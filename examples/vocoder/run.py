"""One training of the example."""

from __future__ import annotations

from dataclasses import dataclass, field

from priordiff.experiments import Run
from vocoder.configuration import VocoderConfig

__all__ = ["VocoderRun"]


@dataclass(frozen=True)
class VocoderRun(Run):
    """The training of a vocoder, or of the prior under which others train vocoders.

    Attributes:
        prior: under which it is trained, or which is.
    """

    config: VocoderConfig = field(compare=False)
    prior: str = field(kw_only=True)
