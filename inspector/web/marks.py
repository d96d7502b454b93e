"""Makes files of one recording differ without changing what they show: a comment of random text and length.

Else a hash would find a piece of the review desk among the stored pieces, with its age and what others said about it.
"""

import secrets
import struct
import zlib

from inspector.web.encode import Picture, Sound
from inspector.web.media import PieceFiles

_PNG, _PNG_HEADER_BYTES = b"\x89PNG\r\n\x1a\n", 33
_JPEG, _JPEG_APP0 = b"\xff\xd8", b"\xff\xe0"


def marked_files(files: PieceFiles) -> PieceFiles:
    """The same pictures and sounds, each with a comment of its own."""
    pictures = {
        name: tuple(Picture(marked(each.data), each.media_type, each.width_px, each.height_px) for each in shown)
        for name, shown in files.pictures.items()
    }
    return PieceFiles(pictures, {name: Sound(marked(each.data)) for name, each in files.sounds.items()})


def marked(data: bytes) -> bytes:
    """PNG, JPEG or WAV; other data stays as it is."""
    comment = secrets.token_hex(16 + secrets.randbelow(128)).encode()
    if data.startswith(_PNG):
        chunk = b"tEXtComment\0" + comment
        whole = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
        return data[:_PNG_HEADER_BYTES] + whole + data[_PNG_HEADER_BYTES:]
    if data.startswith(_JPEG):
        at = 4 + int.from_bytes(data[4:6]) if data[2:4] == _JPEG_APP0 else 2
        return data[:at] + b"\xff\xfe" + struct.pack(">H", len(comment) + 2) + comment + data[at:]
    if data.startswith(b"RIFF"):
        chunk = b"JUNK" + struct.pack("<I", len(comment)) + comment
        return b"RIFF" + struct.pack("<I", len(data) + len(chunk) - 8) + data[8:] + chunk
    return data
