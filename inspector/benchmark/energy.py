# ruff: noqa: N802
"""Reads the energy that the first GPU has used since its driver started."""

from collections.abc import Callable
from typing import Protocol

Read = Callable[[], float]


class EnergyError(RuntimeError):
    """NVML does not give it."""


class Nvml(Protocol):
    """Of `cuda.bindings.nvml`."""

    NvmlError: type[Exception]

    def init_v2(self) -> None: ...

    def device_get_handle_by_pci_bus_id_v2(self, pci_bus_id: str) -> int: ...

    def device_get_total_energy_consumption(self, device: int) -> int:
        """Millijoules."""


class CudaBus(Protocol):
    """Of `cuda.bindings.runtime`."""

    def cudaDeviceGetPCIBusId(self, length: int, device: int) -> tuple[int, bytes]: ...


def energy_counter(nvml: Nvml, cuda: CudaBus) -> Read:
    """Joules of CUDA's first device, which NVML may number otherwise. Raises EnergyError."""
    error, bus = cuda.cudaDeviceGetPCIBusId(32, 0)
    if error != 0:
        raise EnergyError(f"CUDA does not name the device's bus (error {error})")
    try:
        nvml.init_v2()
        device = nvml.device_get_handle_by_pci_bus_id_v2(bus.rstrip(b"\0").decode())
        nvml.device_get_total_energy_consumption(device)
    except (nvml.NvmlError, RuntimeError) as exc:
        raise EnergyError(f"NVML does not give it: {exc}") from exc
    return lambda: nvml.device_get_total_energy_consumption(device) / 1e3
