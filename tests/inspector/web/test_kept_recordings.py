"""The page shows what was kept and what the log still has, whichever has it."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from inspector.archive.database import Database
from inspector.archive.rows import PieceFilter
from inspector.web.kept_recordings import KeptRecordings
from protos.inspection.v1.verdict_pb2 import Verdict
from streams.log import LogError, LogUnavailableError
from streams.observation import Observation
from tests.inspector.archive.recordings.kept_line import KeptLine, archive_verdicts
from tests.inspector.archive.recordings.recorded_line import PREFIX, assert_equal
from tests.inspector.archive.recordings.test_inputs import Judged
from tests.inspector.archive.tables import make_tables


class Logged:
    """A log that has the given recordings, or is away."""

    def __init__(self, answer: Observation | LogError) -> None:
        self.answer = answer

    def observation(self, _: Verdict) -> Observation:
        if isinstance(self.answer, LogError):
            raise self.answer
        return self.answer


class Piece:
    """A stored piece, one kept picture of which is lost."""

    def __init__(self, line: KeptLine, folder: Path) -> None:
        self.line = line
        row = line.archive.find(PieceFilter(), limit=1)[0]
        self.verdict = line.archive.verdict(row.key)
        self.whole = line.inputs.read(self.verdict).observation
        lost = next(each for each in line.archive.recordings(row.key) if each.kind == "image" and each.sha256)
        assert lost.sha256 is not None
        (folder / lost.sha256[:2] / lost.sha256[2:]).unlink()
        self.camera = lost.source

    def shown(self, answer: Observation | LogError) -> Observation:
        return KeptRecordings(self.line.archive, self.line.store, Logged(answer)).observation(self.verdict)


@pytest.fixture
def piece(tmp_path: Path) -> Iterator[Piece]:
    judged = Judged(tmp_path / "judged", 1)
    with closing(Database(f"sqlite:///{tmp_path / 'archive.sqlite'}")) as database:
        make_tables(database)
        archive_verdicts(judged.log, database)
        with closing(KeptLine(judged.log, PREFIX, database, tmp_path / "store")) as line:
            line.inputs.close()
            line.inputs = judged.reader()
            line.keeper = line.keeper_of(line.store)
            line.run()
            yield Piece(line, tmp_path / "store")


def test_one_lost_picture_hides_no_other_one(piece: Piece) -> None:
    """The page used to show those of the log alone, which has none any more."""
    gone = replace(
        piece.whole,
        views={name: replace(view, images=()) for name, view in piece.whole.views.items()},
        clips={name: replace(clip, samples=None) for name, clip in piece.whole.clips.items()},
    )
    for answer in (gone, LogUnavailableError("away")):
        shown = piece.shown(answer)
        assert len(shown.views[piece.camera].images) < len(piece.whole.views[piece.camera].images)
        assert all(shown.views[name].images for name, view in piece.whole.views.items() if name != piece.camera)
        assert all(clip.samples is not None for clip in shown.clips.values())


def test_what_was_not_kept_comes_from_the_log(piece: Piece) -> None:
    assert_equal(piece.shown(piece.whole), piece.whole)
