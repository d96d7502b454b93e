"""Takes what a C library writes to its stderr during one call and hands it to the caller.

libjpeg says on stderr, and nowhere else, that a file's data end too early; it decodes what there is and paints the rest
grey. Descriptor 2 stays as it is: only C's `stderr` points elsewhere, and only while the call runs.
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
    """C's variable of that name."""


def with_messages(call: Callable[[], _Result]) -> tuple[_Result, str]:
    """What the call returns and what was written meanwhile; one call at a time, for the variable is the process's.

    Where C's `stderr` cannot be set (neither glibc nor Linux) nothing is taken and the message is empty.
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
            said = os.pread(sink.descriptor, _MAX_BYTES, 0)
            os.ftruncate(sink.descriptor, 0)
    return result, said.decode(errors="replace")


@functools.cache
def _sink(_process: int) -> _Sink | None:
    """One file in memory for each process: a fork that shared it would read its parent's messages. Never closed, for a
    thread in C may hold it."""
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
