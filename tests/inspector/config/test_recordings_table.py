"""Where recordings are kept."""

import pytest
from pydantic import ValidationError

from inspector.archive.recordings.settings import RecordingSettings
from inspector.config.recordings_table import RecordingsTable


def test_the_defaults_are_those_of_the_settings() -> None:
    assert RecordingsTable().settings == RecordingSettings()


@pytest.mark.parametrize("store", ["recordings", "/srv/kept", "s3://bucket/kept", "file:///srv/kept"])
def test_a_folder_or_an_object_store_is_taken(store: str) -> None:
    assert RecordingsTable(store=store).settings.store == store


@pytest.mark.parametrize(
    ("store", "words"),
    [
        ("", "is no place"),
        ("a\x00b", "is no place"),
        ("http://host/kept", "http:// is not written to"),
        ("memory://kept", "memory:// is not written to"),
        ("s3://key:secret@bucket/kept", "has credentials in it"),
    ],
)
def test_other_places_are_refused(store: str, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        RecordingsTable(store=store)
