"""The generated reference: nothing is left out of it, and nothing stands there without its meaning."""

import re
from functools import cache

import pytest
from google.protobuf.descriptor import EnumDescriptor

from docs.generator import commands, keys, metrics
from docs.generator.markdown import cell, table
from docs.generator.pages import pages
from inspector.cli import COMMANDS
from inspector.config.reference import sections, unit_of
from inspector.recipe.recipe import Recipe
from protos.inspection.v1 import control_pb2, records_pb2, service_pb2, verdict_pb2

pytestmark = pytest.mark.train
NO_FILE = {
    "PublishOptions": "options of a command: see the page of commands",
    "CheckRequest": "passes between two processes of one version",
    "CheckResult": "passes between two processes of one version",
    **dict.fromkeys(("_Coco", "_Image", "_Annotation", "_Runs", "_Category"), "a file of COCO, which others write"),
    "TrueState": "a line of the file that `replay --truth` writes and `score` reads",
    "_RecipesOnly": "reads one key of a configuration that is wrong elsewhere",
}
"""Models with keys that no file of a user has."""
BASES = {"ClientTlsTable", "Source", "AlertTable", "Counted", "Timed", "TargetTable", "HttpTargetTable"}
"""Models whose keys stand in the tables made from them."""
UNIT_SUFFIX = re.compile(r"_(s|ns|ms|hz|px|bytes)$")


@cache
def text_of(page: str) -> str:
    return dict(pages())[f"reference/{page}"]


def shown_models() -> dict[str, set[str]]:
    return {
        page: {section.model.__name__ for model in kind.models.values() for section in sections(model)}
        for page, kind in keys.FILES.items()
    }


def test_every_model_of_a_file_is_in_the_reference() -> None:
    shown = {name for names in shown_models().values() for name in names}
    missing = {model.__name__ for model in keys.models_of_files()} - shown - NO_FILE.keys() - BASES
    assert not missing, f"add them to docs.generator.keys.FILES: {sorted(missing)}"


@pytest.mark.parametrize("page", keys.FILES)
def test_every_key_is_in_the_reference_with_a_meaning(page: str) -> None:
    without = []
    for model in keys.FILES[page].models.values():
        for section in sections(model):
            for key in section.keys:
                assert f"| `{key.name}` | {cell(key.type)} |" in text_of(page)
                assert cell(key.meaning) in text_of(page)
                without += [] if key.meaning else [f"{section.model.__name__}.{key.name}"]
    assert not without, f"put a docstring under these fields: {without}"


@pytest.mark.parametrize("page", keys.FILES)
def test_a_key_whose_name_ends_in_a_unit_shows_the_unit(page: str) -> None:
    named = [key for m in keys.FILES[page].models.values() for section in sections(m) for key in section.keys]
    assert all(key.unit for key in named if UNIT_SUFFIX.search(key.name))
    assert unit_of("max_delay_s") == "s"
    assert unit_of("captures") == ""


def test_a_key_shows_type_default_unit_and_meaning() -> None:
    (top, *_) = sections(Recipe)
    by_name = {key.name: key for key in top.keys}
    deadline = by_name["deadline_s"]
    assert (deadline.type, deadline.default, deadline.unit) == ("number, above 0", "2", "s")
    assert by_name["name"].default is None
    assert by_name["cameras"].type == "list of tables"
    assert by_name["backlog"].type == '`"review"` or `"judge"`'


def test_a_table_with_two_forms_shows_both() -> None:
    assert '## `[log] with kind = "kafka"`' in text_of("configuration.md")
    assert '## `[log] with kind = "embedded"`' in text_of("configuration.md")


def test_every_command_and_every_option_is_in_the_reference() -> None:
    shown = dict(commands.commands())
    assert {f"inspector {name}" for name in COMMANDS} <= shown.keys()
    for words, command in shown.items():
        assert f"## `{words}" in text_of("commands.md")
        for option in command.params:
            assert option.param_type_name == "argument" or f"`{option.opts[0]}" in text_of("commands.md")


def test_every_metric_has_a_meaning_and_the_labels_that_it_is_counted_by() -> None:
    by_name = {entry.name: entry for entries in metrics.metrics().values() for entry in entries}
    assert all(entry.meaning for entry in by_name.values())
    assert by_name["inspector_dead_letters_total"].labels == ("line", "reason")
    assert by_name["inspector_engine_refused"].labels == ("bundle", "engine")
    assert all(f"`{name}`" in text_of("metrics.md") for name in by_name)


def messages_and_enums() -> tuple[list[str], list[EnumDescriptor]]:
    files = [module.DESCRIPTOR for module in (control_pb2, records_pb2, service_pb2, verdict_pb2)]
    return (
        [name for file in files for name in file.message_types_by_name],
        [enum for file in files for enum in file.enum_types_by_name.values()],
    )


def test_every_message_and_every_value_of_an_enum_is_in_the_reference_with_a_meaning() -> None:
    messages, enums = messages_and_enums()
    assert all(f"## {name}\n" in text_of("protos.md") for name in messages)
    for enum in enums:
        for value in enum.values:
            assert re.search(rf"\| `{value.name}` \| {value.number} \| \S", text_of("codes.md")), value.name


def test_a_cell_cannot_break_its_table() -> None:
    (*_, row, _) = table(("a", "b"), [("x|y\nz", "<b>`<c>`")])
    assert row == r"| x\|y z | &lt;b>`<c>` |"
