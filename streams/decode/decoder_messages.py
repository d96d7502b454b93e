"""Captures the messages that a C library writes to stderr during one call.

libjpeg reports truncated data only on stderr: it decodes the available part and fills the rest with grey. Descriptor 2
is unchanged: only C's `stderr` points elsewhere, and only during the call.
"""

import ctypes
import functools
import os
import threading
from collections.abc import Callable
from typing import NamedTuple, TypeVar

_UNBUFFERED = 2
"""`_IONBF` of stdio.h."""
_MAX_BYTES = 4096
_lock = threading.Lock()
_Result = TypeVar("_Result")


class _Sink(NamedTuple):
    descriptor: int
    stream: int
    stderr: ctypes.c_void_p
    """C's variable `stderr`."""


def with_messages(call: Callable[[], _Result]) -> tuple[_Result, str]:
    """The result of the call and the messages written meanwhile; one call at a time, because `stderr` is global.

    Where C's `stderr` cannot be set (not glibc on Linux) the messages are empty.
    """
    sink = _sink(os.getpid())
    if sink is None:
        return call(), ""
    with _lock:
        before = sink.stderr.value
        sink.stderr.value = sink.stream
        try:
            result = call()
        finally:
            sink.stderr.value = before
            messages = os.pread(sink.descriptor, _MAX_BYTES, 0)
            os.ftruncate(sink.descriptor, 0)
    return result, messages.decode(errors="replace")


@functools.cache
def _sink(_process: int) -> _Sink | None:
    """One in-memory file per process: a fork that shared it would read its parent's messages. Never closed, because a
    thread in C may still use it."""
    libc = ctypes.CDLL(None)
    libc.fdopen.restype, libc.fdopen.argtypes = ctypes.c_void_p, (ctypes.c_int, ctypes.c_char_p)
    libc.setvbuf.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t)
    try:
        stderr = ctypes.c_void_p.in_dll(libc, "stderr")
        descriptor = os.memfd_create("decoder-messages")
    except (ValueError, AttributeError, OSError):
        return None
    stream = libc.fdopen(descriptor, b"a")
    libc.setvbuf(stream, None, _UNBUFFERED, 0)
    return _Sink(descriptor, stream, stderr)
