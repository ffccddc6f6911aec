"""Training that goes on from a saved model, which has learned with N(0, I)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL
from torch import nn

from latent_diffusion.configuration import LatentDiffusionConfig
from latent_diffusion.fine_tuning import WARM_START
from latent_diffusion.network import make_scheduler
from latent_diffusion.tasks import TASKS
from priordiff import ImagePipeline, adapt_to_prior
from priordiff.commands.models import load_saved
from priordiff.fine_tuning import PriorAdapterMixin, TrainedProcess

__all__ = ["load_initial", "start_from"]

_CLASSES_SHOWN = 4


def load_initial(folder: Path | str) -> ImagePipeline:
    """A saved model that another one may go on from.

    Args:
        folder: of a saved `ImagePipeline`, or of a run that holds one.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if it can't be loaded, or was not trained with N(0, I).
    """
    saved = load_saved(ImagePipeline, Path(folder), "model of images")
    if saved.estimator is not None:
        raise ValueError(
            f"initial={str(folder)!r} was trained under the prior of a {type(saved.estimator).__name__}: "
            "expected a model that was trained with N(0, I)"
        )
    return saved


def start_from(
    folder: Path | str,
    config: LatentDiffusionConfig,
    network: nn.Module,
    vae: AutoencoderKL | None,
    class_names: Sequence[str],
) -> Any:
    """The network of a saved model, to be called as one that was trained under a prior.

    It is `adapt_to_prior`'s: in its own weights nothing has changed, and it has to be told which scheduler
    holds the prior. For a warm start it stays as it is.

    Args:
        folder: as for `load_initial`.
        config: of the run.
        network: that the run would begin with otherwise.
        vae: the autoencoder of the run; None in pixel space.
        class_names: of the corpus.

    Raises:
        FileNotFoundError: if there is no such model.
        ValueError: if it can't be loaded, was not trained with N(0, I), or does not fit the run.
    """
    saved = load_initial(folder)
    _check_task(saved, config, class_names, folder)
    _check_autoencoder(saved.vae, vae, config, folder)
    _check_network(saved.unet, network, folder)
    if config.tuning == WARM_START:
        _check_process(saved, config, folder)
        return saved.unet
    if isinstance(saved.unet, PriorAdapterMixin):  # it knows its first training
        return saved.unet
    return adapt_to_prior(saved.unet, trained_with=saved.scheduler)


def _check_process(saved: ImagePipeline, config: LatentDiffusionConfig, folder: Path | str) -> None:
    """Refuses a network that would be called otherwise than it was trained."""
    there, here = map(TrainedProcess, (saved.scheduler, make_scheduler(config, has_prior=False)))
    if isinstance(saved.unet, PriorAdapterMixin) or there.config != here.config:
        raise ValueError(
            f"initial={str(folder)!r} can't be {WARM_START}: expected a network that isn't adapted, with the "
            "noise levels and predictions of the section scheduler; tuning=fine-tuned adapts any"
        )


def _check_task(
    saved: ImagePipeline, config: LatentDiffusionConfig, class_names: Sequence[str], folder: Path | str
) -> None:
    there = saved.config
    expected: dict[str, Any] = {"task": config.task}
    if config.task == "super-resolution":
        expected["factor"] = config.factor
    for name, value in expected.items():
        if there[name] not in (None, value):
            raise ValueError(
                f"initial={str(folder)!r} was trained with {name}={there[name]}: this configuration has "
                f"{name}={value}"
            )
    classes = list(class_names) if TASKS[config.task].has_labels else None
    if (there.classes or None) != classes:
        raise ValueError(
            f"initial={str(folder)!r} has {_in_words(there.classes)}, and this corpus {_in_words(classes)}: "
            "expected the same classes in the same order"
        )


def _in_words(classes: Sequence[str] | None) -> str:
    if not classes:
        return "no classes"
    more = ", …" if len(classes) > _CLASSES_SHOWN else ""
    return f"{len(classes)} classes ({', '.join(classes[:_CLASSES_SHOWN])}{more})"


def _check_autoencoder(
    saved: AutoencoderKL | None, own: AutoencoderKL | None, config: LatentDiffusionConfig, folder: Path | str
) -> None:
    there = "pixel" if saved is None else "latent"
    if there != config.space:
        raise ValueError(
            f"initial={str(folder)!r} was trained with space={there}: this configuration has "
            f"space={config.space}"
        )
    if saved is not None and own is not None and not _are_alike(saved, own):
        raise ValueError(
            f"autoencoder.folder is {config.autoencoder_folder!r}, another autoencoder than that of "
            f"initial={str(folder)!r}: autoencoder.folder=null takes that one"
        )


def _are_alike(left: nn.Module, right: nn.Module) -> bool:
    """Whether two have the same weights, which may have been rounded to half precision."""
    ours, theirs = left.state_dict(), right.state_dict()
    return _shapes(left) == _shapes(right) and all(
        torch.allclose(weight.float(), theirs[name].to(weight.device).float(), rtol=1e-2, atol=1e-4)
        for name, weight in ours.items()
    )


def _check_network(saved: Any, own: Any, folder: Path | str) -> None:
    kind, expected = getattr(saved, "plain_class", type(saved)), type(own)
    if kind is not expected:
        raise ValueError(
            f"initial={str(folder)!r} has a {kind.__name__} where this configuration has a "
            f"{expected.__name__}: choose the network that it was trained with"
        )
    ours, theirs = _shapes(own), _shapes(saved)
    for name in [*ours, *theirs]:
        if ours.get(name) != theirs.get(name):
            raise ValueError(
                f"initial={str(folder)!r} has other sizes: {name} is {ours.get(name)} here and "
                f"{theirs.get(name)} there: give the network those that it was trained with"
            )


def _shapes(network: Any) -> dict[str, Any]:
    """Of all weights, and of what is denoised."""
    shapes = {name: tuple(weight.shape) for name, weight in network.state_dict().items()}
    return {"sample_size": network.config.sample_size, **shapes}
