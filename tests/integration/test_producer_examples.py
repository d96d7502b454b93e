"""The producers of deploy/examples, built as a stranger builds them: from records.proto alone, with clients of other
languages. Each publishes a piece to a real broker, and a service judges it."""

import shutil
import subprocess
import sys
import wave
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from kafka.partitioner import murmur2

from protos.inspection.v1.records_pb2 import DeadLetter
from protos.inspection.v1.verdict_pb2 import ModalityState, Verdict
from streams.kafka.topics import TopicPlan, create_topics
from tests.integration.faults import wait_for
from tests.integration.service_line import LINE, NUM_SAMPLES, PRODUCT, RATE_HZ, ServiceLine, serving

pytestmark = [pytest.mark.broker, pytest.mark.timeout(900)]
EXAMPLES = Path(__file__).parents[2] / "deploy" / "examples" / "producers"
PROTOS = Path(__file__).parents[2] / "protos" / "inspection" / "v1"
PREFIX, BUILD_S, RUN_S = "inspection", 600, 120


def station_of_its_own() -> str:
    """librdkafka's default (CRC32) would put it into the other one of two partitions."""
    names = (f"st-{number}" for number in range(100))
    return next(name for name in names if (murmur2(name.encode()) & 0x7FFFFFFF) % 2 != zlib.crc32(name.encode()) % 2)


@pytest.fixture(scope="module")
def line(bootstrap: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceLine]:
    """A running service; pictures are enough for its pieces, and large ones may lie in `frames`."""
    folder = tmp_path_factory.mktemp("producers")
    (folder / "frames").mkdir()
    made = ServiceLine.make(folder, bootstrap)
    line = replace(made, prefix=PREFIX)
    create_topics(line.kafka, PREFIX, [LINE], TopicPlan(partitions=2))
    config = (folder / "service.toml").read_text().replace(made.prefix, PREFIX)
    config = config.replace("max_delay_s = 0.5", "max_delay_s = 15.0")  # a busy machine reads a large file late
    references = f'[references]\ntimeout_s = 60.0\nallowed_prefixes = ["file://{folder}/frames/"]\n'
    (folder / "service.toml").write_text(config + references)
    with (folder / "recipe.toml").open("a") as recipe:
        recipe.write("required = false\n")
    with serving(line):
        yield line


def picture(folder: Path, name: str, side_px: int = 64) -> Path:
    """Noise, and different for each name: the service sees frozen cameras."""
    pixels = np.random.default_rng(zlib.crc32(name.encode())).integers(40, 90, (side_px, side_px)).astype(np.uint8)
    cv2.imwrite(str(folder / name), pixels, [cv2.IMWRITE_PNG_COMPRESSION, 0])
    return folder / name


def words(line: ServiceLine, piece: str, file: Path) -> list[str]:
    return [line.bootstrap, LINE, station_of_its_own(), "top", PRODUCT, piece, str(file)]


def run(command: list[str], folder: Path, limit_s: float = RUN_S) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=limit_s, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def judged(line: ServiceLine, piece: str, source: str = "top") -> Verdict:
    """The verdict, once the service has it with this source; no record may have become a dead letter."""
    found: list[Verdict] = []

    def is_there() -> bool:
        found[:] = [verdict for verdict in line.verdicts() if verdict.inspection.piece_id == piece]
        return bool(found)

    wait_for(is_there, 120, f"the verdict of {piece}")
    letters = [DeadLetter.FromString(record.value) for record in line.stored("dead-letters")]
    assert not [letter.detail for letter in letters if letter.inspection.piece_id == piece]
    (used,) = [modality for modality in found[0].modalities if modality.name == source]
    assert used.state == ModalityState.MODALITY_STATE_PRESENT
    return found[0]


@pytest.fixture(scope="module")
def python_producer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("python")
    for name in ("publish.py", "producer.py", "sensor.py"):
        shutil.copy(EXAMPLES / name, folder)
    run([sys.executable, "-m", "grpc_tools.protoc", "-I", str(PROTOS), "--python_out=.", "records.proto"], folder)
    return folder


