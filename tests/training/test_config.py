from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from priordiff.training import ADJUSTABLE, TrainingConfig, expect, load_config, save_config
from priordiff.training.config import changed_keys


@dataclass
class Network:
    width: int = 8
    factor: float = 1.5
    kernel_sizes: list[int] = field(default_factory=lambda: [3, 5])
    prior: str | None = None
    data: Path = Path("corpus")

    def __post_init__(self) -> None:
        expect(self, "width", self.width > 0, "a positive integer")


@dataclass
class Run:
    network: Network = field(default_factory=Network)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    name: str = field(default="demo", metadata=ADJUSTABLE)
    spare: Network | None = None


def test_overrides_beat_the_file_and_the_file_beats_defaults(tmp_path):
    file = tmp_path / "run.yaml"
    file.write_text("network:\n  width: 16\n  kernel_sizes: [7]\ntraining: {mixed_precision: no}\n")
    run = load_config(
        Run, file, ["network.width=32", "training.learning_rate=1e-3", "network.data=my/folder"]
    )
    assert run.network == Network(width=32, kernel_sizes=[7], data=Path("my/folder"))
    assert run.training == TrainingConfig(learning_rate=1e-3, mixed_precision="no")


def test_a_section_that_may_be_left_out_is_there_once_it_has_a_key(tmp_path):
    assert load_config(Run).spare is None
    run = load_config(Run, overrides=["spare.width=3"])
    assert run.spare == Network(width=3)
    save_config(run, tmp_path / "config.yaml")
    assert load_config(Run, tmp_path / "config.yaml") == run
    assert load_config(Run, tmp_path / "config.yaml", ["spare=null"]).spare is None
    with pytest.raises(ValueError, match=r"spare.width is -1: expected a positive integer|width is -1"):
        load_config(Run, overrides=["spare.width=-1"])


@pytest.mark.parametrize(
    ("override", "value"), [("null", None), ("no", "no"), ("007", "007"), ("1e3", "1e3"), ("'a b'", "a b")]
)
def test_a_string_is_read_as_it_is_written(override, value):
    assert load_config(Run, overrides=[f"network.prior={override}"]).network.prior == value


def test_a_stored_configuration_is_read_back_equal(tmp_path):
    network = Network(width=3, factor=1e-9, kernel_sizes=[], prior="no", data=Path("a/b"))
    run = Run(
        network, TrainingConfig(max_grad_norm=None, trackers=[], adam_epsilon=1e-12), name="ünïcode: #1"
    )
    save_config(run, tmp_path / "folder" / "config.yaml")
    assert load_config(Run, tmp_path / "folder" / "config.yaml") == run
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["config.yaml"]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.bach_size=3", "unknown key 'training.bach_size'; did you mean 'training.batch_size'?"),
        ("batch_size=3", "unknown key 'batch_size'; did you mean 'training.batch_size'?"),
        ("netwrok.width=3", "unknown key 'netwrok'; did you mean 'network"),
        ("network.width=wide", "network.width is 'wide': expected int"),
        ("network.width=2.5", "network.width is 2.5: expected int"),
        ("network.width=null", "network.width is None: expected int"),
        ("network.width=0", "width is 0: expected a positive integer"),
        ("network.kernel_sizes=[a]", "network.kernel_sizes is ['a']: expected list[int]"),
        ("network=3", "network is 3: expected a section"),
        ("training.learning_rate=nan", "learning_rate is nan: expected a positive number"),
        ("training.max_grad_norm=-1", "max_grad_norm is -1.0: expected a positive number, or null"),
        ("training.ema_decay=1", "ema_decay is 1.0: expected a number in [0, 1), or null"),
        ("training.evaluate_every=0", "evaluate_every is 0: expected an integer of at least 1, or null"),
        ("training.mixed_precision=fp8", "mixed_precision is 'fp8': expected auto, no, bf16 or fp16"),
        ("training.lr_scheduler=cosin", "lr_scheduler is 'cosin': expected one of constant"),
        (
            "training.lr_warmup_steps=5",
            "lr_warmup_steps is 5: expected 0, or lr_scheduler constant_with_warmup",
        ),
        ("training.seed", "'training.seed' is no override: expected key=value"),
        ("training.seed=[1", "is no override"),
    ],
)
def test_a_bad_override_is_a_one_line_error(override, message):
    with pytest.raises(ValueError, match=r"^[^\n]*$") as error:
        load_config(Run, overrides=[override])
    assert message in str(error.value)


def test_errors_in_a_file_name_it(tmp_path):
    file = tmp_path / "run.yaml"
    file.write_text("network: {wdith: 3}")
    with pytest.raises(
        ValueError, match=r"run\.yaml: unknown key 'network\.wdith'; did you mean 'network\.width'"
    ):
        load_config(Run, file)
    file.write_text("network: [")
    with pytest.raises(ValueError, match=r"run\.yaml is no valid YAML"):
        load_config(Run, file)
    file.write_text("just words")
    with pytest.raises(ValueError, match=r"run\.yaml: expected keys and values"):
        load_config(Run, file)
    file.write_text("")
    assert load_config(Run, file) == Run()
    with pytest.raises(FileNotFoundError, match=r"there is no configuration file .*other\.yaml"):
        load_config(Run, tmp_path / "other.yaml")


def test_a_value_left_open_fits_whatever_was_decided_but_no_other_one_does():
    begun, open_, other = (Run(training=TrainingConfig(mixed_precision=p)) for p in ("bf16", "auto", "no"))
    assert not list(changed_keys(begun, open_))
    assert list(changed_keys(begun, other)) == [("training.mixed_precision", "bf16", "no")]


def test_only_changes_that_alter_the_result_count():
    changed = Run(Network(width=9), TrainingConfig(num_steps=5, seed=4), name="other")
    assert list(changed_keys(Run(), changed)) == [("network.width", 8, 9), ("training.seed", 0, 4)]
