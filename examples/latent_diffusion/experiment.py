"""The models that are compared, and the autoencoder that they share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from accelerate import PartialState
from diffusers import AutoencoderKL

from latent_diffusion.autoencoding import AutoencoderTask
from latent_diffusion.configuration import LatentDiffusionConfig, ModelName
from latent_diffusion.encoding import Encodings, load_autoencoder, sentence_encoder
from latent_diffusion.estimation import fit_estimator, load_estimator
from latent_diffusion.fine_tuning import check_tuning
from latent_diffusion.judging import Judge
from latent_diffusion.network import check_sampling, make_network
from latent_diffusion.perceptual import decide_perceptual_weight
from latent_diffusion.pictures import prepare_pictures
from latent_diffusion.prior_task import PriorTask
from latent_diffusion.priors import PRIORS
from latent_diffusion.references import Data, feature_network
from latent_diffusion.results import write_report
from latent_diffusion.sizes import check_sizes, sample_shape
from latent_diffusion.starting import load_initial, start_from
from latent_diffusion.task import DiffusionTask
from latent_diffusion.tasks import TASKS
from priordiff import PriorEstimator
from priordiff.experiments import Experiment, Origins, Run, judging_in_evaluations, weights_fingerprint
from priordiff.training import TrainingTask

__all__ = ["LatentDiffusionExperiment", "LatentDiffusionRun"]


# Of a denoiser's, as measured with the networks of the demo.
_PRIOR_STEP = 0.3


@dataclass(frozen=True)
class LatentDiffusionRun(Run):
    """The training of a model, of a prior that it needs, or of the autoencoder.

    Attributes:
        model: task, prior and tuning; None for the autoencoder.
    """

    config: LatentDiffusionConfig = field(compare=False)
    model: ModelName | None = field(default=None, kw_only=True)


class LatentDiffusionExperiment(Experiment[LatentDiffusionConfig, LatentDiffusionRun]):
    """The main model and those of `compare`, for every seed, in the latents of one autoencoder."""

    _encoded: Encodings | None = None

    def __init__(self, config: LatentDiffusionConfig, seeds: Sequence[int], output: Path) -> None:
        check_sampling(config)
        super().__init__(config, seeds, output)
        if config.space == "pixel" or self._trains_autoencoder:
            check_sizes(config, sample_shape(config))
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

        Before a model under a prior that is learned comes the run that learns it; models that go on from
        another one come last.
        """
        runs: dict[Path, LatentDiffusionRun] = {}  # two models may need the same prior
        if self._trains_autoencoder:
            runs[self._autoencoder_run.directory] = self._autoencoder_run
        for seed in self.seeds:
            for name in sorted(self.config.names, key=lambda name: name.tuning is not None):
                if PRIORS[name.prior].is_learned:
                    run = self._prior_run(name, seed)
                    runs[run.directory] = run
                run = self._model_run(name, seed)
                runs[run.directory] = run
        return list(runs.values())

    def prepare(self) -> Data:
        for name in self.config.names:
            check_tuning(name.tuning)
        if not self._trains_autoencoder and self._vae is not None:
            check_sizes(self.config, sample_shape(self.config, self._vae))
        with_lines = any(TASKS[name.task].has_lines for name in self.config.names)
        pictures = prepare_pictures(self.config.corpus, with_lines)
        data = Data(*pictures, self.config.evaluation.training_images)
        self._check_judging(data)  # before hours of training rather than after them
        self._check_initial(data)
        return data

    def task(self, run: LatentDiffusionRun, data: Data) -> TrainingTask:
        if run.model is None:
            return AutoencoderTask(run.config, data.all.training.images, data.all.validation.images)
        encodings, task, class_names = self._encodings(data), run.model.task, data.class_names
        variants = encodings.training(task)
        if run.is_part:
            return PriorTask(run.config, variants, encodings.held_out(task), len(class_names))
        estimator: PriorEstimator | None
        if PRIORS[run.model.prior].is_learned:
            estimator = load_estimator(self._prior_run(run.model, run.seed).directory / "model")
        else:
            estimator = fit_estimator(run.config, variants, len(class_names))
        judge, start = self._judge(run, data), self._start(run.model, run.seed)
        return DiffusionTask(run.config, variants, estimator, self._vae, class_names, judge, start)

    def origins(self, run: LatentDiffusionRun, data: Data) -> Origins:
        references = data.all if run.model is None else data.of(run.model.task)
        origins: dict[str, Path | str] = {"training images": references.training.fingerprint}
        if run.model is not None and self._trains_autoencoder:
            origins["autoencoder"] = self._autoencoder_run.directory
        elif run.model is not None and self._vae is not None:
            origins["autoencoder"] = weights_fingerprint(self._vae.state_dict())
        return {**origins, **super().origins(run, data)}

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
        folder, initial = self.config.autoencoder_folder, self.config.initial
        if folder is not None or initial is None:
            return load_autoencoder(folder or self._autoencoder_run.directory / "model")
        vae = load_initial(initial).vae
        return None if vae is None else vae.eval().requires_grad_(False).to(PartialState().device)

    @property
    def _trains_autoencoder(self) -> bool:
        config = self.config
        return config.space == "latent" and config.autoencoder_folder is None and config.initial is None

    def _check_judging(self, data: Data) -> None:
        feature_network()
        if any(TASKS[name.task].has_text for name in self.config.names):
            sentence_encoder()
        for name in self.config.names:
            data.check(name.task)

    def _check_initial(self, data: Data) -> None:
        """Refuses a start that does not fit, before models are trained that do not need it."""
        for config in map(self.config.of, self.config.names):
            if config.initial is not None:
                images, names = self._encodings(data).training(config.task), data.class_names
                start_from(
                    config.initial, config, make_network(config, images[0], len(names)), self._vae, names
                )

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

    def _start(self, name: ModelName, seed: int) -> Path | None:
        """The folder of the model that one goes on from; None if it is trained from scratch."""
        if name.tuning is None:
            return None
        initial = self.config.initial_of(name)
        return self._model_run(name.start, seed).directory if initial is None else Path(initial)

    def _prior_run(self, name: ModelName, seed: int) -> LatentDiffusionRun:
        """The training of a prior, for models of any tuning.

        Of the configuration it keeps what concerns the prior.
        """
        name = ModelName(name.task, name.prior)
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

    def _model_run(self, name: ModelName, seed: int) -> LatentDiffusionRun:
        config = self._with_seed(self.config.of(name), seed)
        directory = self.output / name.folder_name(seed)
        needs = []
        if PRIORS[name.prior].is_learned:
            needs.append(self._prior_run(name, seed).directory)
        if name.tuning is not None and config.initial is None:
            needs.append(self._model_run(name.start, seed).directory)
        return LatentDiffusionRun(
            str(name), seed, directory, config, config.training, needs=tuple(needs), model=name
        )

    @staticmethod
    def _with_seed(config: LatentDiffusionConfig, seed: int) -> LatentDiffusionConfig:
        estimator = config.estimator
        return replace(
            config,
            training=replace(config.training, seed=seed),
            estimator=replace(estimator, training=replace(estimator.training, seed=seed)),
        )
