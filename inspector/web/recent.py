"""Keeps the serialised verdicts that browsers may ask pictures of, within a bound of bytes; the oldest go first."""

from collections import OrderedDict

from protos.inspection.v1.verdict_pb2 import Verdict

OVERHEAD_BYTES = 300


class RecentVerdicts:
    """Verdicts by their address; used in the event loop only."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._values: OrderedDict[str, bytes] = OrderedDict()
        self.num_bytes = 0

    def add(self, address: str, value: bytes) -> None:
        if address in self._values:
            return
        self._values[address] = value
        self.num_bytes += len(value) + OVERHEAD_BYTES
        while self.num_bytes > self._max_bytes and len(self._values) > 1:
            _, oldest = self._values.popitem(last=False)
            self.num_bytes -= len(oldest) + OVERHEAD_BYTES

    def find(self, address: str) -> Verdict | None:
        value = self._values.get(address)
        return None if value is None else Verdict.FromString(value)
