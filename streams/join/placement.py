"""Computes the partition that Kafka's default partitioner chooses for a key."""

from functools import lru_cache

_SEED, _M = 0x9747B28C, 0x5BD1E995
_MASK = 0xFFFFFFFF


@lru_cache(maxsize=4096)
def home_partition(key: bytes, num_partitions: int) -> int:
    """The partition of a key by murmur2, as in Apache Kafka's `BuiltInPartitioner.partitionForKey`."""
    return (murmur2(key) & 0x7FFFFFFF) % num_partitions


def murmur2(data: bytes) -> int:
    """MurmurHash2 of 32 bits with Kafka's seed (`org.apache.kafka.common.utils.Utils.murmur2`)."""
    aligned = len(data) // 4 * 4
    h = _SEED ^ len(data)
    for at in range(0, aligned, 4):
        k = int.from_bytes(data[at : at + 4], "little") * _M & _MASK
        k = (k ^ k >> 24) * _M & _MASK
        h = h * _M & _MASK ^ k
    if data[aligned:]:
        h = (h ^ int.from_bytes(data[aligned:], "little")) * _M & _MASK
    h = (h ^ h >> 13) * _M & _MASK
    return h ^ h >> 15
