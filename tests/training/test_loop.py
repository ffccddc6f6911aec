import math
import signal

import pytest
import torch

from priordiff.training import Trainer, TrainingDivergedError, read_metrics
from priordiff.training.gradients import accumulate_gradients
from tests.training.toy import ToyTask, assert_same, final_state, toy_training, train, train_in_process


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("unbroken") / "run"
    train(run_dir, "dropout=0.3")
    return run_dir


@pytest.mark.parametrize(
    "overrides",
    [
        ["dropout=0.3"],
        ["dropout=0.3", "training.gradient_accumulation_steps=3", "training.ema_decay=null"],
        ["training.mixed_precision=bf16", "training.lr_scheduler=constant", "training.lr_warmup_steps=0"],
    ],
)
def test_a_stopped_and_resumed_run_ends_with_the_bits_of_an_unbroken_one(tmp_path, overrides):
    train(tmp_path / "unbroken", *overrides)
    stopped = tmp_path / "stopped"
    calls = 3 * 5 if "training.gradient_accumulation_steps=3" in overrides else 5
    train(stopped, *overrides, signal_at=calls, signal_number=signal.SIGTERM)
    assert final_state(stopped)["step"] == "step-00000005"
    assert not (stopped / "model").exists()
    train(stopped, *overrides, resume=True)
    assert_same(final_state(stopped), final_state(tmp_path / "unbroken"))


def test_a_resumed_run_has_the_history_of_an_unbroken_one(unbroken, tmp_path):
    train(tmp_path, "dropout=0.3", signal_at=6, signal_number=signal.SIGINT)
    train(tmp_path, "dropout=0.3", resume=True)
    histories = [[{**row, "seconds": 0} for row in read_metrics(path)] for path in (tmp_path, unbroken)]
    assert histories[0] == histories[1]
    assert [(row["kind"], row["step"]) for row in histories[0]] == [
        (kind, step) for step in (3, 6, 8) for kind in ("train", "evaluation")
    ]


@pytest.mark.parametrize("fault", [{"signal_at": 6, "signal_number": signal.SIGKILL}, {"die_in_save": 3}])
def test_a_run_killed_in_a_step_or_a_save_resumes_to_the_bits_of_an_unbroken_one(unbroken, tmp_path, fault):
    assert train_in_process(tmp_path, "dropout=0.3", **fault) == [-signal.SIGKILL]
    assert final_state(tmp_path)["step"] == "step-00000004"
    assert any((tmp_path / "checkpoints").glob(".*.partial")) == ("die_in_save" in fault)
    train(tmp_path, "dropout=0.3", resume=True)
    assert_same(final_state(tmp_path), final_state(unbroken))
    assert not any((tmp_path / "checkpoints").glob(".*"))


def test_sigterm_saves_and_the_process_exits_cleanly(tmp_path):
    assert train_in_process(tmp_path, signal_at=3, signal_number=signal.SIGTERM) == [0]
    assert final_state(tmp_path)["step"] == "step-00000003"


def test_workers_and_evaluations_leave_the_weights_alone(unbroken, tmp_path):
    train(tmp_path, "dropout=0.3", "training.num_workers=2", "training.evaluate_every=null")
    assert_same(final_state(tmp_path), final_state(unbroken))


def test_a_run_can_be_evaluated_before_its_first_step_and_ends_with_the_same_weights(unbroken, tmp_path):
    at_start = ("dropout=0.3", "training.evaluate_at_start=true")
    train(tmp_path, *at_start, signal_at=5, signal_number=signal.SIGTERM)
    train(tmp_path, *at_start, resume=True)
    assert [row["step"] for row in read_metrics(tmp_path, "evaluation")] == [0, 3, 6, 8]
    assert_same(final_state(tmp_path), final_state(unbroken))


def test_two_processes_train_as_one_with_a_doubled_batch(tmp_path):
    train(tmp_path / "one", "training.batch_size=4")
    assert train_in_process(tmp_path / "two", "training.batch_size=2", num_processes=2) == [0, 0]
    one, two = final_state(tmp_path / "one"), final_state(tmp_path / "two")
    for part in ("model", "export"):
        for name, weights in one[part].items():
            torch.testing.assert_close(two[part][name], weights, rtol=1e-5, atol=1e-6)
    losses = [[row["loss"] for row in read_metrics(tmp_path / n, "train")] for n in ("one", "two")]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_a_signal_to_one_of_two_processes_stops_both_after_the_same_step(tmp_path):
    fault = {"signal_at": 3, "signal_number": signal.SIGTERM, "signal_rank": 1}
    assert train_in_process(tmp_path, "training.batch_size=2", num_processes=2, **fault) == [0, 0]
    assert final_state(tmp_path)["step"] == "step-00000003"


