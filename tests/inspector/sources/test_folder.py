"""A watched folder becomes pieces, each once, whatever happens to the program."""

import logging
import threading
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from inspector.dataset.recordings import write_wav
from inspector.sources.folder import SAME_PIECE_NS, FolderCounts, FolderSource
from inspector.sources.gathering import Gathering
from inspector.sources.journal import Journal
from inspector.sources.patient import PatientPublisher
from inspector.sources.pattern import NamePattern
from inspector.sources.pictures import FrameContent
from inspector.sources.target import Target
from streams.decode.items import Chunk, Event, Frame, Trace
from streams.embedded import EmbeddedLog
from streams.join.assembly import AssemblySpec, CameraSpec, SensorSpec
from tests.inspector.sources.places import MIC, ONE_CAMERA, SPEC, items, png, publishing, target

FOREVER_S, AT_ONCE_S = 1e6, 0.0


def watch(
    folder: Path, publisher: PatientPublisher, at: Target, wait_s: float = FOREVER_S, done: Path | None = None
) -> FolderSource:
    names = [camera.name for camera in at.spec.cameras] + [sensor.name for sensor in at.spec.sensors]
    gathering = Gathering(NamePattern(None, names), at.spec, wait_s)
    journal = Journal(folder.parent / "journal.jsonl", folder)
    return FolderSource(folder, at, publisher, FrameContent(at, None), gathering, journal, done)


def first_piece(source: FolderSource, stop: threading.Event | None = None) -> FolderCounts:
    """Until the first piece is out."""
    with closing(source.journal):
        return source.run(stop or threading.Event(), 0.0, most=1)


