"""The documentation is built strictly and without the network, and a browser fetches nothing from outside for it."""

import subprocess
import sys
from pathlib import Path

import pytest

from docs.generator.pages import pages

hook = pytest.importorskip("docs.hook", reason="needs mkdocs-material")
pytestmark = pytest.mark.train
ROOT = Path(__file__).parents[2]
BUILD = """
import socket, sys
def refuse(*args, **kwargs):
    raise OSError("the documentation must be built without the network")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
from mkdocs.__main__ import cli
cli(["build", "--quiet", "--strict", "--site-dir", sys.argv[1]])
"""


def test_the_site_is_built_without_the_network_and_fetches_nothing(tmp_path: Path) -> None:
    build = [sys.executable, "-c", BUILD, str(tmp_path / "site")]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert list(hook.outside_addresses(tmp_path / "site")) == []
    for name, _ in pages():
        assert (tmp_path / "site" / name).with_suffix(".html").exists()


@pytest.mark.parametrize(
    ("name", "text", "is_fetched"),
    [
        ("a.html", '<link href="https://fonts.googleapis.com/css" rel="stylesheet">', True),
        ("a.html", '<script async src="//cdn.example/x.js"></script>', True),
        ("a.html", "<img alt='x' src='http://example.org/x.png'>", True),
        ("a.html", '<a href="https://example.org/">a link</a>', False),
        ("a.html", '<script src="assets/x.js"></script>', False),
        ("a.css", 'body{background:url("https://example.org/x.png")}', True),
        ("a.css", "body{background:url(data:image/png;base64,AAAA)}", False),
        ("a.js", 'load("https://unpkg.com/mermaid@11/dist/mermaid.min.js")', True),
        ("a.svg", '<image href="https://example.org/x.png"/><svg xmlns="http://www.w3.org/2000/svg"/>', True),
    ],
)
def test_addresses_that_a_browser_fetches_are_distinguished_from_links(
    tmp_path: Path, name: str, text: str, is_fetched: bool
) -> None:
    (tmp_path / name).write_text(text)
    assert bool(list(hook.outside_addresses(tmp_path))) == is_fetched
