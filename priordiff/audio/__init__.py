"""Audio: files and corpora, synthetic speech, log-mel spectrograms and measures of quality."""

from priordiff.audio.cache import Recording
from priordiff.audio.corpus import AudioCorpus
from priordiff.audio.demo_corpus import make_corpus
from priordiff.audio.espeak import speak
from priordiff.audio.files import AUDIO_EXTENSIONS, read_audio, write_audio
from priordiff.audio.folders import audio_files
from priordiff.audio.kokoro import KokoroVoice
from priordiff.audio.mel import LogMelSpectrogram
from priordiff.audio.mel_consistency import mel_consistent
from priordiff.audio.piper import JoeVoice
from priordiff.audio.splits import split
from priordiff.audio.utterance import Utterance
from priordiff.audio.voices import EspeakVoice, Voice

__all__ = [
    "AUDIO_EXTENSIONS",
    "AudioCorpus",
    "EspeakVoice",
    "JoeVoice",
    "KokoroVoice",
    "LogMelSpectrogram",
    "Recording",
    "Utterance",
    "Voice",
    "audio_files",
    "make_corpus",
    "mel_consistent",
    "read_audio",
    "speak",
    "split",
    "write_audio",
]
