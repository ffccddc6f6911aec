"""Searches the schedules of trained acoustic models on held-out recordings, and saves the best with them."""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from torch import Tensor

from acoustic.configuration import AcousticConfig
from acoustic.corpus import SpokenCorpus, prepare_corpus
from acoustic.data import UtteranceItem
from priordiff import TextToSpeechPipeline
from priordiff.files import write_text
from priordiff.models import EncodedText
from priordiff.models.frames import log_mel_of_standardized
from priordiff.pipelines.mel_sampling import sample_mel
from priordiff.search import SAMPLERS, ScheduleSearch, quality_table, search_schedule, use_schedules
from priordiff.training import load_config

__all__ = ["MEASURES", "Judge", "run_search"]

_logger = logging.getLogger(__name__)

MEASURES = {
    "crps": "CRPS of log-mel values, nats: the absolute error of a sample, less half the difference of two",
    "mae": "mean absolute error of log-mel values, nats",
}
_SAMPLES = 2  # of each recording

# By the name of the run, the number of evaluations and the solver: what `_report` says.
_Judged = Mapping[str, Mapping[int, Mapping[str, Mapping[str, Any]]]]


@dataclass(frozen=True)
class _Target:
    """A held-out recording: the encoded phonemes of its samples, and the frames (n_mels, frames) it has."""

    encoded: EncodedText
    log_mel: Tensor
    seed: int


class Judge:
    """What schedules are judged by: samples over the recordings' own durations, pitch and energy.

    So frames correspond one to one, and no time warping hides or makes an error. All schedules get the same
    noise, and the encoder, which no schedule changes, works once.

    Args:
        pipeline: the model.
        items: held-out recordings, with pitch and energy in the units of the training.
    """

    @torch.no_grad()
    def __init__(self, pipeline: TextToSpeechPipeline, items: Sequence[UtteranceItem]) -> None:
        self.pipeline = pipeline
        self._targets = [self._target(item) for item in items]

    @torch.no_grad()
    def scores(self, scheduler: Any, num_inference_steps: int) -> dict[str, float]:
        r"""The means of `MEASURES` over all values of all recordings.

        The continuous ranked probability score $|x - y| - \tfrac12 |x - x'|$ (Gneiting and Raftery, 2007), of
        two samples $x, x'$ and a recording $y$, is least for samples of the right distribution; the error
        alone is least for their median, which is smoother than speech.
        """
        errors, differences = [], []
        for target in self._targets:
            scheduler.set_timesteps(num_inference_steps, device=self.pipeline.encoder.device)
            generator = torch.Generator().manual_seed(target.seed)
            parts = self.pipeline.decoder, scheduler, self.pipeline.estimator
            frames = log_mel_of_standardized(sample_mel(target.encoded, *parts, generator)).cpu()
            errors.append((frames - target.log_mel).abs().mean(0).flatten())
            differences.append((frames[0] - frames[1]).abs().flatten())
        mae = float(torch.cat(errors).mean())
        return {"mae": mae, "crps": mae - float(torch.cat(differences).mean()) / 2}

    def _target(self, item: UtteranceItem) -> _Target:
        encoder = self.pipeline.encoder

        def copies(values: Tensor) -> Tensor:
            return values[None].expand(_SAMPLES, -1).to(encoder.device)

        speakers = torch.full((_SAMPLES,), item["speaker"], device=encoder.device)
        encoded = encoder(
            copies(item["symbols"]),
            speakers if encoder.config.num_speakers > 1 else None,
            durations=copies(item["durations"]),
            pitch=copies(item["pitch"]),
            energy=copies(item["energy"]),
        )
        return _Target(encoded, log_mel_of_standardized(item["mel"]), item["index"])


def run_search(arguments: argparse.Namespace) -> int:
    """Searches the schedules of every run that is named, prints what they give, and saves the best."""
    if arguments.default_steps not in (None, *arguments.steps):
        raise ValueError(
            f"--default-steps is {arguments.default_steps}, expected one of --steps: "
            f"{', '.join(map(str, arguments.steps))}"
        )
    pipelines = {run: _pipeline_of(run) for run in arguments.model}
    corpora: dict[str, SpokenCorpus] = {}
    judged: dict[str, dict[int, dict[str, dict[str, Any]]]] = {}
    for run, pipeline in pipelines.items():
        config = load_config(AcousticConfig, run / "config.yaml", arguments.overrides)
        key = repr([asdict(part) for part in (config.corpus, config.alignment, config.mel)])
        if key not in corpora:
            corpora[key] = prepare_corpus(config)
        judge, reporter = (
            Judge(pipeline, half) for half in _halves(corpora[key], pipeline, arguments.utterances)
        )
        found = {steps: _search(run.name, pipeline, steps, judge, arguments) for steps in arguments.steps}
        judged[run.name] = {steps: _report(search, reporter) for steps, search in found.items()}
        use_schedules(pipeline, [search.best for search in found.values()], arguments.default_steps)
        if arguments.save:
            _save_configuration(pipeline, run / "model")
    _print_tables(judged)
    return 0


