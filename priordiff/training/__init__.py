"""The training loop that all examples share: configuration, data order, checkpoints, evaluation."""

try:
    import accelerate  # noqa: F401
    import omegaconf  # noqa: F401
    import tqdm  # noqa: F401
except ImportError as error:
    raise ImportError(
        f"priordiff.training needs {error.name}: install it with pip install 'priordiff[train]'"
    ) from error

from priordiff.training.config import ADJUSTABLE, expect, load_config, save_config
from priordiff.training.data import Draw, TrainingDataset
from priordiff.training.gradients import TrainingDivergedError
from priordiff.training.loop import Trainer
from priordiff.training.metrics import read_metrics
from priordiff.training.options import TrainingConfig
from priordiff.training.precision import AUTO
from priordiff.training.processes import join_processes
from priordiff.training.shard_order import ShardOrder
from priordiff.training.task import Evaluation, TrainingTask
from priordiff.training.time_left import TimeLeft

__all__ = [
    "ADJUSTABLE",
    "AUTO",
    "Draw",
    "Evaluation",
    "ShardOrder",
    "TimeLeft",
    "Trainer",
    "TrainingConfig",
    "TrainingDataset",
    "TrainingDivergedError",
    "TrainingTask",
    "expect",
    "join_processes",
    "load_config",
    "read_metrics",
    "save_config",
]
