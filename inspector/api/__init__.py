"""Judges pieces from Python, without a line: a bundle and recordings in, verdicts out."""

from inspector.api.address import AddressError as AddressError
from inspector.api.files import InputError as InputError
from inspector.api.files import RawImage as RawImage
from inspector.api.files import SignalFile as SignalFile
from inspector.api.inspector import Inspector as Inspector
from inspector.api.pieces import Piece as Piece
from inspector.api.verdict import Verdict as Verdict
