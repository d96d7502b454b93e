"""Which addresses lie below a prefix, which packages they need, and what of them may be shown."""

import pytest

from streams.references import addresses
from streams.references.addresses import allowed, missing_package, prefix_problem, shown


@pytest.mark.parametrize(
    ("uri", "is_allowed"),
    [
        ("s3://bucket/line/a.png", True),
        ("s3://bucket/line/50%/a#1?.png", True),
        ("s3://bucket/line/a..b.png", True),
        ("s3://bucket/line", False),
        ("s3://bucket/line-2/a.png", False),
        ("s3://bucket/line/../other/a.png", False),
        ("s3://bucket/line/?/../../other/a.png", False),
        ("s3://bucket/line/#/../../other/a.png", False),
        ("s3://bucket/line/%2e%2e/other/a.png", False),
        ("s3://bucket/line/%252e%252e%252fother/a.png", False),
        ("s3://bucket/line/..;/other/a.png", False),
        ("s3://bucket/line/..\\other\\a.png", False),
        ("simplecache::s3://bucket/line/a.png", False),
        ("s3://bucket/line/simplecache::file:///etc/hostname", False),
        ("/s3://bucket/line/a.png", False),
    ],
)
def test_only_addresses_below_a_prefix_are_allowed(uri: str, is_allowed: bool) -> None:
    assert (allowed(uri, ("s3://bucket/line/",)) is not None) is is_allowed


@pytest.mark.parametrize(
    ("uri", "is_allowed"),
    [
        ("file:///data/ok/a.png", True),
        ("file://localhost/data/ok/a.png", True),
        ("FILE:///data/ok/a.png", True),
        ("file:/data/ok/a.png", True),
        ("/data/ok/a.png", True),
        ("file:///data/%6Fk/a.png", True),
        ("file://elsewhere/data/ok/a.png", False),
        ("file:data/ok/a.png", False),
        ("data/ok/a.png", False),
        ("file:///data/ok", False),
        ("file:///data/okay/a.png", False),
        ("file:///data/ok/?/../../secret/s.png", False),
        ("file:///data/ok/#/../../secret/s.png", False),
        ("file:///data/ok/%2e%2e/secret/s.png", False),
    ],
)
@pytest.mark.parametrize("prefix", ["file:///data/ok", "file:///data/ok/", "file://localhost/data/ok/", "/data/ok"])
def test_local_addresses(uri: str, is_allowed: bool, prefix: str) -> None:
    assert (allowed(uri, (prefix,)) is not None) is is_allowed


def test_the_longest_prefix_names_the_store() -> None:
    address = allowed("s3://b/line/1/a.png", ("s3://b/", "s3://b/line/", "s3://c/"))
    assert address is not None
    assert address.prefix == "s3://b/line/"


def test_a_host_is_not_escaped_by_a_name_before_it() -> None:
    assert allowed("http://store/frames/a.png", ("http://store",)) is not None
    assert allowed("http://store@elsewhere/frames/a.png", ("http://store@elsewhere",)) is None


def test_nothing_is_allowed_by_default() -> None:
    assert allowed("file:///data/a.png", ()) is None


@pytest.mark.parametrize(
    ("prefix", "fault"),
    [
        ("s3://line-1-frames/", ""),
        ("https://store.example:8443/frames/", ""),
        ("file:///data/Geh%C3%A4use", ""),
        ("/data", ""),
        ("gopher://x/", "has the scheme 'gopher'"),
        ("memory://x/", "has the scheme 'memory'"),
        ("s3://", "names no bucket or host"),
        ("s3:bucket/", "names no bucket or host"),
        ("https://anna:geheim@store/", "contains a password"),
        ("file://other-machine/data/", "is not a local folder"),
        ("data/", "is not a local folder"),
        ("", "is not a local folder"),
        ("file:///data/../etc/", "contains '..'"),
    ],
)
def test_prefixes_below_which_nothing_can_be_read_are_refused(prefix: str, fault: str) -> None:
    text = prefix_problem(prefix)
    assert fault in text
    assert bool(text) == bool(fault)
    assert "geheim" not in text


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "find_spec", lambda name: None)
    assert missing_package("s3://bucket/") == "s3fs"
    assert missing_package("abfs://bucket/") == "adlfs"
    assert [missing_package(prefix) for prefix in ("file:///data", "/data", "http://store/", "https://store/")] == [
        ""
    ] * 4


def test_what_signs_an_address_is_not_shown() -> None:
    assert shown("https://b.example/a.png?X-Amz-Signature=1a2b") == "https://b.example/a.png?..."
    assert shown("https://anna:geheim@b.example/a.png") == "https://...@b.example/a.png"
    assert shown("file:///data/what?.png") == "file:///data/what?.png"
    assert len(shown("s3://b/" + "x" * 1000)) < 250
