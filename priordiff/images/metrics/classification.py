"""Is a generated image of the class that it was asked for? A classifier of the data tells."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from priordiff.images.metrics._checks import check_features, check_labels
from priordiff.images.metrics._pairs import in_double

__all__ = ["LinearProbe"]

# Of the penalty, in mean squares of the singular values of the features.
_STRENGTHS = torch.logspace(-4, 4, 17, dtype=torch.float64)


@dataclass(frozen=True, eq=False)
class LinearProbe:
    r"""A linear classifier of features: ridge regression to the classes, in closed form.

    $W = (X^\top X + \lambda I)^{-1} X^\top Y$ of centred features X and classes Y, one column of 0 and 1
    each. The penalty λ is the one of 17 with the least squared error when each image is predicted from all
    others, which has a closed form, too (Allen, "The relationship between variable selection and data
    augmentation and a method for prediction", 1974). So nothing is random or left to choose, and some images
    of each of hundreds of classes are enough.

    Its accuracy on generated images says little alone: tell that on held-out real images beside it.

    Attributes:
        classes: (C,) the labels, in increasing order.
        weight: (D, C)
        bias: (C,)
        penalty: λ.

    Example:
        >>> import torch
        >>> labels = torch.arange(60) % 3
        >>> features = torch.eye(3)[labels] + 0.1 * torch.randn(60, 3)
        >>> LinearProbe.fit(features[:30], labels[:30]).accuracy(features[30:], labels[30:])
        1.0
    """

    classes: Tensor
    weight: Tensor
    bias: Tensor
    penalty: float

    @classmethod
    def fit(cls, features: Tensor, labels: Tensor) -> LinearProbe:
        """Learns the classes of real images.

        Args:
            features: (N, D) of the training images.
            labels: (N,) their classes, any integers.

        Raises:
            ValueError: there are fewer than two classes, labels and features differ in number, or there is
                NaN.
        """
        check_features(features, "images", least=2)
        check_labels(labels, len(features))
        x = in_double(features)
        classes, indices = labels.to(x.device).unique(return_inverse=True)
        if len(classes) < 2:
            raise ValueError(f"all {len(labels)} labels are {int(classes[0])}: expected at least two classes")
        y = F.one_hot(indices, len(classes)).double()
        mean, shares = x.mean(0), y.mean(0)
        u, s, vh = torch.linalg.svd(x - mean, full_matrices=False)
        shrunk = u.T @ (y - shares)
        penalties = (_STRENGTHS.to(s) * s.square().mean()).clamp_min(torch.finfo(s.dtype).tiny)
        errors = torch.stack([_left_out_error(u, s, shrunk, y - shares, penalty) for penalty in penalties])
        penalty = penalties[errors.argmin()]
        weight = vh.T @ ((s / (s.square() + penalty))[:, None] * shrunk)
        return cls(classes, weight, shares - mean @ weight, penalty.item())

    def predict(self, features: Tensor) -> Tensor:
        """The likeliest class of each image.

        Args:
            features: (M, D) of the network that the probe has learned from.

        Returns:
            (M,) labels.

        Raises:
            ValueError: the features have another number of dimensions, or there is NaN.
        """
        check_features(features, "images", width=len(self.weight))
        scores = in_double(features).to(self.weight.device) @ self.weight + self.bias
        return self.classes[scores.argmax(1)]

    def accuracy(self, features: Tensor, labels: Tensor) -> float:
        """Share of the images that are taken for their class.

        Args:
            features: (M, D), of held-out images or of generated ones.
            labels: (M,) their classes, or those that were asked for.

        Raises:
            ValueError: as `predict`, or a label is none of those that the probe has learned.
        """
        check_labels(labels, len(features))
        labels = labels.to(self.classes.device)
        unknown = labels[~torch.isin(labels, self.classes)].unique().tolist()
        if unknown:
            raise ValueError(
                f"the probe has not learned the labels {unknown[:5]}: "
                f"expected some of its {len(self.classes)} classes"
            )
        return (self.predict(features) == labels).double().mean().item()


def _left_out_error(u: Tensor, s: Tensor, shrunk: Tensor, y: Tensor, penalty: Tensor) -> Tensor:
    """Squared error of each image's prediction from the others: its residual over 1 - its leverage."""
    kept = s.square() / (s.square() + penalty)
    leverage = u.square() @ kept + 1 / len(u)  # the mean is one of what is fitted
    return ((y - u @ (kept[:, None] * shrunk)) / (1 - leverage)[:, None]).square().mean()
