"""What GPUs can do at most, as their data sheets have it, and the least time that work takes there."""

from typing import cast

import pytest

from inspector.benchmark.peak import CudaAttributes, Peak, PeakError, Work, peak_of
from inspector.bundle.schema import Precision
from tests.inspector.benchmark.gpu_properties import GpuProperties, l4

T4 = GpuProperties(units=40, clock_khz=1_590_000, memory_khz=5_001_000, bus_bits=256)
A100 = GpuProperties(units=108, clock_khz=1_410_000, memory_khz=1_215_000, bus_bits=5120)


@pytest.mark.parametrize(
    ("cuda", "capability", "fp32", "fp16", "int8", "bytes_per_s"),
    [
        (T4, "7.5", 8.1e12, 65e12, 130e12, 320e9),
        (A100, "8.0", 156e12, 312e12, 624e12, 1555e9),
        (l4(), "8.9", 60.5e12, 121e12, 242e12, 300e9),
    ],
    ids=["T4", "A100", "L4"],
)
def test_properties_give_the_figures_of_the_data_sheet(
    cuda: GpuProperties, capability: str, fp32: float, fp16: float, int8: float, bytes_per_s: float
) -> None:
    peak = peak_of(cast(CudaAttributes, cuda), capability)
    assert peak.flops_per_s == pytest.approx({"fp32": fp32, "fp16": fp16, "int8": int8}, rel=0.01)
    assert peak.bytes_per_s == pytest.approx(bytes_per_s, rel=0.01)


@pytest.mark.parametrize(
    ("cuda", "capability", "message"),
    [(l4(), "6.1", "6.1 has no figures"), (GpuProperties(units=0), "8.9", "does not tell the device's attribute 16")],
)
def test_no_figure_is_guessed(cuda: GpuProperties, capability: str, message: str) -> None:
    with pytest.raises(PeakError, match=message):
        peak_of(cast(CudaAttributes, cuda), capability)


@pytest.mark.parametrize(
    ("work", "precision", "least_s"),
    [
        (Work(flops=3000, num_weights=10, io_bytes=20), "fp32", 3.0),
        (Work(flops=3000, num_weights=10, io_bytes=20), "int8", 0.75),
        (Work(flops=100, num_weights=100, io_bytes=40), "fp32", 4.4),
        (Work(flops=100, num_weights=100, io_bytes=40), "fp16", 2.4),
    ],
    ids=["products", "products in INT8", "bytes", "bytes in FP16"],
)
def test_the_slower_of_products_and_bytes_counts(work: Work, precision: Precision, least_s: float) -> None:
    peak = Peak({"fp32": 1000.0, "fp16": 2000.0, "int8": 4000.0}, 100.0)
    assert peak.least_s(work, precision) == pytest.approx(least_s)
