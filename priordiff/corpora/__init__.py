"""What corpora of any kind share: the files of a folder, a cache of what was decoded, and the split."""

from priordiff.corpora.cache import CorpusCache, cache_folder, decode_into, fingerprint, size_and_time
from priordiff.corpora.folders import list_files
from priordiff.corpora.mapped import MappedArray
from priordiff.corpora.reading import check_readable
from priordiff.corpora.splits import split_by_hash

__all__ = [
    "CorpusCache",
    "MappedArray",
    "cache_folder",
    "check_readable",
    "decode_into",
    "fingerprint",
    "list_files",
    "size_and_time",
    "split_by_hash",
]
