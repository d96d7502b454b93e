"""Tables of the recordings that pieces were judged on; the files themselves lie in the object store."""

from sqlalchemy import Column, ForeignKey, Index, Integer, Table, UniqueConstraint

from inspector.archive.metadata import KEY, METADATA, NUMBER, TEXT

RECORDING_OBJECTS = Table(
    "recording_objects",
    METADATA,
    # In hex; names the file in the object store.
    Column("sha256", TEXT, primary_key=True),
    # Form of the file: png, flac or npy.
    Column("kind", TEXT, nullable=False),
    Column("bytes", NUMBER, nullable=False),
    Column("stored_ns", NUMBER, nullable=False),
)
Index("recording_objects_by_age", RECORDING_OBJECTS.c.stored_ns)

PIECE_RECORDINGS = Table(
    "piece_recordings",
    METADATA,
    Column("key", KEY, primary_key=True),
    Column("verdict_key", ForeignKey("verdicts.key", ondelete="CASCADE"), nullable=False),
    # Camera or sensor, as in the recipe.
    Column("source", TEXT, nullable=False),
    # Counts the frames of one camera from 0.
    Column("sequence", Integer, nullable=False),
    # Kind of modality: image, audio, vibration or trace.
    Column("kind", TEXT, nullable=False),
    # None where the recording could not be kept, or is kept no longer.
    Column("sha256", ForeignKey(RECORDING_OBJECTS.c.sha256)),
    # Why there is no recording; empty where there is one.
    Column("absent", TEXT, nullable=False, server_default=""),
    # What reading it again needs, as JSON: sample rate, pixel format and the like.
    Column("detail", TEXT, nullable=False, server_default="{}"),
    Column("stored_ns", NUMBER, nullable=False),
    UniqueConstraint("verdict_key", "source", "sequence"),
)
"""Which recordings a piece was judged on. Retention leaves those whose verdict has a row in `holds`."""
Index("piece_recordings_by_object", PIECE_RECORDINGS.c.sha256)

KEPT_PIECES = Table(
    "kept_pieces",
    METADATA,
    Column("verdict_key", ForeignKey("verdicts.key", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("recipe", TEXT, nullable=False),
    Column("decision", Integer, nullable=False),
    Column("entry_ns", NUMBER, nullable=False),
    # Of its files, also of those that it shares with other pieces.
    Column("bytes", NUMBER, nullable=False),
)
"""Pieces with kept recordings: what retention by age and by bytes looks at."""
_KEPT = KEPT_PIECES.c
Index("kept_pieces_by_age", _KEPT.recipe, _KEPT.decision, _KEPT.verdict_key, _KEPT.entry_ns, _KEPT.bytes)

KEEPERS = Table(
    "keepers",
    METADATA,
    Column("name", TEXT, primary_key=True),
    # Recordings of verdicts up to this key are kept, as far as the recipes want them and the log had them.
    Column("done_key", NUMBER, nullable=False),
    Column("updated_ns", NUMBER, nullable=False),
)
"""How far the recordings follow the verdicts."""