def _search(
    name: str, pipeline: TextToSpeechPipeline, steps: int, judge: Judge, arguments: argparse.Namespace
) -> ScheduleSearch:
    def quality(scheduler: Any, steps: int) -> float:
        return judge.scores(scheduler, steps)[arguments.measure]

    found = search_schedule(pipeline.scheduler, steps, quality, arguments.solvers, arguments.budget)
    best = found.best
    message = "%s, %d evaluations: %d schedules tried, the best is %s with %s"
    _logger.info(message, name, steps, len(found.trials), SAMPLERS[best.solver], best.name)
    return found


def _pipeline_of(run: Path) -> TextToSpeechPipeline:
    if not (run / "model").is_dir():
        raise FileNotFoundError(f"{run} is no finished run: there is no folder model in it")
    pipeline = TextToSpeechPipeline.from_pretrained(run / "model").to(PartialState().device)
    if pipeline.scheduler is None:
        raise ValueError(f"{run} has no schedule to search: its decoder is no diffusion")
    return pipeline


def _save_configuration(pipeline: TextToSpeechPipeline, directory: Path) -> None:
    """Writes what of a saved pipeline has changed: no weights."""
    written = json.loads(pipeline.to_json_string())
    written.pop("_name_or_path", None)  # where it lay when it was read
    write_text(directory / pipeline.config_name, json.dumps(written, indent=2, sort_keys=True) + "\n")


def _halves(
    corpus: SpokenCorpus, pipeline: TextToSpeechPipeline, utterances: int | None
) -> tuple[Sequence[UtteranceItem], Sequence[UtteranceItem]]:
    """Held-out recordings to search on, and as many others, or one less, to report on."""
    if list(corpus.table.symbols) != list(pipeline.config.symbols):
        raise ValueError(
            f"the recordings have {len(corpus.table)} phonemes, which are not the "
            f"{len(pipeline.config.symbols)} of the model: search on the corpus that it was trained with"
        )
    items = corpus.validation.items[:utterances]
    if len(items) < 2:
        raise ValueError(
            f"{len(items)} held-out recordings, expected at least 2: one to search on, one to report on"
        )
    return items[0::2], items[1::2]


def _report(found: ScheduleSearch, judge: Judge) -> dict[str, dict[str, Any]]:
    """For each solver its scores on other recordings: with what was found, and as it comes."""
    report = {}
    for solver in dict.fromkeys(trial.solver for trial in found.trials):
        trials = found.of(solver)
        best, first = trials.best, trials.trials[0]
        report[solver] = {
            "found": judge.scores(best.scheduler, best.num_inference_steps),
            "as it comes": judge.scores(first.scheduler, first.num_inference_steps),
            "name": best.name,
        }
    return report


def _print_tables(judged: _Judged) -> None:
    print("Log-mel frames over the durations, pitch and energy of held-out recordings that were not")
    print("searched on, against evaluations of the network.")
    for kind in ("found", "as it comes"):
        for measure, described in MEASURES.items():
            title = "Searched" if kind == "found" else "As the samplers come"
            print(f"\n{title}: {described}\n\n{_table(judged, kind, measure)}")
    print("\nThe schedules that were found:\n")
    for model, by_steps in judged.items():
        for steps, by_solver in by_steps.items():
            for solver, report in by_solver.items():
                print(f"- {model}, {steps} evaluations, {SAMPLERS[solver]}: {report['name']}")


def _table(judged: _Judged, kind: str, measure: str) -> str:
    rows: dict[str, dict[int, float | None]] = {}
    for model, by_steps in judged.items():
        for steps, by_solver in by_steps.items():
            for solver, report in by_solver.items():
                rows.setdefault(f"{model}: {SAMPLERS[solver]}", {})[steps] = report[kind][measure]
    return quality_table("model and sampler", rows)
