"""What corpora of any kind share: the files of a folder, a cache of what was decoded, shards, the split."""

from priordiff.corpora.cache import CorpusCache, cache_folder, decode_into, fingerprint, size_and_time
from priordiff.corpora.folders import list_files
from priordiff.corpora.mapped import MappedArray
from priordiff.corpora.reading import check_readable
from priordiff.corpora.shard_table import ShardTable, sample_key, sample_name
from priordiff.corpora.shard_writer import ShardWriter
from priordiff.corpora.shards import Shards, index_shards, is_shard_folder
from priordiff.corpora.splits import hash_threshold, split_by_hash, unit_hashes
from priordiff.corpora.stores import ShardStore

__all__ = [
    "CorpusCache",
    "MappedArray",
    "ShardStore",
    "ShardTable",
    "ShardWriter",
    "Shards",
    "cache_folder",
    "check_readable",
    "decode_into",
    "fingerprint",
    "hash_threshold",
    "index_shards",
    "is_shard_folder",
    "list_files",
    "sample_key",
    "sample_name",
    "size_and_time",
    "split_by_hash",
    "unit_hashes",
]
