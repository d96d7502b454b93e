"""An engine is found again for the very same graph, sizes, GPU, driver and version, whole, or not at all."""

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from inspector.compile.tensorrt.engine_cache import entry_path, keep_engine, open_cache, take_engine, usual_cache
from inspector.engines.tensorrt.device import Device

GPU = Device("NVIDIA L4", "8.9", "13.0", 2**34)
GRAPH, BATCHES, COMPILER = b"a graph", (1, 2, 4), "tensorrt 10.13.2.6"
ENGINE = b"ftrt and an engine"


@pytest.fixture
def entry(tmp_path: Path) -> Path:
    return entry_path(tmp_path, GRAPH, BATCHES, COMPILER, GPU)


@pytest.mark.parametrize(
    ("graph", "batches", "compiler", "device"),
    [
        (b"b graph", BATCHES, COMPILER, GPU),
        (GRAPH, (1, 2, 4, 8), COMPILER, GPU),
        (GRAPH, (1, 24), COMPILER, GPU),
        (GRAPH, BATCHES, "tensorrt 10.13.2.7", GPU),
        (GRAPH, BATCHES, COMPILER, GPU._replace(name="NVIDIA L40S")),
        (GRAPH, BATCHES, COMPILER, GPU._replace(capability="9.0")),
        (GRAPH, BATCHES, COMPILER, GPU._replace(driver="13.1")),
    ],
)
def test_what_differs_in_one_thing_is_another_entry(
    entry: Path, graph: bytes, batches: tuple[int, ...], compiler: str, device: Device
) -> None:
    keep_engine(entry, ENGINE)
    assert take_engine(entry_path(entry.parent, graph, batches, compiler, device)) is None


def test_the_same_is_found_again_whatever_memory_is_free(entry: Path) -> None:
    keep_engine(entry, ENGINE)
    assert take_engine(entry_path(entry.parent, GRAPH, BATCHES, COMPILER, GPU._replace(free_bytes=0))) == ENGINE


def test_what_is_kept_is_the_users_alone_and_nothing_else_is_left(tmp_path: Path) -> None:
    cache = open_cache(tmp_path / "user/inspector/tensorrt")
    assert cache is not None
    entry = entry_path(cache, GRAPH, BATCHES, COMPILER, GPU)
    keep_engine(entry, b"an earlier one")
    keep_engine(entry, ENGINE)
    assert (cache.stat().st_mode & 0o777, entry.stat().st_mode & 0o777) == (0o700, 0o600)
    assert list(cache.iterdir()) == [entry]
    assert take_engine(entry) == ENGINE


def altered(entry: Path) -> None:
    content = bytearray(entry.read_bytes())
    content[-1] ^= 1
    entry.write_bytes(content)


def truncated(entry: Path) -> None:
    entry.write_bytes(entry.read_bytes()[:-1])


def emptied(entry: Path) -> None:
    entry.write_bytes(b"")


def of_another(entry: Path) -> None:
    """Whole, but built from another graph."""
    other = entry_path(entry.parent, b"b graph", BATCHES, COMPILER, GPU)
    keep_engine(other, b"ftrt and another engine")
    other.replace(entry)


def unreadable(entry: Path) -> None:
    entry.unlink()
    entry.mkdir()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (altered, "is altered or truncated"),
        (truncated, "is altered or truncated"),
        (emptied, "is altered or truncated"),
        (of_another, "is altered or truncated"),
        (unreadable, "cannot be read (Is a directory)"),
    ],
)
def test_what_is_damaged_is_not_taken_and_one_line_says_so(
    entry: Path, change: Callable[[Path], None], message: str, caplog: pytest.LogCaptureFixture
) -> None:
    keep_engine(entry, ENGINE)
    change(entry)
    assert take_engine(entry) is None
    assert caplog.messages == [f"Engine {entry} {message}: it is built again."]


def test_what_was_never_kept_is_no_warning(entry: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert take_engine(entry) is None
    assert caplog.messages == []


def test_what_cannot_be_kept_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    keep_engine(entry_path(tmp_path / "gone", GRAPH, BATCHES, COMPILER, GPU), ENGINE)
    assert "cannot be kept (No such file or directory): the next run builds it again." in caplog.text


def test_a_folder_that_cannot_be_made_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("no folder")
    assert open_cache(tmp_path / "file/tensorrt") is None
    assert (
        "cannot be used (Not a directory): all engines are built again; choose another folder with --cache."
        in caplog.text
    )


@pytest.mark.parametrize("mode", [0o770, 0o702])
def test_a_folder_that_others_may_write_is_not_used(
    tmp_path: Path, mode: int, caplog: pytest.LogCaptureFixture
) -> None:
    tmp_path.chmod(mode)
    assert open_cache(tmp_path) is None
    assert "is writable by other users: all engines are built again; chmod 700, or --cache." in caplog.text


def test_a_folder_of_another_user_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: tmp_path.stat().st_uid + 1)
    assert open_cache(tmp_path) is None


@pytest.mark.parametrize(
    ("named", "expected"), [("/var/own", "/var/own"), ("", "/home/me/.cache"), ("not/absolute", "/home/me/.cache")]
)
def test_the_usual_folder_is_the_users(named: str, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("XDG_CACHE_HOME", named)
    assert usual_cache() == Path(expected, "inspector/tensorrt")


def test_without_a_home_there_is_none(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    with caplog.at_level(logging.WARNING):
        assert usual_cache() is None
    assert "name one with --cache" in caplog.text