def test_accumulated_gradients_are_those_of_the_mean_over_all_unmasked_elements(tmp_path):
    gradients = []
    for accumulation in (1, 4):
        config = toy_training()
        config.batch_size, config.gradient_accumulation_steps = 8 // accumulation, accumulation
        task = ToyTask()
        trainer = Trainer(task, config, tmp_path)
        draws = [trainer.order.batch(0, number) for number in range(accumulation)]
        batches = [task.collate([task.dataset[draw] for draw in micro]) for micro in draws]
        accumulate_gradients(trainer.accelerator, task, trainer._model, batches, draws)
        gradients.append([p.grad for p in task.model.parameters()])
        if accumulation == 1:
            generators = [draw.generator("noise") for draw in draws[0]]
            sums = task.loss_sums(task.model, batches[0], generators)
            loss = sums["sine"] / batches[0]["mask"].sum() + sums["first"] / 8
            exact = torch.autograd.grad(loss, list(task.model.parameters()))
            torch.testing.assert_close(gradients[0], list(exact))
    torch.testing.assert_close(*gradients)


def test_a_nan_loss_stops_the_run_naming_step_and_files_and_keeps_the_last_checkpoint(tmp_path):
    with pytest.raises(TrainingDivergedError, match=r"the loss is nan in step 4 .*point-\d+\.wav") as error:
        train(tmp_path, "training.gradient_accumulation_steps=2", nan_at=8)
    assert "\n" not in str(error.value)
    assert "step-00000002" in str(error.value)
    assert error.value.step == 4
    assert len(error.value.names) == 4, "only the micro-batch with the NaN is to blame"
    assert math.isnan(error.value.gradient_norm)
    assert final_state(tmp_path)["step"] == "step-00000002"
    assert not (tmp_path / "model").exists()


def test_weights_that_blew_up_are_not_saved(tmp_path):
    task = ToyTask()
    config = toy_training()
    config.checkpoint_every, config.learning_rate, config.lr_scheduler = 1, 1e38, "constant"
    config.lr_warmup_steps, config.weight_decay = 0, 10.0
    with pytest.raises(TrainingDivergedError, match="the weights aren't finite in step 1"):
        Trainer(task, config, tmp_path).fit()
    assert not list((tmp_path / "checkpoints").glob("step-*"))


def test_averaged_weights_are_evaluated_and_exported(tmp_path):
    task = train(tmp_path, "dropout=0.3")
    state = final_state(tmp_path)
    shadow = state["training"]["ema"]["shadow_params"]
    assert_same(task.weights_evaluated, shadow)
    names = [name for name, _ in task.model.named_parameters()]
    assert_same([state["export"][name] for name in names], shadow)
    assert not torch.equal(shadow[0], state["model"]["0.weight"])
    assert task.evaluated == [3, 6, 8]
    assert task.model.forward.__func__ is torch.nn.Sequential.forward


def test_an_evaluation_that_was_cut_off_is_made_up_for(tmp_path, monkeypatch):
    def crash(self, step):
        raise RuntimeError("out of memory")

    with monkeypatch.context() as patch:
        patch.setattr(ToyTask, "evaluate", crash)
        with pytest.raises(RuntimeError, match="out of memory"):
            train(tmp_path, "training.checkpoint_every=3")
    task = train(tmp_path, "training.checkpoint_every=3", resume=True)
    assert task.evaluated == [3, 6, 8]


def test_a_finished_run_can_be_made_longer(tmp_path):
    constant = ["training.lr_scheduler=constant", "training.lr_warmup_steps=0"]
    train(tmp_path / "long", *constant, "training.num_steps=8")
    train(tmp_path / "short", *constant, "training.num_steps=5")
    train(tmp_path / "short", *constant, "training.num_steps=8", resume=True)
    assert_same(final_state(tmp_path / "short"), final_state(tmp_path / "long"))


def test_large_gradients_are_clipped_and_their_norm_before_it_is_logged(tmp_path):
    train(tmp_path / "free", "training.max_grad_norm=null", "training.num_steps=1")
    train(tmp_path / "clipped", "training.max_grad_norm=0.001", "training.num_steps=1")
    (free,), (clipped,) = (read_metrics(tmp_path / name, "train") for name in ("free", "clipped"))
    assert free["gradient_norm"] == clipped["gradient_norm"] > 0.1
    momentum = final_state(tmp_path / "clipped")["training"]["optimizer"]["state"].values()
    norm = torch.cat([s["exp_avg"].flatten() for s in momentum]).norm() / (1 - 0.9)
    assert float(norm) == pytest.approx(0.001, rel=1e-3)


def test_the_progress_bar_shows_loss_speed_and_time_left(tmp_path, capfd):
    train(tmp_path)
    line = capfd.readouterr().err.strip().split("\r")[-1]
    assert "8/8" in line
    assert "loss=" in line
    assert "step/s" in line or "s/step" in line
