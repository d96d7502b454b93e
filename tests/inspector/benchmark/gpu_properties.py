# ruff: noqa: N802, N815
"""A STAND-IN for what `cuda.bindings` says of a GPU and its energy: figures of data sheets, and no GPU anywhere."""

from dataclasses import dataclass, field
from enum import IntEnum

from tests.standins.cuda import Faults, StandInCuda


class Attribute(IntEnum):
    cudaDevAttrClockRate = 13
    cudaDevAttrMultiProcessorCount = 16
    cudaDevAttrMemoryClockRate = 36
    cudaDevAttrGlobalMemoryBusWidth = 37


@dataclass
class GpuProperties(StandInCuda):
    units: int = 58
    clock_khz: int = 2_040_000
    memory_khz: int = 6_251_000
    bus_bits: int = 192

    @property
    def cudaDeviceAttr(self) -> type[Attribute]:
        return Attribute

    def cudaDeviceGetAttribute(self, attr: int, device: int) -> tuple[int, int | None]:
        assert device == 0
        value = {13: self.clock_khz, 16: self.units, 36: self.memory_khz, 37: self.bus_bits}[attr]
        return (0, value) if value else (1, None)

    def cudaDeviceGetPCIBusId(self, length: int, device: int) -> tuple[int, bytes]:
        assert (length >= 13, device) == (True, 0)
        return 0, b"0000:3B:00.0\0\0"


def l4() -> GpuProperties:
    return GpuProperties(Faults(capability=(8, 9)))


class NvmlFault(Exception):  # noqa: N818
    """As NvmlError, no RuntimeError."""


@dataclass
class StandInNvml:
    millijoules: list[int] = field(default_factory=list)
    """Answers, in turn; none where the device cannot tell."""
    NvmlError: type[Exception] = NvmlFault

    def init_v2(self) -> None:
        pass

    def device_get_handle_by_pci_bus_id_v2(self, pci_bus_id: str) -> int:
        assert pci_bus_id == "0000:3B:00.0"
        return 7

    def device_get_total_energy_consumption(self, device: int) -> int:
        assert device == 7
        if not self.millijoules:
            raise NvmlFault("Not Supported")
        return self.millijoules.pop(0)
