"""Decodes text that people saved on their own machines: UTF-8, with or without a byte order mark, any line end."""

import codecs

MAX_TEXT_BYTES = 2**30
_UTF_16 = {codecs.BOM_UTF16_LE: "UTF-16, little-endian", codecs.BOM_UTF16_BE: "UTF-16, big-endian"}


class TextFileError(ValueError):
    """Why a text cannot be read, and what to do; the caller adds the file's name."""


def decoded(data: bytes) -> tuple[str, list[str]]:
    """The text without its mark, and a sentence for each thing that Windows left and that does no harm.

    Raises TextFileError.
    """
    kind = _UTF_16.get(data[:2]) or ("UTF-16 without a byte order mark" if b"\0" in data[:4] else None)
    if kind is not None:
        raise TextFileError(
            f"is {kind}, as Notepad's 'Unicode' and PowerShell's > write it; save it as UTF-8 "
            "(PowerShell: Out-File -Encoding utf8)"
        )
    notes = []
    if data.startswith(codecs.BOM_UTF8):
        notes.append("begins with a byte order mark, which is ignored")
    if b"\r\n" in data:
        notes.append("has the line ends of Windows (CRLF), which are read like others")
    try:
        return data.decode("utf-8-sig"), notes
    except UnicodeDecodeError as exc:
        raise TextFileError(f"is not UTF-8 ({exc.reason} at byte {exc.start}); save it as UTF-8") from exc
