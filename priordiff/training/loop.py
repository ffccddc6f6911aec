"""The training loop."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import math
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator, InitProcessGroupKwargs
from accelerate.utils import ProjectConfiguration, broadcast_object_list, set_seed
from diffusers.optimization import get_scheduler
from diffusers.training_utils import EMAModel
from tqdm import tqdm

from priordiff.training.atomic import partial_path, publish, remove_partials
from priordiff.training.checkpoints import Checkpoints, Progress, TrainingState
from priordiff.training.config import changed_keys, load_config, save_config
from priordiff.training.data import BatchOrder, make_loader, seed_for
from priordiff.training.gradients import TrainingDivergedError, accumulate_gradients, diverged
from priordiff.training.metrics import MetricsLog, read_metrics
from priordiff.training.options import TrainingConfig
from priordiff.training.signals import StopRequest, ignore_interrupts
from priordiff.training.task import TrainingTask
from priordiff.training.trackers import check_trackers, log_evaluation, start_trackers

__all__ = ["Trainer", "TrainingDivergedError"]


class Trainer:
    """Trains a task on whatever devices and processes there are.

    The folder of a run holds ``config.yaml``, ``metrics.jsonl``, ``checkpoints/``, the trackers' ``logs/`` and, in
    the end, what the task exports in ``model/``.

    Args:
        task: What is trained.
        config: Options of the loop.
        run_dir: Folder of the run; made where it is missing.
        run_config: Configuration that is stored with the run and must not change when it is resumed (save for
            fields made with [`adjustable`][priordiff.training.adjustable]): an instance of a dataclass, usually one
            that ``config`` is a part of; by default ``config`` itself.

    Raises:
        ValueError: If a tracker is unknown, or the device can't do ``mixed_precision``.
        ImportError: If a tracker isn't installed.
    """

    def __init__(
        self, task: TrainingTask, config: TrainingConfig, run_dir: Path | str, run_config: Any | None = None
    ) -> None:
        check_trackers(config.trackers)
        self.task, self.config, self.run_dir = task, config, Path(run_dir)
        self.run_config = config if run_config is None else run_config
        self.accelerator = Accelerator(
            mixed_precision=config.mixed_precision,
            log_with=list(config.trackers),
            project_config=ProjectConfiguration(str(self.run_dir), logging_dir=str(self.run_dir / "logs")),
            # The others wait while the main process evaluates.
            kwargs_handlers=[InitProcessGroupKwargs(timeout=timedelta(hours=2))],
        )
        # The environment of `accelerate launch` can set it; the loop accumulates by itself.
        self.accelerator.gradient_accumulation_steps = 1
        self.order = BatchOrder(
            len(task.dataset),
            config.batch_size,
            config.seed,
            config.gradient_accumulation_steps,
            self.accelerator.num_processes,
            self.accelerator.process_index,
        )
        optimizer = torch.optim.AdamW(
            [p for p in task.model.parameters() if p.requires_grad],
            lr=config.learning_rate,
            betas=(config.adam_beta1, config.adam_beta2),
            eps=config.adam_epsilon,
            weight_decay=config.weight_decay,
            fused=self.accelerator.device.type in ("cpu", "cuda") or None,
        )
        lr_scheduler = get_scheduler(
            config.lr_scheduler,
            optimizer,
            num_warmup_steps=config.lr_warmup_steps,
            num_training_steps=config.num_steps,
        )
        self._model, self._optimizer = self.accelerator.prepare(task.model, optimizer)
        # After prepare, which gives all processes the weights of the first.
        ema = None
        if config.ema_decay is not None:
            ema = EMAModel(task.model.parameters(), decay=config.ema_decay, foreach=True)
        progress = Progress(
            global_batch_size=self.order.global_batch_size, dataset_size=self.order.dataset_size
        )
        self.state = TrainingState(
            task.model, self._optimizer, lr_scheduler, ema, self.accelerator.scaler, progress
        )
        self.checkpoints = Checkpoints(self.run_dir, config.keep_checkpoints)

    def fit(self, resume: bool = False) -> bool:
        """Train up to the last step, then export; SIGINT and SIGTERM save and stop.

        Args:
            resume: Whether to go on from the last checkpoint, if there is one.

        Returns:
            Whether the last step was reached.

        Raises:
            FileExistsError: If the folder holds a run and ``resume`` is false.
            ValueError: If the run was made with another configuration, batch size or dataset.
            OSError: If the folder can't be written; earlier checkpoints are kept.
            TrainingDivergedError: If loss, gradients or weights are infinite or NaN.
        """
        checkpoint = self._restore(resume)
        self.accelerator.wait_for_everyone()
        self._on_main(self._open_run)
        with StopRequest() as stop, self._bar() as bar:
            try:
                if (
                    checkpoint is not None
                    and self._is_due(self.config.evaluate_every)
                    and not self._is_evaluated()
                ):
                    self._evaluate()
                finished = self._train(stop, bar)
            finally:
                for tracker in self.accelerator.trackers:
                    tracker.finish()
        if finished:
            self._on_main(self._export)
        self.accelerator.unwrap_model(self._model, keep_fp32_wrapper=False)
        return finished

    def _train(self, stop: StopRequest, bar: tqdm) -> bool:
        progress, config = self.state.progress, self.config
        batches = iter(
            make_loader(
                self.task.dataset,
                self.task.collate,
                self.order,
                progress.step,
                config.num_steps,
                config.num_workers,
                pin_memory=self.accelerator.device.type == "cuda",
                worker_init=ignore_interrupts,
            )
        )
        self._model.train()
        while progress.step < config.num_steps:
            started = time.perf_counter()
            step_batches = list(itertools.islice(batches, config.gradient_accumulation_steps))
            loss, gradient_norm, stopping = self._step(step_batches, stop)
            progress.seconds += time.perf_counter() - started
            bar.set_postfix(loss=f"{loss:.4f}", refresh=False)
            bar.update()
            if self._is_due(config.log_every):
                self._log()
            if stopping or self._is_due(config.checkpoint_every):
                self._check_weights(step_batches, gradient_norm)
                self._on_main(lambda: self.checkpoints.save(self.state))
            if stopping:
                bar.write(f"stopped after step {progress.step}, saved in {self.run_dir}", file=sys.stderr)
                return False
            if self._is_due(config.evaluate_every):
                self._evaluate()
        return True

    def _step(self, batches: Sequence[Any], stop: StopRequest) -> tuple[float, float, bool]:
        progress = self.state.progress
        # Global random numbers (dropout) are functions of the step too: nothing between steps can disturb them.
        set_seed(
            seed_for(self.config.seed, f"step on process {self.accelerator.process_index}", progress.step)
        )
        draws = [self.order.batch(progress.step, number) for number in range(len(batches))]
        shares = accumulate_gradients(self.accelerator, self.task, self._model, batches, draws)
        norm_limit = self.config.max_grad_norm or math.inf
        norm = float(self.accelerator.clip_grad_norm_(self._model.parameters(), norm_limit))
        names = list(shares[0])
        mine = [sum(share[name] for share in shares) for name in names]
        flag = torch.tensor(float(stop.requested), device=self.accelerator.device)
        *losses, stopping = self.accelerator.reduce(torch.stack([*mine, flag]), reduction="sum").tolist()
        loss = sum(losses)
        scaler = self.state.scaler
        overflow = (
            scaler is not None and scaler.get_scale() > 1
        )  # the scaler skips the step and lowers its scale
        if not math.isfinite(loss) or not (math.isfinite(norm) or overflow):
            suspect = [not all(v.isfinite() for v in s.values()) or math.isfinite(loss) for s in shares]
            what = f"the loss is {loss}" if not math.isfinite(loss) else "the gradients aren't finite"
            raise diverged(
                self.task, batches, suspect, what, progress.step + 1, norm, self.checkpoints.latest()
            )
        values = {
            "loss": loss,
            "gradient_norm": norm,
            "learning_rate": self.state.lr_scheduler.get_last_lr()[0],
        }
        if len(names) > 1:
            values |= {f"loss/{name}": value for name, value in zip(names, losses, strict=True)}
        for name, value in values.items():
            if math.isfinite(value):
                progress.window.setdefault(name, []).append(value)
        self._optimizer.step()
        self._optimizer.zero_grad()
        self.state.lr_scheduler.step()
        if self.state.ema is not None:
            self.state.ema.step(self.task.model.parameters())
        progress.step += 1
        return loss, norm, stopping > 0

    def _is_due(self, every: int | None) -> bool:
        step = self.state.progress.step
        return step == self.config.num_steps or bool(every and step % every == 0)

    def _check_weights(self, batches: Sequence[Any], gradient_norm: float) -> None:
        if all(bool(p.isfinite().all()) for p in self.task.model.parameters()):
            return
        step, latest = self.state.progress.step, self.checkpoints.latest()
        everything = [True] * len(batches)
        raise diverged(
            self.task, batches, everything, "the weights aren't finite", step, gradient_norm, latest
        )

    def _log(self) -> None:
        progress = self.state.progress
        values = {name: statistics.fmean(window) for name, window in progress.window.items()}
        values["learning_rate"] = progress.window["learning_rate"][-1]
        progress.window.clear()
        if self.accelerator.is_main_process:
            self._metrics.write("train", progress.step, progress.seconds, values)
        self.accelerator.log({f"train/{name}": value for name, value in values.items()}, step=progress.step)

    def _evaluate(self) -> None:
        progress = self.state.progress
        if self.accelerator.is_main_process:
            set_seed(seed_for(self.config.seed, "evaluation", 0))
            with self._averaged_weights():
                evaluation = self.task.evaluate(progress.step)
            self._metrics.write("evaluation", progress.step, progress.seconds, evaluation.metrics)
            log_evaluation(self.accelerator, evaluation, progress.step)
        self.accelerator.wait_for_everyone()

    @contextlib.contextmanager
    def _averaged_weights(self) -> Iterator[None]:
        model, ema = self.task.model, self.state.ema
        parameters = list(model.parameters())
        if ema is not None:
            ema.store(parameters)
            ema.copy_to(parameters)
        model.eval()
        try:
            with torch.no_grad():
                yield
        finally:
            model.train()
            if ema is not None:
                ema.restore(parameters)

    def _export(self) -> None:
        path = self.run_dir / "model"
        partial = partial_path(path)
        try:
            partial.mkdir()
            with self._averaged_weights():
                self.task.save(partial)
            publish(partial, path)
        except OSError as error:
            shutil.rmtree(partial, ignore_errors=True)
            reason = error.strerror or error
            raise OSError(
                f"could not export to {path} ({reason}): check free space and permissions"
            ) from error

    def _restore(self, resume: bool) -> Path | None:
        checkpoint = self.checkpoints.latest()
        if checkpoint is None:
            return None
        if not resume:
            raise FileExistsError(
                f"{self.run_dir} holds a run of {self.checkpoints.step_of(checkpoint)} steps: "
                "pass --resume to continue it, or choose another folder"
            )
        stored = load_config(type(self.run_config), self.run_dir / "config.yaml")
        for key, before, after in changed_keys(stored, self.run_config):
            raise ValueError(
                f"{key} is {after!r}, but the run in {self.run_dir} has {before!r}: can't resume it"
            )
        expected = self.state.progress
        self.state.load(checkpoint)
        progress = self.state.progress
        for name in ("global_batch_size", "dataset_size"):
            before, after = getattr(progress, name), getattr(expected, name)
            if before != after:
                raise ValueError(
                    f"{name} is {after}, but the run in {self.run_dir} has {before}: can't resume it"
                )
        if progress.step > self.config.num_steps:
            raise ValueError(
                f"num_steps is {self.config.num_steps}, but the run in {self.run_dir} has taken {progress.step}"
            )
        return checkpoint

    def _open_run(self) -> None:
        step = self.state.progress.step
        remove_partials(self.run_dir)
        self.checkpoints.clean()
        save_config(self.run_config, self.run_dir / "config.yaml")
        self._metrics = MetricsLog(self.run_dir, step)
        start_trackers(
            self.accelerator, self.run_dir, (self.run_dir / "config.yaml").read_text("utf-8"), step
        )

    def _is_evaluated(self) -> bool:
        rows = read_metrics(self.run_dir, "evaluation")
        return any(row["step"] == self.state.progress.step for row in rows)

    def _on_main(self, action: Callable[[], object]) -> None:
        failure: list[OSError | None] = [None]
        if self.accelerator.is_main_process:
            try:
                action()
            except OSError as error:
                failure = [error]
        broadcast_object_list(failure)
        if failure[0] is not None:
            raise failure[0]

    def _bar(self) -> tqdm:
        return tqdm(
            desc=self.run_dir.name,
            total=self.config.num_steps,
            initial=self.state.progress.step,
            disable=not self.accelerator.is_main_process,
            unit="step",
            dynamic_ncols=True,
        )
