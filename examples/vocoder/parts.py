"""The parts of a vocoder, and whether those of an experiment fit together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from importlib.util import find_spec

from diffusers import ModelMixin

from priordiff import DiffWave, LappedConvNeXt, PriorEstimator, PriorGradScheduler, VocoderPipeline
from priordiff.audio import LogMelSpectrogram
from priordiff.pipelines.solvers import checked_steps
from priordiff.training.trackers import check_trackers
from vocoder.configuration import VocoderConfig
from vocoder.priors import PRIORS

__all__ = ["check_packages", "check_parts", "make_parts", "make_pipeline"]

_EXTRAS = {
    "audio": ("torchaudio", "soundfile", "auraloss", "pyworld", "espeakng_loader"),
    "train": ("matplotlib",),
}


def make_parts(config: VocoderConfig) -> tuple[ModelMixin, PriorGradScheduler, PriorEstimator | None]:
    """Network, scheduler of the training, and estimator, neither trained nor fitted."""
    choice, mel = PRIORS[config.prior], config.mel
    model = (
        LappedConvNeXt(**asdict(config.frame_model), n_mels=mel.n_mels, hop_length=mel.hop_length)
        if config.network == "frames"
        else DiffWave(**asdict(config.model), n_mels=mel.n_mels, hop_length=mel.hop_length)
    )
    scheduler = PriorGradScheduler(
        **asdict(config.scheduler), model_space=choice.model_space, variance_type=choice.variance_type
    )
    return model, scheduler, choice.make_estimator(config)


def make_pipeline(
    config: VocoderConfig, model: ModelMixin, scheduler: PriorGradScheduler, estimator: PriorEstimator | None
) -> VocoderPipeline:
    """The vocoder of these parts, with the solver and the steps that it is judged with."""
    evaluation = config.evaluation
    pipeline = VocoderPipeline(
        model,
        scheduler,
        estimator,
        mel=asdict(config.mel),
        num_inference_steps=evaluation.num_inference_steps,
        solver=evaluation.solver or PRIORS[config.prior].solver,
        num_consistency_steps=evaluation.num_consistency_steps,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def check_parts(config: VocoderConfig, priors: Iterable[str]) -> None:
    """Puts the parts together under each prior, so that what doesn't fit is found before any work is done.

    Raises:
        ValueError: if they don't fit each other.
        ImportError: if a tracker is not installed.
    """
    check_trackers(config.training.trackers)
    LogMelSpectrogram(**asdict(config.mel))
    for prior in priors:
        try:
            each = config.under(prior)
            pipeline = make_pipeline(each, *make_parts(each))
            checked_steps(pipeline.scheduler, config.evaluation.num_inference_steps)
        except ValueError as error:
            raise ValueError(
                f"the configuration does not fit together under the prior {prior}: {error}"
            ) from error


def check_packages(made_corpus: bool) -> None:
    """Finds out what is not installed before it is missed, half an hour later.

    Raises:
        ImportError: if a package of an extra is missing; the message names the extra.
    """
    missing = {
        extra: absent
        for extra, packages in _EXTRAS.items()
        if (
            absent := [
                p for p in packages if find_spec(p) is None and (made_corpus or p != "espeakng_loader")
            ]
        )
    }
    if missing:
        packages = ", ".join(package for absent in missing.values() for package in absent)
        raise ImportError(f"not installed: {packages}; run pip install 'priordiff[{','.join(missing)}]'")
