"""Audio: files and corpora, synthetic speech, log-mel spectrograms and measures of quality."""

from priordiff.audio.aligned_corpus import AlignedCorpus
from priordiff.audio.alignment import Alignment, mean_boundary_error
from priordiff.audio.alignment_features import AlignmentFeatures
from priordiff.audio.alignment_search import monotonic_durations
from priordiff.audio.cache import Recording
from priordiff.audio.corpus import AudioCorpus
from priordiff.audio.demo_corpus import make_corpus, speakers_of
from priordiff.audio.espeak import speak
from priordiff.audio.files import (
    AUDIO_EXTENSIONS,
    audio_writer,
    decode_audio,
    encode_audio,
    read_audio,
    write_audio,
)
from priordiff.audio.folders import audio_files
from priordiff.audio.kokoro import KokoroVoice
from priordiff.audio.mel import LogMelSpectrogram
from priordiff.audio.mel_consistency import mel_consistent
from priordiff.audio.phonemes import phonemes_of
from priordiff.audio.piper import JoeVoice
from priordiff.audio.prosody import phoneme_energy, phoneme_pitch
from priordiff.audio.shard_folders import index_audio_shards, make_audio_shards
from priordiff.audio.shards import AudioShards
from priordiff.audio.splits import split
from priordiff.audio.spoken_text import known_phonemes, spoken_sentences, spoken_symbols
from priordiff.audio.symbols import SymbolTable
from priordiff.audio.text import in_words, sentences_of
from priordiff.audio.textgrid import read_textgrid, write_textgrid
from priordiff.audio.utterance import Utterance
from priordiff.audio.voices import EspeakVoice, Voice

__all__ = [
    "AUDIO_EXTENSIONS",
    "AlignedCorpus",
    "Alignment",
    "AlignmentFeatures",
    "AudioCorpus",
    "AudioShards",
    "EspeakVoice",
    "JoeVoice",
    "KokoroVoice",
    "LogMelSpectrogram",
    "Recording",
    "SymbolTable",
    "Utterance",
    "Voice",
    "audio_files",
    "audio_writer",
    "decode_audio",
    "encode_audio",
    "in_words",
    "index_audio_shards",
    "known_phonemes",
    "make_audio_shards",
    "make_corpus",
    "mean_boundary_error",
    "mel_consistent",
    "monotonic_durations",
    "phoneme_energy",
    "phoneme_pitch",
    "phonemes_of",
    "read_audio",
    "read_textgrid",
    "sentences_of",
    "speak",
    "speakers_of",
    "split",
    "spoken_sentences",
    "spoken_symbols",
    "write_audio",
    "write_textgrid",
]
