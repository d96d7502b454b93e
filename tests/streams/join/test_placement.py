"""Where Kafka's default partitioner puts a key."""

import pytest
from kafka.partitioner.default import murmur2 as reference

from streams.join.placement import home_partition, murmur2


@pytest.mark.parametrize(
    ("key", "signed"),
    [(b"21", -973932308), (b"foobar", -790332482), (b"a-little-bit-long-string", -985981536), (b"abc", 479470107)],
)
def test_the_hash_is_that_of_kafkas_own_tests(key: bytes, signed: int) -> None:
    assert murmur2(key) == signed % 2**32


def test_every_length_agrees_with_the_clients_partitioner() -> None:
    keys = [bytes((7 * n + length) % 256 for n in range(length)) for length in range(49)]
    assert [murmur2(key) for key in keys] == [reference(key) for key in keys]


def test_partitions_are_counted_from_the_hash_without_its_sign() -> None:
    assert [home_partition(b"21", count) for count in (1, 4, 12)] == [(-973932308 & 0x7FFFFFFF) % n for n in (1, 4, 12)]
