"""Adds the generated reference to the documentation while mkdocs builds it, and keeps the site free of outside
addresses: a plant's network may have no way out."""

import re
from collections.abc import Iterator
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

from docs.generator.pages import pages

_SCRIPTED = re.compile(
    r"https?://(?:unpkg\.com|api\.github\.com|gitlab\.com|fonts\.[a-z]+\.com|cdn\.[a-z.]+)[^\"'`\s]*"
)
"""Addresses in the theme's scripts for diagrams and star counts, which this site does not use."""
_LOADED = re.compile(
    r"<(?:script|link|img|image|use|iframe|source|object|embed)\b[^>]*?\b(?:src|href|data|srcset)=[\"']?((?:https?:)?//[^\"'\s>]+)"
    r"|url\([\"']?((?:https?:)?//[^)\"']+)|@import\s+[\"']((?:https?:)?//[^\"']+)",
    re.IGNORECASE,
)
"""Everything that a browser fetches by itself, without links that people click (`<a href`)."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Called by mkdocs."""
    for path, text in pages():
        files.append(File.generated(config, path, content=text))
    return files


def on_post_build(config: MkDocsConfig) -> None:
    """Called by mkdocs. Raises PluginError naming every address that a browser would fetch from outside."""
    site = Path(config.site_dir)
    for source_map in site.rglob("*.map"):  # of the theme's own sources, for its developers
        source_map.unlink()
    for script in site.rglob("*.js"):
        text = script.read_text(encoding="utf-8")
        if cut := _SCRIPTED.sub("about:blank", text) if _SCRIPTED.search(text) else "":
            script.write_text(cut, encoding="utf-8")
    if outside := sorted(outside_addresses(site)):
        raise PluginError("the site fetches from outside: " + ", ".join(outside))


def outside_addresses(site: Path) -> Iterator[str]:
    """`FILE: ADDRESS` of all that pages, styles, pictures and scripts of a built site fetch from outside."""
    for file in sorted(site.rglob("*")):
        if file.suffix not in (".html", ".css", ".js", ".svg"):
            continue
        text = file.read_text(encoding="utf-8")
        addresses = {next(filter(None, match)) for match in _LOADED.findall(text)}
        if file.suffix == ".js":
            addresses |= set(_SCRIPTED.findall(text))
        yield from (f"{file.relative_to(site)}: {address}" for address in addresses)
