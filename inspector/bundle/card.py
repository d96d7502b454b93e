"""Puts a section into a bundle's model card and lists the card's new hash."""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

from inspector.bundle.files import replace_file, write_manifest
from inspector.bundle.load import CARD_NAME, BundleError, LoadedBundle, load
from inspector.bundle.schema import Bundle


def write_section(bundle: LoadedBundle, title: str, body: str) -> None:
    """Replaces a section of this title, or appends it; `body` has no headings of the first two levels.

    A process that loads the folder meanwhile, or after a crash in between, finds a whole bundle: the card leaves the
    list of files before it changes and returns afterwards. Raises BundleError, also if the folder holds another bundle.
    """
    current, folder = load(bundle.folder).schema, bundle.folder
    if _without_card(current) != _without_card(bundle.schema):
        raise BundleError(f"{folder}: another bundle was put there meanwhile; its card is not changed, so measure it")
    try:
        card = with_section(_card(folder, current), title, body)
        bare = _without_card(current)
        write_manifest(folder, bare)
        replace_file(folder / CARD_NAME, card.encode())
        listed = {**bare.files, CARD_NAME: hashlib.sha256(card.encode()).hexdigest()}
        write_manifest(folder, _with_files(bare, dict(sorted(listed.items()))))
    except OSError as exc:
        raise BundleError(f"{folder}: its card cannot be written ({exc.strerror}); make the folder writable") from exc


def with_section(card: str, title: str, body: str) -> str:
    """Markdown that has the section once, as its last."""
    section = re.compile(rf"^## {re.escape(title)}\n.*?(?=^##? |\Z)", re.MULTILINE | re.DOTALL)
    return f"{section.sub('', card).rstrip()}\n\n## {title}\n\n{body.strip()}\n"


def _card(folder: Path, schema: Bundle) -> str:
    """Also reads a card that is not listed, as after a crash."""
    path = folder / CARD_NAME
    return path.read_text(encoding="utf-8") if path.exists() else f"# {schema.name} {schema.version}\n"


def _without_card(schema: Bundle) -> Bundle:
    return _with_files(schema, {name: digest for name, digest in schema.files.items() if name != CARD_NAME})


def _with_files(schema: Bundle, files: Mapping[str, str]) -> Bundle:
    return schema.model_copy(update={"files": files})
