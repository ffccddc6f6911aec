"""Studio recordings of one speaker in LJSpeech's layout: the prompts of Asterisk, from Debian's packages.

    apt-get download asterisk-core-sounds-en asterisk-core-sounds-en-g722
    for package in asterisk-core-sounds-en*.deb; do dpkg -x $package data/asterisk-packages; done
    python benchmarks/recorded_speech.py data/asterisk-packages data/asterisk

Recordings by Allison Smith, 16,000 Hz, with transcripts, CC BY-SA 3.0. Needs PyAV (`pip install av`), which
reads G.722. Prompts of three seconds and more are taken, in the order of a hash of their names; what is no
speech, or has no transcript, is left out.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import re
from pathlib import Path

import numpy as np
import torch

from priordiff.audio import write_audio

SHORTEST = 3.0  # seconds
RATE = 16000


def main() -> None:
    """Writes the corpus."""
    import av

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("packages", type=Path, help="folder of the unpacked packages")
    parser.add_argument("output", type=Path, help="folder of the corpus")
    parser.add_argument("--prompts", type=int, default=40, help="how many (default: 40)")
    arguments = parser.parse_args()
    texts = _transcripts(next(arguments.packages.rglob("core-sounds-en.txt.gz")))
    sounds = {path.stem: path for path in arguments.packages.rglob("*.g722")}
    (arguments.output / "wavs").mkdir(parents=True, exist_ok=True)
    rows: list[str] = []
    for name in sorted(sounds.keys() & texts.keys(), key=lambda n: hashlib.sha256(n.encode()).digest()):
        with av.open(str(sounds[name]), format="g722") as file:
            frames = [frame.to_ndarray().ravel() for frame in file.decode(audio=0)]
        waveform = np.concatenate(frames).astype(np.float32) / 2**15
        if len(waveform) < SHORTEST * RATE or len(rows) == arguments.prompts:
            continue
        write_audio(arguments.output / "wavs" / f"{name}.wav", torch.from_numpy(waveform), RATE)
        rows.append(f"{name}|{texts[name]}\n")
    (arguments.output / "metadata.csv").write_text("".join(rows), encoding="utf-8")
    print(f"{len(rows)} recordings in {arguments.output}")


def _transcripts(file: Path) -> dict[str, str]:
    """What is said, by the last part of a prompt's name; none with remarks, digits or sounds."""
    lines = gzip.decompress(file.read_bytes()).decode("utf-8").splitlines()
    pairs = (line.partition(":") for line in lines if not line.startswith(";"))
    found = {name.strip().split("/")[-1]: " ".join(text.split()) for name, _, text in pairs}
    return {name: text for name, text in found.items() if re.fullmatch(r"[A-Za-z ,.;:'!?-]{10,}", text)}


if __name__ == "__main__":
    main()
