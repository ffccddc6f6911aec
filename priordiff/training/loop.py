"""The training loop."""

from __future__ import annotations

import copy
import itertools
import math
import statistics
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import set_seed
from diffusers.training_utils import EMAModel

from priordiff.training.acceleration import prepare_network, tf32_products
from priordiff.training.checkpoints import Progress, TrainingState
from priordiff.training.data import make_loader, make_order, seed_for
from priordiff.training.gradients import accumulate_gradients, divergence_error
from priordiff.training.optimization import make_optimizer
from priordiff.training.options import TrainingConfig
from priordiff.training.precision import AUTO, choose_precision
from priordiff.training.processes import (
    from_main_process,
    join_processes,
    make_accelerator,
    on_main_process,
)
from priordiff.training.progress_bar import ProgressBar
from priordiff.training.run_folder import RunFolder
from priordiff.training.sharding import copy_if_sharded, gather
from priordiff.training.signals import StopRequest, ignore_interrupts
from priordiff.training.step_values import StepValues
from priordiff.training.task import TrainingTask
from priordiff.training.time_left import TimeLeft
from priordiff.training.trackers import check_trackers, log_evaluation, start_trackers
from priordiff.training.weights import averaged_weights

__all__ = ["Trainer"]


class Trainer:
    """Trains a task on whatever devices and processes there are.

    The folder of a run holds ``config.yaml``, ``metrics.jsonl``, ``checkpoints/``, the trackers' ``logs/``
    and, in the end, what the task exports in ``model/``.

    Args:
        task: What is trained.
        config: Options of the loop.
        run_dir: Folder of the run; made where it is missing.
        run_config: Configuration that is stored with the run and must not change when it is resumed, save for
            fields with the metadata `ADJUSTABLE`: an instance of a dataclass that ``config`` is a part of;
            by default ``config`` itself.

    Raises:
        ValueError: If a tracker is unknown, the device can't do ``mixed_precision``, ``tf32`` or ``compile``,
            the network no ``gradient_checkpointing``, or what ``auto`` chooses can't be stored, since
            ``config`` is no part of ``run_config``.
        ImportError: If a tracker isn't installed.
    """

    def __init__(
        self, task: TrainingTask, config: TrainingConfig, run_dir: Path | str, run_config: Any | None = None
    ) -> None:
        check_trackers(config.trackers)
        # Copied at once, so that the one stays a part of the other: what is decided here is stored with it.
        config, run_config = copy.deepcopy((config, config if run_config is None else run_config))
        self.task, self.config = task, config
        self.folder = RunFolder(Path(run_dir), run_config, config.keep_checkpoints)
        config.mixed_precision = self._choose_precision(join_processes().device)
        self.accelerator = make_accelerator(config, run_dir)
        which = self.accelerator.num_processes, self.accelerator.process_index
        self.order = make_order(task.dataset, config, *which)
        self.state = self._prepare()
        self._found: deque[StepValues] = deque()  # what steps have found and no one has looked at
        self._loss, self._stopping = math.nan, False

    def _choose_precision(self, device: torch.device) -> str:
        """The precision with which the run was begun, unless the configuration insists on one."""
        config = self.config
        if config.mixed_precision == AUTO:
            config = self.folder.stored_section(config) or config
        return from_main_process(lambda: choose_precision(config.mixed_precision, device))

    def _prepare(self) -> TrainingState:
        config, model = self.config, self.task.model
        prepare_network(model, config, self.accelerator.device)
        sharded = copy_if_sharded(model, self.accelerator)
        trained = sharded or model
        optimizer, lr_scheduler = make_optimizer(trained, config, self.accelerator.device)
        self._model, self._optimizer = self.accelerator.prepare(trained, optimizer)
        ema = None
        if config.ema_decay is not None:
            # After prepare, which gives all processes the weights of the first.
            ema = EMAModel(trained.parameters(), decay=config.ema_decay, foreach=True)
        order, scaler = self.order, self.accelerator.scaler
        progress = Progress(global_batch_size=order.global_batch_size, dataset_size=order.dataset_size)
        return TrainingState(model, self._optimizer, lr_scheduler, ema, scaler, progress, sharded)

    def fit(self, resume: bool = False, time_left: TimeLeft | None = None) -> bool:
        """Train up to the last step, then export; SIGINT and SIGTERM save and stop. To be called once.

        Args:
            resume: Whether to go on from the last checkpoint, if there is one.
            time_left: Of all the runs that this one is among, for the progress bar; it learns what is done.

        Returns:
            Whether the last step was reached.

        Raises:
            FileExistsError: If the folder holds a run and ``resume`` is false.
            ValueError: If the run was made with another configuration, batch size or dataset.
            OSError: If the folder can't be written; earlier checkpoints are kept.
            TrainingDivergedError: If loss, gradients or weights are infinite or NaN.
        """
        resumed = self.folder.restore(self.state, self.config.num_steps, resume)
        self.accelerator.wait_for_everyone()
        on_main_process(self.accelerator, self._open)
        try:
            every, at_start = self.config.evaluate_every, self.config.evaluate_at_start
            if self._is_due(every) if resumed else at_start:
                self._use_averaged(self._evaluate_if_missing)
            with StopRequest() as stop, self._progress_bar(time_left) as bar, tf32_products(self.config.tf32):
                finished = self._train(stop, bar)
        finally:
            for tracker in self.accelerator.trackers:
                tracker.finish()
            self.accelerator.unwrap_model(self._model, keep_fp32_wrapper=False)
        if finished:
            self._use_averaged(self._export)
        return finished

    def _train(self, stop: StopRequest, bar: ProgressBar) -> bool:
        progress, config = self.state.progress, self.config
        steps = progress.step, config.num_steps, config.num_workers
        pinned = self.accelerator.device.type == "cuda"
        data = self.task.dataset, self.task.collate, self.order
        micro_batches = iter(make_loader(*data, *steps, pin_memory=pinned, worker_init=ignore_interrupts))
        everys = config.log_every, config.checkpoint_every, config.evaluate_every
        self._model.train()
        while progress.step < config.num_steps:
            started = time.perf_counter()
            batches = list(itertools.islice(micro_batches, config.gradient_accumulation_steps))
            self._step(batches, stop)
            log, save, evaluate = map(self._is_due, everys)
            self._look(ahead=1)
            if log or save or evaluate or self._stopping:
                self._look(ahead=0)
            progress.seconds += time.perf_counter() - started
            bar.step(self._loss)
            if log:
                on_main_process(self.accelerator, self._log)
                progress.window.clear()
            if self._stopping or save:
                self._save(batches)
            if self._stopping:
                bar.write(f"stopped after step {progress.step}, saved in {self.folder.path}")
                return False
            if evaluate:
                self._use_averaged(self._evaluate)
                bar.evaluated()
        return True

    def _step(self, batches: Sequence[Any], stop: StopRequest) -> None:
        progress, accelerator = self.state.progress, self.accelerator
        # Global random numbers (dropout) are functions of the step too: nothing between steps disturbs them.
        set_seed(seed_for(self.config.seed, f"step on {accelerator.process_index}", progress.step))
        draws = [self.order.batch(progress.step, number) for number in range(len(batches))]
        shares = accumulate_gradients(accelerator, self.task, self._model, batches, draws)
        limit = self.config.max_grad_norm or math.inf
        norm = gather(accelerator.clip_grad_norm_(self._model.parameters(), limit))
        learning_rate = float(self.state.lr_scheduler.get_last_lr()[0])
        about = stop.requested, batches, progress.step + 1, learning_rate
        self._found.append(StepValues(accelerator, shares, norm, *about))
        if not StepValues.come_later(accelerator.device):
            self._look(ahead=0)
        self._optimizer.step()
        self._optimizer.zero_grad()
        self.state.lr_scheduler.step()
        if self.state.ema is not None:
            self.state.ema.step(self.state.trained.parameters())
        progress.step += 1

    def _look(self, ahead: int) -> None:
        """Look at what the steps have found, but for the last few, of which an accelerator may be busy."""
        while len(self._found) > ahead:
            values = self._found.popleft().arrived()
            if problem := values.problem(self.state.scaler):
                raise self._diverged(*problem, values.step, values.gradient_norm)
            for name, value in values.logged().items():
                self.state.progress.window.setdefault(name, []).append(value)
            self._loss, self._stopping = values.loss, self._stopping or values.stopping

    def _is_due(self, every: int | None) -> bool:
        step = self.state.progress.step
        return step == self.config.num_steps or bool(every and step % every == 0)

    def _diverged(self, what: str, batches: Sequence[Any], step: int, gradient_norm: float) -> Exception:
        names = [name for batch in batches for name in self.task.names(batch)]
        return divergence_error(what, names, step, gradient_norm, self.folder.checkpoints.latest())

    def _save(self, batches: Sequence[Any]) -> None:
        self.state.gather()
        if not all(p.isfinite().all() for p in self.task.model.parameters()):
            norm = self.state.progress.window.get("gradient_norm", [math.nan])[-1]
            raise self._diverged("the weights aren't finite", batches, self.state.progress.step, norm)
        on_main_process(self.accelerator, lambda: self.folder.checkpoints.save(self.state))

    def _open(self) -> None:
        self.folder.open(self.state.progress.step)
        start_trackers(self.accelerator, self.folder.path, self.state.progress.step)

    def _log(self) -> None:
        progress = self.state.progress
        values = {name: statistics.fmean(window) for name, window in progress.window.items()}
        values["learning_rate"] = progress.window["learning_rate"][-1]
        self.folder.metrics.write("train", progress.step, progress.seconds, values)
        self.accelerator.log({f"train/{name}": v for name, v in values.items()}, step=progress.step)

    def _use_averaged(self, action: Callable[[], None]) -> None:
        self.state.gather(averaged=True)
        on_main_process(self.accelerator, action)

    def _evaluate(self) -> None:
        progress = self.state.progress
        set_seed(seed_for(self.config.seed, "evaluation", 0))
        with averaged_weights(self.state):
            evaluation = self.task.evaluate(progress.step)
        self.folder.metrics.write("evaluation", progress.step, progress.seconds, evaluation.metrics)
        log_evaluation(self.accelerator, evaluation, progress.step)

    def _evaluate_if_missing(self) -> None:
        if not self.folder.metrics.is_evaluated(self.state.progress.step):
            self._evaluate()

    def _export(self) -> None:
        self.task.model.to(memory_format=torch.contiguous_format)  # as files hold them
        with averaged_weights(self.state):
            self.folder.export(self.task.save)

    def _progress_bar(self, time_left: TimeLeft | None) -> ProgressBar:
        steps = self.state.progress.step, self.config.num_steps
        return ProgressBar(self.folder.path.name, *steps, time_left, self.accelerator.is_main_process)
