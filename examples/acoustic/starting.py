"""Training that goes on from a model that has learned before."""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import torch
from torch import nn

from acoustic.model import AcousticModel
from priordiff import PhonemeEstimator, TextToSpeechPipeline
from priordiff.commands.models import load_saved

__all__ = ["start_from", "symbols_of"]


def symbols_of(folder: str | Path) -> list[str]:
    """The phonemes that a saved model knows.

    Args:
        folder: as for `start_from`.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if it can't be loaded.
    """
    return list(_load_once(folder).config.symbols)


def start_from(
    model: AcousticModel,
    folder: str | Path,
    symbols: Sequence[str],
    speakers: Sequence[str],
    present: Collection[int],
) -> None:
    """Gives a new model the weights of a saved one, wherever both have the same.

    Phonemes and speakers are found by their names: those that the saved model does not know stay as they
    were drawn. Phonemes that the corpus does not have keep the saved prior; that of the others is the
    corpus's own, and the optimizer begins anew.

    Args:
        model: of a run, in place, with its prior fitted.
        folder: of a saved `TextToSpeechPipeline`, or of a run that holds one.
        symbols: the phonemes of the run, in the order of their indices, from 1 on.
        speakers: its speakers, likewise from 0 on.
        present: indices of the phonemes that the corpus has.

    Raises:
        FileNotFoundError: if there is no such pipeline.
        ValueError: if it can't be loaded, or its networks have other sizes.
    """
    saved = _load_once(folder)
    rows = {
        "symbols.weight": _rows(["", *symbols], ["", *saved.config.symbols]),
        "speakers.weight": _rows(speakers, saved.config.speakers or [""]),
    }
    _load(model.encoder, saved.encoder, folder, rows)
    _load(model.decoder, saved.decoder, folder)
    if model.kind.learns_prior and model.estimator is not None:
        _load(model.estimator, saved.estimator, folder)
    if isinstance(model.estimator, PhonemeEstimator):
        _check_kinds(model.estimator, saved.estimator, folder)
        absent = [(own, other) for own, other in rows["symbols.weight"] if own not in present]
        _keep_moments(model.estimator, saved.estimator, absent)


# The corpus asks for its phonemes, and the main model of every seed goes on from it.
@functools.lru_cache(maxsize=1)
def _load_once(folder: str | Path) -> TextToSpeechPipeline:
    return load_saved(TextToSpeechPipeline, Path(folder), "acoustic model")


def _rows(own: Sequence[str], saved: Sequence[str]) -> list[tuple[int, int]]:
    """Where a name stands in both lists."""
    places = {name: place for place, name in enumerate(saved)}
    return [(place, places[name]) for place, name in enumerate(own) if name in places]


@torch.no_grad()
def _keep_moments(own: PhonemeEstimator, saved: PhonemeEstimator, rows: Sequence[tuple[int, int]]) -> None:
    for place, other in rows:
        own.moments.mean[place] = saved.moments.mean[other]
        own.moments.std[place] = saved.moments.std[other]


def _check_kinds(own: nn.Module, saved: nn.Module | None, folder: str | Path) -> None:
    if not isinstance(saved, type(own)):
        raise ValueError(
            f"initial={str(folder)!r} has a {type(saved).__name__} where this configuration has a "
            f"{type(own).__name__}: choose the kind and the network that it was trained with"
        )


@torch.no_grad()
def _load(
    own: nn.Module,
    saved: nn.Module | None,
    folder: str | Path,
    rows: Mapping[str, list[tuple[int, int]]] = MappingProxyType({}),
) -> None:
    """Copies all weights; of tables by name, the rows that both have."""
    _check_kinds(own, saved, folder)
    assert saved is not None
    kind = type(own).__name__
    others = saved.state_dict()
    for name, weight in own.state_dict().items():
        other = others.get(name)
        if name in rows and other is None:
            continue  # it had one speaker
        skipped = 1 if name in rows else 0
        if other is None or other.shape[skipped:] != weight.shape[skipped:]:
            theirs = "none" if other is None else tuple(other.shape)
            raise ValueError(
                f"initial={str(folder)!r} has other sizes: {kind}'s {name} is {tuple(weight.shape)} here and "
                f"{theirs} there: give the encoder, the network and the mel those that it was trained with"
            )
        if name in rows:
            for place, other_place in rows[name]:
                weight[place] = other[other_place]
        else:
            weight.copy_(other)
