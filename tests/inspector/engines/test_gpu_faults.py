"""Each fault of a GPU, its driver or its engine is an error that says what helps; on the STAND-IN, which can break."""

import gc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import pytest

from inspector.engines.engine import (
    Array,
    DeviceError,
    DeviceMemoryError,
    EngineError,
    IncompatibleEngineError,
    LostDeviceError,
    NoDriverError,
    WrongDeviceError,
)
from inspector.engines.tensorrt.engine_file import EngineFile, header_fault
from inspector.engines.tensorrt.runtime import TensorRtEngine
from tests.standins.cuda import Faults
from tests.standins.gpus import BATCHES, StandInGpu, compiled_file, rtx_header

OUT_OF_MEMORY = "Error Code 2: OutOfMemory (Requested size was 1048576 bytes.)"
Change = Callable[[StandInGpu], None]


def clips(num: int) -> dict[str, Array]:
    return {"input": np.full((num, 1, 16), 0.75, np.float32)}


def without_context(message: str) -> Change:
    return lambda gpu: setattr(gpu.trt, "context_fails", message)


def invalid(diagnostics: int) -> Change:
    return lambda gpu: setattr(gpu.trt, "invalid", diagnostics)


@pytest.mark.parametrize(
    ("faults", "change", "kind", "message"),
    [
        (Faults(no_driver=True), None, NoDriverError, r"libcuda.so.1 not found\); install NVIDIA's driver"),
        (Faults(capability=(9, 0)), None, WrongDeviceError, r"capability 8\.6, and this GPU has 9\.0; .*--target 9"),
        (Faults(malloc_fails_at=0), None, DeviceMemoryError, r"allocate 64 bytes: .*out of memory\); free memory"),
        (Faults(malloc_fails_at=5), None, DeviceMemoryError, "compile for smaller batches"),
        (Faults(lost_after=0), None, LostDeviceError, "cudaErrorIllegalAddress .* restart the service"),
        (Faults(), without_context(OUT_OF_MEMORY), DeviceMemoryError, "OutOfMemory .* free memory of the GPU"),
        (Faults(), without_context("tactic missing"), DeviceError, "no execution context: tactic missing; compile"),
        (Faults(), invalid(1), IncompatibleEngineError, "ear.engine was built by another version; compile"),
        (Faults(), invalid(2), WrongDeviceError, "was not built for this GPU; compile"),
        (Faults(), invalid(4 + 64), NoDriverError, "needs a newer driver; install"),
        (Faults(), invalid(16), DeviceMemoryError, "needs more memory than the GPU has free; free"),
        (Faults(), invalid(64), DeviceError, "cannot be deserialised"),
        (Faults(), lambda gpu: gpu.trt.graphs.clear(), DeviceError, "cannot be deserialised: .*malformed; compile"),
    ],
)  # fmt: skip
def test_a_fault_at_the_start_is_named_and_frees_all(
    tmp_path: Path, faults: Faults, change: Change | None, kind: type[EngineError], message: str
) -> None:
    gpu = StandInGpu(faults)
    file = replace(compiled_file(tmp_path, gpu), targets=("8.6",))
    if change is not None:
        change(gpu)
    with pytest.raises(kind, match=message):
        TensorRtEngine(file, gpu.api)
    gpu.cuda.check_all_freed()


def altered(file: EngineFile) -> EngineFile:
    content = bytearray(file.path.read_bytes())
    content[-1] ^= 1
    file.path.write_bytes(content)
    return file


def truncated(file: EngineFile) -> EngineFile:
    file.path.write_bytes(file.path.read_bytes()[:-1])
    return file