def once(folder: Path, log: EmbeddedLog, at: Target, done: Path | None = None) -> FolderCounts:
    """One run of the program over what is there."""
    with publishing(log) as publisher:
        source = watch(folder, publisher, at, done=done)
        with closing(source.journal):
            return source.run(threading.Event(), 0.0, once=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


def sound(path: Path, num_samples: int = 400) -> np.ndarray:
    samples = np.random.default_rng(3).integers(-9000, 9000, (num_samples, 1)).astype(np.int16)
    write_wav(path, samples, 8000)
    return samples


def test_pictures_and_sounds_of_a_piece_become_its_records(folder: Path, log: EmbeddedLog) -> None:
    (folder / "p1_top.png").write_bytes(png())
    samples = sound(folder / "p1_mic.wav")
    counts = once(folder, log, target(SPEC))
    assert str(counts) == "1 pieces of 2 files"
    found = items(log)
    event = next(item for item in found if isinstance(item, Event))
    frame = next(item for item in found if isinstance(item, Frame))
    chunks = sorted((item for item in found if isinstance(item, Chunk)), key=lambda chunk: chunk.first_sample)
    assert event.inspection.piece_id == frame.inspection.piece_id == "p1"
    assert frame.capture_ns > event.event_ns
    heard = np.concatenate([chunk.samples for chunk in chunks])
    assert np.array_equal(heard, samples.astype(np.float32) / 32768)
    assert chunks[0].start_ns == event.event_ns + 1


def test_files_of_an_earlier_run_are_counted_and_the_journal_named(
    folder: Path, log: EmbeddedLog, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "p1_top.png").write_bytes(b"no picture")
    assert str(once(folder, log, target(ONE_CAMERA))).startswith("1 pieces without a file, ")
    with caplog.at_level(logging.INFO):
        counts = once(folder, log, target(ONE_CAMERA))
    assert str(counts) == "0 pieces of 0 files, 1 files of an earlier run not sent again"
    assert f"delete {folder.parent / 'journal.jsonl'}" in caplog.text


def test_a_recording_longer_than_the_window_is_cut_to_it(folder: Path, log: EmbeddedLog) -> None:
    (folder / "p1_top.png").write_bytes(png())
    sound(folder / "p1_mic.wav", 4000)
    once(folder, log, target(SPEC))
    assert sum(len(item.samples) for item in items(log) if isinstance(item, Chunk)) == 400


def test_a_curve_carries_the_id_of_its_piece(folder: Path, log: EmbeddedLog) -> None:
    spec = AssemblySpec((CameraSpec("top"),), (SensorSpec("force", "trace", 100.0, bind="piece"),))
    (folder / "p1_top.png").write_bytes(png())
    np.save(folder / "p1_force.npy", np.linspace(0, 1, 50, dtype=np.float32)[:, None])
    once(folder, log, target(spec))
    traces = [item for item in items(log) if isinstance(item, Trace)]
    assert [trace.inspection.piece_id for trace in traces] == ["p1"]


def test_several_pictures_of_a_camera_are_numbered_by_their_names(folder: Path, log: EmbeddedLog) -> None:
    spec = AssemblySpec((CameraSpec("top", num_frames=2),))
    for number, grey in ((10, 200), (9, 100)):
        (folder / f"p1_top_{number}.png").write_bytes(png(grey))
    (folder / "p1_top_11.png").write_bytes(png(5))
    counts = once(folder, log, target(spec))
    frames = sorted((item for item in items(log) if isinstance(item, Frame)), key=lambda frame: frame.sequence)
    images = [frame.image for frame in frames]
    assert [int(image[0, 0]) for image in images if image is not None] == [100, 200]
    assert counts.broken == 1


def test_a_restart_publishes_nothing_again(folder: Path, log: EmbeddedLog) -> None:
    (folder / "p1_top.png").write_bytes(png())
    assert once(folder, log, target()).pieces == 1
    (folder / "p2_top.png").write_bytes(png())
    assert once(folder, log, target()).pieces == 1
    pieces = [item.inspection.piece_id for item in items(log) if isinstance(item, Event)]
    assert pieces == ["p1", "p2"]


class PowerCut(BaseException):
    pass


def cut_after_publishing(folder: Path, log: EmbeddedLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program dies when the log has the piece and the journal does not know it yet."""

    def dies(*_: object) -> None:
        raise PowerCut

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "done", dies)
        with pytest.raises(PowerCut):
            once(folder, log, target())


def test_a_piece_cut_off_in_the_middle_comes_again_under_the_same_times(
    folder: Path, log: EmbeddedLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service then drops its records as duplicates: one verdict."""
    (folder / "p1_top.png").write_bytes(png())
    cut_after_publishing(folder, log, monkeypatch)
    assert once(folder, log, target()).pieces == 1
    found = items(log)
    events = [item.event_ns for item in found if isinstance(item, Event)]
    captures = [item.capture_ns for item in found if isinstance(item, Frame)]
    assert len(events) == len(captures) == 2
    assert len(set(events)) == len(set(captures)) == 1


def test_after_a_long_pause_it_comes_under_new_times_and_that_is_said(
    folder: Path, log: EmbeddedLog, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "p1_top.png").write_bytes(png())
    cut_after_publishing(folder, log, monkeypatch)
    journal = folder.parent / "journal.jsonl"
    text = journal.read_text()
    entry_ns = int(text.rpartition(", ")[2].strip("]\n"))
    journal.write_text(text.replace(str(entry_ns), str(entry_ns - 2 * SAME_PIECE_NS)))
    once(folder, log, target())
    assert "Piece p1 may be judged twice" in caplog.text


def test_a_broken_file_is_said_once_with_the_remedy_counted_and_left_out(
    folder: Path, log: EmbeddedLog, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "p1_top.png").write_bytes(png()[:40])
    (folder / "p2_top.gif").write_bytes(b"GIF89a")
    (folder / "p3_top.png").write_bytes(png())
    with caplog.at_level(logging.WARNING):
        counts = once(folder, log, target())
    assert (counts.pieces, counts.files, counts.broken) == (3, 1, 2)
    lines = [record.getMessage() for record in caplog.records if "left out" in record.getMessage()]
    assert len(lines) == 2
    assert "p1_top.png" in lines[0]
    assert "convert the image" in lines[1]
    pictured = [item.inspection.piece_id for item in items(log) if isinstance(item, Frame)]
    assert pictured == ["p3"]
    assert once(folder, log, target()).pieces == 0


def test_a_sound_of_another_rate_or_width_is_left_out_with_the_recipe_s_words(
    folder: Path, log: EmbeddedLog, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "p1_top.png").write_bytes(png())
    write_wav(folder / "p1_mic.wav", np.zeros((400, 1), np.int16), 44100)
    (folder / "p2_top.png").write_bytes(png())
    write_wav(folder / "p2_mic.wav", np.zeros((400, 2), np.int16), 8000)
    with caplog.at_level(logging.WARNING):
        counts = once(folder, log, target(SPEC))
    assert counts.broken == 2
    assert "the recipe says 8000 Hz" in caplog.text
    assert "has 2 channel(s), the recipe says 1 for 'mic'" in caplog.text


def test_a_piece_waits_for_its_files_and_is_published_without_them_after_a_while(
    folder: Path, log: EmbeddedLog, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "p1_top.png").write_bytes(png())
    with publishing(log) as publisher:
        source = watch(folder, publisher, target(SPEC))
        with closing(source.journal):
            for _ in range(5):
                source.arrivals.look()
                source.gathering.add(source.arrivals.look())
                assert list(source.gathering.ready()) == []
        counts = first_piece(watch(folder, publisher, target(SPEC), wait_s=AT_ONCE_S))
    assert (counts.pieces, counts.incomplete) == (1, 1)
    assert "Piece p1 was published without mic" in caplog.text


def test_a_file_that_is_broken_because_somebody_still_writes_is_read_again(folder: Path, log: EmbeddedLog) -> None:
    """The writer pauses for two looks, and goes on."""
    path = folder / "p1_top.png"
    path.write_bytes(png()[:40])
    looks = 0

    class Writing(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            nonlocal looks
            looks += 1
            if looks == 4:
                path.write_bytes(png())
            return False

    with publishing(log) as publisher:
        counts = first_piece(watch(folder, publisher, target(ONE_CAMERA)), Writing())
    assert (counts.pieces, counts.broken) == (1, 0)


def test_files_of_no_piece_are_said_once_by_ending(
    folder: Path, log: EmbeddedLog, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(7):
        (folder / f"side{number}_x.db").write_text("x")
    (folder / "p1_top.png").write_bytes(png())
    counts = once(folder, log, target(AssemblySpec((CameraSpec("top"), CameraSpec("side")))))
    assert counts.strangers == 7
    assert caplog.text.count("Ignored 7 file(s)") == 1


def test_done_files_are_moved_and_never_written_over(folder: Path, tmp_path: Path, log: EmbeddedLog) -> None:
    done = tmp_path / "done"
    for grey in (10, 20):
        (folder / "p1_top.png").write_bytes(png(grey))
        assert once(folder, log, target(), done).pieces == 1
        assert list(folder.iterdir()) == []
    assert len(list(done.iterdir())) == 2


def test_without_done_every_file_stays(folder: Path, log: EmbeddedLog) -> None:
    (folder / "p1_top.png").write_bytes(png())
    once(folder, log, target())
    assert [path.name for path in folder.iterdir()] == ["p1_top.png"]


def test_an_id_that_cannot_be_is_left_out_for_good(folder: Path, log: EmbeddedLog) -> None:
    (folder / f"{'a' * 150}_top.png").write_bytes(png())
    counts = once(folder, log, target())
    assert (counts.pieces, counts.broken) == (0, 1)
    assert once(folder, log, target()).broken == 0


def test_a_folder_that_goes_away_is_waited_for(
    folder: Path, log: EmbeddedLog, caplog: pytest.LogCaptureFixture
) -> None:
    away = folder.with_name("away")
    folder.rename(away)
    looks = 0

    class Returning(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            nonlocal looks
            looks += 1
            if looks == 2:
                away.rename(folder)
                (folder / "p1_top.png").write_bytes(png())
            return False

    with publishing(log) as publisher:
        assert first_piece(watch(folder, publisher, target()), Returning()).pieces == 1
    assert "Waiting for the folder and trying again." in caplog.text
    assert "can be read again" in caplog.text


def test_two_pieces_with_sound_do_not_overlap(folder: Path, log: EmbeddedLog) -> None:
    for piece in ("p1", "p2"):
        (folder / f"{piece}_top.png").write_bytes(png())
        sound(folder / f"{piece}_mic.wav")
    once(folder, log, target(SPEC))
    entries = [item.event_ns for item in items(log) if isinstance(item, Event)]
    assert entries[1] - entries[0] >= round(MIC.end_s * 1e9)
