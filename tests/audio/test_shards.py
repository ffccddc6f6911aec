from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch

from priordiff.audio import AudioShards, encode_audio
from priordiff.corpora import ShardWriter, split_by_hash

RATE = 8000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Forty recordings of 100, 101, … samples in shards of seven."""
    with ShardWriter(tmp_path, {"sample_rate": RATE}, max_samples=7) as writer:
        for number in range(40):
            waveform = torch.full((100 + number,), number / 64)
            writer.write(f"r{number:02d}", {"flac": encode_audio(waveform, RATE, ".flac")}, 100 + number)
    return tmp_path


def test_the_sides_of_a_split_are_those_of_a_folder(folder: Path) -> None:
    shards = AudioShards(folder, RATE)
    names = [each.name for each in shards.recordings]
    both = split_by_hash(names, 0.2)
    for side, indices in zip(shards.split(0.2), both, strict=True):
        assert [each.name for each in side.recordings] == [names[index] for index in indices]
        assert sum(side.shard_sizes) == len(side) == len(indices)
        again = pickle.loads(pickle.dumps(side))
        assert torch.equal(again.waveform(len(side) - 1), shards.waveform(indices[-1]))


def test_recordings_that_are_too_short_are_passed_over(folder: Path) -> None:
    shards = AudioShards(folder, RATE, min_seconds=130 / RATE)
    assert shards.recordings[0].name == "r30"
    assert [each.num_samples for each in shards.recordings[:2]] == [130, 131]
    assert shards.recordings[-1].name == "r39"
    assert shards.seconds == sum(range(130, 140)) / RATE


def test_a_crop_is_those_samples(folder: Path) -> None:
    shards = AudioShards(folder, RATE)
    assert torch.equal(shards.crop(32, 130, 2), torch.full((2,), 0.5))
    for start, length in ((-1, 2), (131, 2), (0, -1)):
        with pytest.raises(ValueError, match=r"no samples .* r32 in .*shard-000004\.tar: it has 132"):
            shards.crop(32, start, length)


def test_a_damaged_recording_is_named(folder: Path) -> None:
    path = folder / "shard-000000.tar"
    data = bytearray(path.read_bytes())
    data[512:1024] = bytes(512)  # the first recording's file
    path.write_bytes(data)
    shards = AudioShards(folder, RATE)
    with pytest.raises(ValueError, match=r"r00 in .*shard-000000\.tar cannot be decoded"):
        shards.waveform(0)
    assert len(shards.waveform(1)) == 101