def removed(file: EngineFile) -> EngineFile:
    file.path.unlink()
    return file


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (altered, "ear.engine is altered or truncated: SHA-256 .*; copy the bundle again"),
        (truncated, "ear.engine is altered or truncated"),
        (removed, "ear.engine: cannot be read"),
        (lambda file: replace(file, compiler="tensorrt-rtx 1.6.1.120"), "by tensorrt-rtx 1.6.1.120, and here is tens"),
        (
            lambda file: replace(file, compiler="tensorrt 10.13.2.6"),
            "by tensorrt 10.13.2.6, and here is tensorrt-rtx 1",
        ),
    ],
)
def test_what_is_altered_or_of_another_version_never_reaches_the_runtime(
    tmp_path: Path, change: Callable[[EngineFile], EngineFile], message: str
) -> None:
    gpu = StandInGpu()
    with pytest.raises(IncompatibleEngineError, match=message):
        TensorRtEngine(change(compiled_file(tmp_path, gpu)), gpu.api)
    assert (gpu.trt.seen, gpu.cuda.num_mallocs) == (0, 0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no engine of TensorRT for RTX"),
        (b"\x08\x09 some onnx graph", "is no engine of TensorRT for RTX"),
        (b"vtrt", "has 4 bytes, fewer than its header"),
        (rtx_header(65, "1.7.1.116"), "has 64 bytes, and its header says 65"),
        (rtx_header(64, "1.6.1.120"), "was built by version 1.6.1.120, and the bundle says 1.7.1.116"),
    ],
)
def test_a_foreign_file_with_the_right_hash_is_refused_by_its_header(
    tmp_path: Path, content: bytes, message: str
) -> None:
    gpu = StandInGpu()
    gpu.compiled = lambda graph: content  # type: ignore[method-assign]
    with pytest.raises(IncompatibleEngineError, match=message):
        TensorRtEngine(compiled_file(tmp_path, gpu), gpu.api)
    assert gpu.trt.seen == 0


def test_a_header_of_a_form_not_known_is_left_to_hash_and_runtime() -> None:
    header = bytearray(rtx_header(64, "1.6.1.120"))
    header[8] = 3
    assert header_fault(bytes(header), "tensorrt-rtx 1.7.1.116") is None


def test_batches_that_the_engine_was_not_built_for_are_refused(tmp_path: Path) -> None:
    gpu = StandInGpu()
    file = replace(compiled_file(tmp_path, gpu), batches=(1, BATCHES[-1] + 1))
    with pytest.raises(DeviceError, match=r"refuses shape \(5, 1, 16\) for 'input': setInputShape: .*; compile"):
        TensorRtEngine(file, gpu.api)
    gpu.cuda.check_all_freed()


def test_an_engine_with_other_inputs_than_float32_is_refused(tmp_path: Path) -> None:
    gpu = StandInGpu()
    model = onnx.parser.parse_model("""<ir_version: 9, opset_import: ["" : 17]>
    half (float16[B,4] input) => (float16[B,4] output) { output = Abs (input) }""")
    onnx.save(model, tmp_path / "half.onnx")
    with pytest.raises(EngineError, match=r"half.engine: 'input' is DataType.HALF, expected FLOAT; compile"):
        TensorRtEngine(compiled_file(tmp_path, gpu, "half.onnx"), gpu.api)
    gpu.cuda.check_all_freed()


def test_a_form_without_batch_sizes_is_refused(tmp_path: Path) -> None:
    gpu = StandInGpu()
    with pytest.raises(EngineError, match="names no batch sizes"):
        TensorRtEngine(replace(compiled_file(tmp_path, gpu), batches=()), gpu.api)


def test_an_old_driver_is_distinguished_from_none(tmp_path: Path) -> None:
    gpu = StandInGpu()
    file = compiled_file(tmp_path, gpu)
    gpu.cuda.cudaGetDeviceCount = lambda: (35, None)  # type: ignore[method-assign]
    gpu.cuda.faults.driver_version = 12020
    with pytest.raises(NoDriverError, match=r"serves CUDA 12\.2, which is too old"):
        TensorRtEngine(file, gpu.api)


def test_a_device_lost_at_work_is_named_and_stays_lost(tmp_path: Path) -> None:
    gpu = StandInGpu(Faults(lost_after=len(BATCHES) + 2))
    engine = TensorRtEngine(compiled_file(tmp_path, gpu), gpu.api)
    engine.run(clips(1))
    engine.run(clips(1))
    for _ in range(2):
        with pytest.raises(LostDeviceError, match=r"run on the device|copy to the device"):
            engine.run(clips(1))
    engine.close()
    gpu.cuda.check_all_freed()


