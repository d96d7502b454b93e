"""Measures the memory of one graph's session in a separate process.

Measured after a session of the bundle's smallest graph in the same runtime, which pays for the runtime itself; with the
heap trimmed; in a process that has loaded no other runtime: each of these moved the figure by up to 20 MiB.
"""

import ctypes
import gc
import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from inspector.benchmark.artefacts import Artefact, BenchError, placed
from inspector.bundle.load import LoadedBundle, load
from inspector.engines.engine import Engine, EngineName, EngineSettings
from inspector.engines.tensorrt.device import checked
from inspector.engines.timing import inputs_for
from inspector.engines.variants import compiled_variant, engine_file, parts

_ROLLUP = Path("/proc/self/smaps_rollup")
_NUM_RUNS = 3


@dataclass(frozen=True, slots=True)
class Memory:
    held_bytes: int
    """Private bytes that loading and running added, once freed heap went back."""
    peak_bytes: int
    """Peak of resident memory while it loaded and ran, above the level before."""
    device_bytes: int = 0
    """Of the GPU."""


def measure_memory(bundle: LoadedBundle, artefact: Artefact) -> Memory | None:
    """None where the system does not say. Raises BenchError where the process fails."""
    if not _ROLLUP.exists():
        return None
    form = artefact.form
    arguments = [str(bundle.folder.resolve()), str(form), artefact.part, str(form.threads)]
    command = [sys.executable, "-m", "inspector.benchmark.memory", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - fixed arguments
    if done.returncode != 0:
        last = done.stderr.strip().rpartition("\n")[2]
        raise BenchError(f"{artefact.part} in {form}: the process that measures its memory failed: {last}")
    return Memory(**json.loads(done.stdout))


def _measured(bundle: LoadedBundle, form: EngineSettings, part: str) -> Memory:
    there = {name: (runs_as.name, file) for name, runs_as, file in placed(bundle.schema, form)}
    runtime, file = there[part]
    _run(_opened(bundle, form, runtime, _smallest(bundle, form, runtime)))
    held, on_device, resident = _private_bytes(), _device_bytes(runtime), _status_bytes("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # Resets the peak.
    engine = _opened(bundle, form, runtime, file)
    for _ in range(_NUM_RUNS):
        _run(engine)
    peak = _status_bytes("VmHWM") - resident
    return Memory(_private_bytes() - held, peak, _device_bytes(runtime) - on_device)


def _smallest(bundle: LoadedBundle, form: EngineSettings, runtime: EngineName) -> str:
    """Any runtime but TensorRT takes graphs as exported."""
    files = [file for _, file in parts(bundle.schema)]
    if runtime == "tensorrt":
        files = [file for _, runs_as, file in placed(bundle.schema, form) if runs_as.name == runtime]
    return min(files, key=lambda file: bundle.path(file).stat().st_size)


def _opened(bundle: LoadedBundle, form: EngineSettings, runtime: EngineName, file: str) -> Engine:
    match runtime:
        case "openvino":
            from inspector.engines.openvino_cpu import OpenVinoEngine

            return OpenVinoEngine(bundle.path(file), form.threads)
        case "tensorrt":
            from inspector.engines.tensorrt.runtime import TensorRtEngine, load_api

            variant = compiled_variant(bundle.schema, form)
            graphs = {} if variant is None else {graph.file: (variant, graph) for graph in variant.graphs}
            return TensorRtEngine(engine_file(bundle, *graphs[file]), load_api())
        case _:
            from inspector.engines.onnx_runtime import OnnxEngine

            return OnnxEngine(bundle.path(file), form.threads)


def _run(engine: Engine) -> None:
    engine.run(inputs_for(engine.inputs, 1))


def _private_bytes() -> int:
    """Dirty ones: clean ones are pages of libraries, private or shared as another process comes or goes."""
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    return _field_bytes(_ROLLUP, "Private_Dirty")


def _status_bytes(field: str) -> int:
    return _field_bytes(Path("/proc/self/status"), field)


def _field_bytes(path: Path, field: str) -> int:
    lines = path.read_text(encoding="ascii").splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:"))


def _device_bytes(runtime: EngineName) -> int:
    """GPU memory in use by all processes."""
    if runtime != "tensorrt":
        return 0
    from inspector.engines.tensorrt.runtime import load_api

    cuda = load_api().cuda
    error, free, total = cuda.cudaMemGetInfo()
    checked(cuda, "read the device's memory", error)
    return total - free


def main() -> None:
    folder, form, part, threads = sys.argv[1:]
    memory = _measured(load(Path(folder)), EngineSettings.parse(form, int(threads)), part)
    print(json.dumps(asdict(memory)))


if __name__ == "__main__":
    main()
