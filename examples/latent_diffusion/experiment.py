"""The models that are compared, and the autoencoder that they share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from diffusers import AutoencoderKL

from latent_diffusion.autoencoding import AutoencoderTask
from latent_diffusion.configuration import LatentDiffusionConfig, ModelName
from latent_diffusion.encoding import Encodings, load_autoencoder
from latent_diffusion.estimation import fit_estimator, load_estimator
from latent_diffusion.judging import Judge
from latent_diffusion.network import check_sampling
from latent_diffusion.perceptual import decide_perceptual_weight
from latent_diffusion.pictures import prepare_pictures
from latent_diffusion.prior_task import PriorTask
from latent_diffusion.priors import PRIORS
from latent_diffusion.references import Data
from latent_diffusion.results import write_report
from latent_diffusion.task import DiffusionTask
from latent_diffusion.tasks import TASKS
from priordiff.experiments import Experiment, Run, judging_in_evaluations
from priordiff.training import TrainingTask

__all__ = ["LatentDiffusionExperiment", "LatentDiffusionRun"]


# Of a denoiser's, as measured with the networks of the demo.
_PRIOR_STEP = 0.3


@dataclass(frozen=True)
class LatentDiffusionRun(Run):
    """The training of a model, of a prior that it needs, or of the autoencoder.

    Attributes:
        model: task and prior; None for the autoencoder.
    """

    config: LatentDiffusionConfig = field(compare=False)
    model: ModelName | None = field(default=None, kw_only=True)


class LatentDiffusionExperiment(Experiment[LatentDiffusionConfig, LatentDiffusionRun]):
    """The main model and those of `compare`, for every seed, in the latents of one autoencoder."""

    _encoded: Encodings | None = None

    def __init__(self, config: LatentDiffusionConfig, seeds: Sequence[int], output: Path) -> None:
        check_sampling(config)
        super().__init__(config, seeds, output)
        self._judges: dict[str, Judge] = {}

    @property
    def steps_per_evaluation(self) -> float:
        evaluation, training = self.config.evaluation, self.config.training
        # A training step is about three passes of its batch.
        return evaluation.num_inference_steps * evaluation.curve_images / (3 * training.batch_size)

    @property
    def final_evaluations(self) -> float:
        evaluation = self.config.evaluation
        steps, all_steps = evaluation.num_inference_steps, evaluation.all_inference_steps
        once = judging_in_evaluations(all_steps, steps, evaluation.final_images, evaluation.curve_images)
        return once * (1 + len(evaluation.other_solvers))

    def runs(self) -> list[LatentDiffusionRun]:
        """The autoencoder, if it is not loaded; for each seed the main model, then the others.

        Before a model under a prior that is learned comes the run that learns it.
        """
        runs = []
        if self.config.space == "latent" and self.config.autoencoder.folder is None:
            runs.append(self._autoencoder_run)
        for seed in self.seeds:
            for name in self.config.names:
                needs = None
                if PRIORS[name.prior].is_learned:
                    runs.append(self._prior_run(name, seed))
                    needs = runs[-1].directory
                runs.append(self._model_run(name, seed, needs))
        return runs

    def prepare(self) -> Data:
        with_lines = any(TASKS[name.task].has_lines for name in self.config.names)
        pictures = prepare_pictures(self.config.corpus, with_lines)
        return Data(*pictures, self.config.evaluation.training_images)

    def task(self, run: LatentDiffusionRun, data: Data) -> TrainingTask:
        if run.model is None:
            return AutoencoderTask(run.config, data.all.training.images, data.all.validation.images)
        encodings, task = self._encodings(data), run.model.task
        variants, class_names = encodings.training(task), data.all.training.images.class_names
        if run.is_part:
            return PriorTask(run.config, variants, encodings.held_out(task), len(class_names))
        if run.needs is None:
            estimator = fit_estimator(run.config, variants, len(class_names))
        else:
            estimator = load_estimator(run.needs / "model")
        judge = self._judge(run, data)
        return DiffusionTask(run.config, variants, estimator, self._vae, class_names, judge)

    def judge(self, run: LatentDiffusionRun, data: Data) -> str:
        scores = self._judge(run, data).judge(run.directory)
        names = {"psnr": "PSNR {:.2f} dB", "psnr_hidden": "{:.2f} dB of the hidden part"}
        names["frechet"] = "Fréchet distance {:.2f}"
        return ", ".join(text.format(scores[name]) for name, text in names.items() if name in scores)

    def report(self, path: Path, runs: Sequence[LatentDiffusionRun], data: Data) -> None:
        write_report(path, self.config, runs, data)

    @cached_property
    def _vae(self) -> AutoencoderKL | None:
        """Once it has been trained."""
        if self.config.space == "pixel":
            return None
        return load_autoencoder(self.config.autoencoder.folder or self._autoencoder_run.directory / "model")

    def _encodings(self, data: Data) -> Encodings:
        """Once the autoencoder has been trained."""
        if self._encoded is None:
            self._encoded = Encodings(self.config, data, self._vae, self.output / "encoded")
        return self._encoded

    def _judge(self, run: LatentDiffusionRun, data: Data) -> Judge:
        """One for all runs of a task, who share what it has found once."""
        task = run.config.task
        if task not in self._judges:
            self._judges[task] = Judge(run.config, data.of(task), self._encodings(data))
        return self._judges[task]

    @cached_property
    def _autoencoder_run(self) -> LatentDiffusionRun:
        config, directory = decide_perceptual_weight(self.config), self.output / "autoencoder"
        training = config.autoencoder.training
        return LatentDiffusionRun("autoencoder", training.seed, directory, config, training, is_part=True)

    def _prior_run(self, name: ModelName, seed: int) -> LatentDiffusionRun:
        """The training of a prior; of the configuration it keeps what concerns the prior."""
        config = self._with_seed(self.config.of(name), seed)
        plain = LatentDiffusionConfig()
        config = replace(
            config,
            compare=[],
            unet=plain.unet,
            dit=plain.dit,
            scheduler=plain.scheduler,
            training=plain.training,
        )
        return LatentDiffusionRun(
            f"{name}, the prior",
            seed,
            self.output / f"{name.task}-{name.prior}-prior-seed{seed}",
            config,
            config.estimator.training,
            weight=_PRIOR_STEP,
            is_part=True,
            model=name,
        )

    def _model_run(self, name: ModelName, seed: int, needs: Path | None) -> LatentDiffusionRun:
        config = self._with_seed(self.config.of(name), seed)
        directory = self.output / f"{name.task}-{name.prior}-seed{seed}"
        return LatentDiffusionRun(
            str(name), seed, directory, config, config.training, needs=needs, model=name
        )

    @staticmethod
    def _with_seed(config: LatentDiffusionConfig, seed: int) -> LatentDiffusionConfig:
        estimator = config.estimator
        return replace(
            config,
            training=replace(config.training, seed=seed),
            estimator=replace(estimator, training=replace(estimator.training, seed=seed)),
        )