def test_a_piece_of_the_python_example_is_judged(line: ServiceLine, python_producer: Path, tmp_path: Path) -> None:
    command = [sys.executable, "producer.py", *words(line, "from-python", picture(tmp_path, "python.png"))]
    assert "from-python is at offset" in run(command, python_producer)
    assert judged(line, "from-python").inspection.station == station_of_its_own()


def test_a_picture_larger_than_a_record_goes_by_reference(
    line: ServiceLine, python_producer: Path, tmp_path: Path
) -> None:
    file = picture(tmp_path, "large.png", side_px=3000)
    assert file.stat().st_size > 8 * 2**20
    command = [sys.executable, "producer.py", *words(line, "large", file), str(line.folder / "frames")]
    run(command, python_producer)
    judged(line, "large")


@pytest.mark.parametrize("suffix", [".wav", ".csv"])
def test_a_recording_of_the_sensor_example_is_judged(
    line: ServiceLine, python_producer: Path, tmp_path: Path, suffix: str
) -> None:
    samples = np.random.default_rng(len(suffix)).integers(-9000, 9000, 4 * NUM_SAMPLES).astype("<i2")
    file, piece = tmp_path / f"a{suffix}", f"sensor-{suffix[1:]}"
    if suffix == ".wav":
        with wave.open(str(file), "wb") as opened:
            opened.setnchannels(1)
            opened.setsampwidth(2)
            opened.setframerate(int(RATE_HZ))
            opened.writeframes(samples.tobytes())
    else:
        file.write_text("".join(f"9;30;{value / 32768:.6f}\n" for value in samples))
    columns = [] if suffix == ".wav" else [f"{RATE_HZ:g}", "3"]
    place = [line.bootstrap, LINE, station_of_its_own(), "mic", "audio", PRODUCT]
    run([sys.executable, "sensor.py", *place, piece, str(file), *columns], python_producer)
    judged(line, piece, "mic")


def test_a_piece_of_the_cpp_example_is_judged(line: ServiceLine, tmp_path: Path) -> None:
    missing = [program for program in ("cmake", "g++", "protoc") if shutil.which(program) is None]
    headers = [Path(root, "librdkafka/rdkafkacpp.h") for root in ("/usr/include", "/usr/local/include")]
    missing += [] if any(header.exists() for header in headers) else ["librdkafka's headers"]
    if missing:
        pytest.skip(
            f"the C++ producer is not built without {', '.join(missing)}: apt-get install cmake g++ librdkafka-dev "
            "libprotobuf-dev protobuf-compiler"
        )
    run(["cmake", "-S", str(EXAMPLES / "cpp"), "-B", str(tmp_path), f"-DPROTO_DIR={PROTOS}"], tmp_path, BUILD_S)
    run(["cmake", "--build", str(tmp_path)], tmp_path, BUILD_S)
    output = run([str(tmp_path / "producer"), *words(line, "from-cpp", picture(tmp_path, "cpp.png"))], tmp_path)
    assert "the piece is at offset" in output
    judged(line, "from-cpp")


def test_a_piece_of_the_java_example_is_judged(line: ServiceLine, tmp_path: Path) -> None:
    missing = [program for program in ("javac", "mvn") if shutil.which(program) is None]
    if missing:
        pytest.skip(f"the Java producer is not built without {', '.join(missing)}: apt-get install maven default-jdk")
    shutil.copytree(EXAMPLES / "java", tmp_path / "java", ignore=shutil.ignore_patterns("target"))
    run(["mvn", "-q", "-B", f"-Dproto.dir={PROTOS}", "package"], tmp_path / "java", BUILD_S)
    command = ["java", "-cp", "target/classes:target/libs/*", "Producer"]
    output = run([*command, *words(line, "from-java", picture(tmp_path, "java.png"))], tmp_path / "java")
    assert "from-java is at offset" in output
    judged(line, "from-java")