def test_memory_that_runs_out_at_work_is_named(tmp_path: Path) -> None:
    gpu = StandInGpu()
    gpu.trt.runs_fail_after = len(BATCHES) + 1
    engine = TensorRtEngine(compiled_file(tmp_path, gpu), gpu.api)
    engine.run(clips(1))
    with pytest.raises(DeviceMemoryError, match=r"does not run: .*OutOfMemory"):
        engine.run(clips(1))
    engine.close()
    gpu.cuda.check_all_freed()


def test_nothing_is_allocated_per_batch(tmp_path: Path) -> None:
    gpu = StandInGpu()
    engine = TensorRtEngine(compiled_file(tmp_path, gpu), gpu.api)
    held = gpu.cuda.num_mallocs
    assert held == 4 * len(BATCHES)
    for num in (1, 2, 3, 4, 9):
        engine.run(clips(num))
    assert (gpu.cuda.num_mallocs, gpu.cuda.num_streams) == (held, 1)
    engine.close()


def test_an_engine_that_nobody_holds_is_freed(tmp_path: Path) -> None:
    gpu = StandInGpu()
    engine = TensorRtEngine(compiled_file(tmp_path, gpu), gpu.api)
    del engine
    gc.collect()
    gpu.cuda.check_all_freed()


class TestKernelCache:
    """Of TensorRT for RTX, which makes its kernels where they run."""

    def start(self, tmp_path: Path, gpu: StandInGpu) -> int:
        """Kernels compiled in one start."""
        before = gpu.trt.kernels_made
        TensorRtEngine(compiled_file(tmp_path / "bundle", gpu), gpu.api).close()
        return gpu.trt.kernels_made - before

    def kept(self, tmp_path: Path) -> list[Path]:
        return sorted((tmp_path / "bundle.cache").iterdir())

    def test_the_second_start_makes_none(self, tmp_path: Path) -> None:
        gpu = StandInGpu()
        assert (self.start(tmp_path, gpu), self.start(tmp_path, gpu)) == (len(BATCHES), 0)

    @pytest.mark.parametrize("content", [b"", b"x" * 20, b"x" * 100])
    def test_a_damaged_one_is_dropped(self, tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
        gpu = StandInGpu()
        self.start(tmp_path, gpu)
        (path,) = self.kept(tmp_path)
        path.write_bytes(content)
        assert self.start(tmp_path, gpu) == len(BATCHES)
        assert "is damaged: it is dropped" in caplog.text
        assert self.start(tmp_path, gpu) == 0

    def test_another_device_takes_one_of_its_own(self, tmp_path: Path) -> None:
        gpu = StandInGpu()
        self.start(tmp_path, gpu)
        gpu.cuda.faults.driver_version = 13010
        assert self.start(tmp_path, gpu) == len(BATCHES)
        assert len(self.kept(tmp_path)) == 2

    def test_one_that_the_runtime_refuses_is_built_again(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        gpu = StandInGpu()
        self.start(tmp_path, gpu)
        gpu.trt.refuses_caches = True
        assert self.start(tmp_path, gpu) == len(BATCHES)
        assert "is not of this device, driver or version: it is dropped" in caplog.text

    def test_a_folder_that_cannot_be_written_costs_time_only(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        (tmp_path / "bundle.cache").write_text("a file in the folder's place")
        gpu = StandInGpu()
        assert (self.start(tmp_path, gpu), self.start(tmp_path, gpu)) == (len(BATCHES), len(BATCHES))
        assert "cannot be written" in caplog.text

    def test_tensorrt_itself_keeps_none(self, tmp_path: Path) -> None:
        gpu = StandInGpu(distribution="tensorrt")
        TensorRtEngine(compiled_file(tmp_path / "bundle", gpu), gpu.api).close()
        assert not (tmp_path / "bundle.cache").exists()
