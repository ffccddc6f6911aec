"""Trainings of three sizes, on which cards, and what is assumed of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from torch import nn

from benchmarks.counting import StepCost, cost_of_step
from priordiff import DiffWave, LappedConvNeXt

__all__ = ["BF16", "CARDS", "CROP_SECONDS", "SCENARIOS", "Card", "Estimate", "Scenario", "estimate"]

# Shares of the peaks that a training reaches, by experience with networks of this kind; not measured here.
MATRIX_UTILISATION = 0.4  # of the peak of matrix products
MEMORY_UTILISATION = 0.7  # of the bandwidth of memory
LINK_UTILISATION = 0.8  # of the bandwidth of links
OPERATION_SECONDS = 10e-6  # that a processor takes to start one, without a compiler
BACKWARD = 2 / 3  # of a step, during which gradients are sent while others are computed
# Under bfloat16 what operations read, write and keep is half as large as the counts in float32.
BF16 = 0.5
# float32 weights, gradients, two moments of Adam and the moving average.
STATE_BYTES = 4 + 4 + 8 + 4
# Moved for each weight: the norm of the gradients and their scaling, Adam, the moving average.
UPDATE_BYTES = 12 + 28 + 20
CROP_SECONDS = 1.5e-3  # of a core, to decode a crop, whose log-mel the card computes: see `--here`
FLAC_BYTES = 0.55 * 2  # of a sample of speech: 16 bits, compressed
HOP = 256


@dataclass(frozen=True)
class Card:
    """A device, as its maker's data sheet has it.

    Attributes:
        bf16: dense matrix products in bfloat16, operations a second.
        bandwidth: of its memory, bytes a second.
        memory: bytes.
        link: to the others in its machine, bytes a second in one direction.
    """

    bf16: float
    bandwidth: float
    memory: float
    link: float


CARDS = {
    "RTX 4090": Card(165e12, 1.008e12, 24e9, 32e9),
    "A100 80 GB": Card(312e12, 2.039e12, 80e9, 300e9),
    "H100 SXM": Card(989e12, 3.35e12, 80e9, 450e9),
    "H200 SXM": Card(989e12, 4.8e12, 141e9, 450e9),
}
BETWEEN_MACHINES = 50e9  # bytes a second for each card: a link of 400 Gbit/s


@dataclass(frozen=True)
class Scenario:
    """A training.

    Attributes:
        corpus: its name.
        hours: of speech.
        utterance: seconds of a recording, on average.
        sample_rate: in Hz.
        network: makes the network.
        batch: crops of each device.
        frames: mel frames of a crop.
        steps: of the training.
        devices: how many cards.
        cards: which ones are compared.
        strategies: "one", "DDP" or "FSDP".
    """

    corpus: str
    hours: float
    utterance: float
    sample_rate: int
    network: Callable[[], nn.Module]
    batch: int
    frames: int
    steps: int
    devices: int
    cards: Sequence[str]
    strategies: Sequence[str]

    def cost(self) -> StepCost:
        """Of a step on one device."""
        shapes = {"sample": (self.batch, 1, self.frames * HOP), "timestep": (self.batch,)}
        return cost_of_step(self.network, {**shapes, "log_mel": (self.batch, 80, self.frames)})


SCENARIOS = (
    Scenario(
        corpus="LJSpeech",
        hours=24,
        utterance=6.6,
        sample_rate=22050,
        network=DiffWave,
        batch=16,
        frames=62,
        steps=1_000_000,
        devices=1,
        cards=("RTX 4090", "A100 80 GB", "H100 SXM"),
        strategies=("one",),
    ),
    Scenario(
        corpus="LibriTTS",
        hours=585,
        utterance=5.6,
        sample_rate=24000,
        network=partial(LappedConvNeXt, channels=1024, layers=16),
        batch=64,
        frames=128,
        steps=400_000,
        devices=8,
        cards=("RTX 4090", "A100 80 GB", "H100 SXM"),
        strategies=("DDP",),
    ),
    Scenario(
        corpus="100,000 h",
        hours=100_000,
        utterance=12.0,
        sample_rate=24000,
        network=partial(LappedConvNeXt, channels=2048, layers=48),
        batch=64,
        frames=256,
        steps=500_000,
        devices=64,
        cards=("A100 80 GB", "H100 SXM", "H200 SXM"),
        strategies=("DDP", "FSDP"),
    ),
)


@dataclass(frozen=True)
class Estimate:
    """What a training takes on one kind of card."""

    steps_per_second: float
    bound: str
    memory: float
    data_rate: float
    crops_per_second: float
    days: float
    passes: float


def estimate(scenario: Scenario, cost: StepCost, card: Card, strategy: str) -> Estimate:
    r"""The arithmetic of one row.

    A step takes $t = \max(F / (u_F F_{peak}),\ B / (u_B B_{peak}),\ n\,t_0)$ for its floating-point
    operations $F$, the bytes $B$ that are moved and its $n$ operations, then what of the communication isn't
    hidden, and the update of the weights.

    Args:
        scenario: the training.
        cost: of its step.
        card: on which.
        strategy: "one", "DDP" or "FSDP".
    """
    products = cost.flops / (MATRIX_UTILISATION * card.bf16)
    memory = BF16 * cost.traffic / (MEMORY_UTILISATION * card.bandwidth)
    starts = cost.operations * OPERATION_SECONDS
    compute = max(products, memory, starts)
    devices = scenario.devices
    share = (devices - 1) / devices
    link = LINK_UTILISATION * (card.link if devices <= 8 else BETWEEN_MACHINES)
    # DDP adds up gradients in float32, there and back; FSDP gathers weights twice and scatters gradients, in
    # bfloat16.
    sent = {"one": 0.0, "DDP": 2 * 4 * share, "FSDP": 3 * 2 * share}[strategy] * cost.parameters / link
    hidden = compute if strategy == "FSDP" else BACKWARD * compute
    own = cost.parameters / (devices if strategy == "FSDP" else 1)
    update = UPDATE_BYTES * own / (MEMORY_UTILISATION * card.bandwidth)
    seconds = compute + max(0.0, sent - hidden) + update
    state = STATE_BYTES * own
    gathered = 2 * 2 * cost.largest if strategy == "FSDP" else 0  # a block, and the next one
    crops = scenario.batch * devices / seconds
    crop_seconds = scenario.frames * HOP / scenario.sample_rate
    return Estimate(
        1 / seconds,
        "links" if sent > hidden else {products: "products", memory: "memory", starts: "starts"}[compute],
        state + gathered + BF16 * cost.activations,
        # A crop is decoded from its recording, which is read as a whole.
        crops * scenario.utterance * scenario.sample_rate * FLAC_BYTES,
        crops,
        scenario.steps * seconds / 86400,
        scenario.steps * scenario.batch * devices * crop_seconds / (scenario.hours * 3600),
    )
