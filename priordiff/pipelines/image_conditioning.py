"""What images are conditioned on, and how estimators and networks of diffusers are told of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import torch
from diffusers import DiTTransformer2DModel, UNet2DConditionModel
from torch import Tensor

from priordiff.estimators import PriorEstimator
from priordiff.priors import GaussianPrior

__all__ = ["Conditioning", "denoise", "prior_of"]


@dataclass(frozen=True)
class Conditioning:
    """What a batch of images is conditioned on; all that is None is not there.

    Attributes:
        labels: of classes, int64 (batch,).
        image: that goes with each sample, in the space and size of the samples, (batch, channels, height,
            width): an enlarged one, a line drawing, what is left of a masked one with its mask.
        text: embeddings of texts (batch, features).
    """

    labels: Tensor | None = None
    image: Tensor | None = None
    text: Tensor | None = None

    @classmethod
    def of(cls, parts: Mapping[str, Any]) -> Conditioning:
        """Made of a batch of a training, by the names of the attributes; other names are passed over."""
        return cls(parts.get("labels"), parts.get("image"), parts.get("text"))

    @property
    def arguments(self) -> tuple[Tensor, ...]:
        """What is there, as an estimator takes it."""
        return tuple(part for part in (self.labels, self.image, self.text) if part is not None)

    def without(self, dropped: Tensor, null_label: int) -> Conditioning:
        """Without class and text where `dropped` (batch,) is True, as a network learns to do without.

        The image stays: it is what is to be restored. So does the prior, which is that of the whole
        conditioning (see the page of mathematics on guidance).

        Args:
            dropped: which items.
            null_label: the label that stands for none.
        """
        labels, text = self.labels, self.text
        if labels is not None:
            labels = labels.masked_fill(dropped, null_label)
        if text is not None:
            text = text.masked_fill(dropped[:, None], 0.0)
        return replace(self, labels=labels, text=text)

    def to(self, device: torch.device) -> Conditioning:
        """On another device."""
        return self.map(lambda part: part.to(device))

    def map(self, function: Callable[[Tensor], Tensor]) -> Conditioning:
        """With a function applied to each part that is there."""
        parts = (self.labels, self.image, self.text)
        return Conditioning(*(None if part is None else function(part) for part in parts))


def prior_of(
    estimator: PriorEstimator | None, conditioning: Conditioning, dtype: torch.dtype
) -> GaussianPrior | None:
    """The prior of a batch of images, computed in the estimator's own precision.

    Args:
        estimator: None for N(0, I).
        conditioning: of the batch.
        dtype: of the prior.
    """
    if estimator is None:
        return None
    tensors = chain(estimator.parameters(), estimator.buffers())
    own = next((tensor.dtype for tensor in tensors if tensor.is_floating_point()), dtype)
    arguments = (part.to(own) if part.is_floating_point() else part for part in conditioning.arguments)
    return estimator(*arguments).to(dtype)


def denoise(network: Any, sample: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
    """What a network of diffusers predicts.

    Args:
        network: `UNet2DModel` and `DiTTransformer2DModel` take labels, `UNet2DConditionModel` labels and
            text, and all of them an image, as further channels of their input.
        sample: as the scheduler's `scale_model_input` makes it, (batch, channels, height, width).
        timesteps: (batch,), or one for all.
        conditioning: of the batch.

    Returns:
        The prediction (batch, channels, height, width).
    """
    channels = sample.shape[1]
    timesteps = torch.as_tensor(timesteps, device=sample.device).expand(len(sample))
    labels: dict[str, Any] = {} if conditioning.labels is None else {"class_labels": conditioning.labels}
    if conditioning.image is not None:
        sample = torch.cat([sample, conditioning.image.to(sample.dtype)], dim=1)
    if isinstance(network, UNet2DConditionModel):
        labels["encoder_hidden_states"] = _as_sequence(network, conditioning.text, sample)
    elif isinstance(network, DiTTransformer2DModel) and not labels:
        labels["class_labels"] = torch.zeros(len(sample), dtype=torch.long, device=sample.device)
    output = network(sample, timesteps, **labels, return_dict=False)[0]
    return output[:, :channels]  # a DiT may predict a variance besides


def _as_sequence(network: Any, text: Tensor | None, sample: Tensor) -> Tensor:
    if text is None:
        return sample.new_zeros(len(sample), 1, network.config.cross_attention_dim)
    return text[:, None].to(sample.dtype)
