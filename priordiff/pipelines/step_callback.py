"""Functions that a pipeline calls at the end of every step, in the form that those of diffusers have."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

__all__ = ["StepCallback", "StepFunction"]

StepFunction = Callable[[Any, int, Any, dict[str, Any]], Mapping[str, Any] | None]
"""From pipeline, number of the step, timestep and tensors by name to those that take their place."""


@dataclass(frozen=True)
class StepCallback:
    """What a call of a pipeline was given as `callback_on_step_end`.

    Attributes:
        function: that is called.
        names: of the tensors that it is given.
    """

    function: StepFunction
    names: tuple[str, ...]

    @classmethod
    def of(
        cls, function: StepFunction | None, names: Sequence[str], known: Sequence[str]
    ) -> StepCallback | None:
        """Checked; None if there is no function.

        Args:
            function: or a `PipelineCallback` of diffusers, which says itself which tensors it takes.
            names: of the tensors that it is to be given.
            known: names of those that the pipeline has.

        Raises:
            ValueError: if the pipeline has no such tensor.
        """
        if function is None:
            return None
        names = tuple(getattr(function, "tensor_inputs", names))
        if unknown := [name for name in names if name not in known]:
            raise ValueError(
                f"callback_on_step_end_tensor_inputs has {unknown[0]!r}, expected some of {', '.join(known)}"
            )
        return cls(function, names)

    def __call__(self, pipeline: Any, step: int, timestep: Any, tensors: Mapping[str, Tensor]) -> Tensor:
        """The state after a step: what the function puts in its place, or as it is."""
        given = {name: tensors[name] for name in self.names}
        returned = self.function(pipeline, step, timestep, given) or {}
        return returned.get("latents", tensors["latents"])
