"""What C writes to its stderr during a call is handed to the caller, and nothing else changes."""

import ctypes
import os
import threading

import pytest

from protos.inspection.v1 import records_pb2 as pb
from streams.decode.decoder_messages import with_messages
from streams.decode.images import decode_pixels
from streams.decode.limits import Limits, RecordError
from tests import malformed as bad

LIBC = ctypes.CDLL(None)


def say(text: bytes) -> None:
    stderr = ctypes.c_void_p.in_dll(LIBC, "stderr")
    LIBC.fputs(text, stderr)


def test_messages_go_to_the_caller_of_each_call(capfd: pytest.CaptureFixture[str]) -> None:
    assert with_messages(lambda: say(b"one\n")) == (None, "one\n")
    assert with_messages(lambda: 7) == (7, "")
    os.write(2, b"descriptor 2 is untouched\n")
    say(b"after\n")
    assert capfd.readouterr().err == "descriptor 2 is untouched\nafter\n"


def test_messages_of_a_call_that_fails_are_not_those_of_the_next() -> None:
    def fail() -> None:
        say(b"lost\n")
        raise KeyError

    with pytest.raises(KeyError):
        with_messages(fail)
    assert with_messages(lambda: None)[1] == ""


def test_threads_get_their_messages_only() -> None:
    results: dict[int, str] = {}

    def run(number: int) -> None:
        for _ in range(50):
            results[number] = with_messages(lambda: say(b"%d\n" % number))[1]
            assert results[number] == f"{number}\n"

    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {number: f"{number}\n" for number in range(4)}


def test_a_fork_has_messages_of_its_process_only() -> None:
    with_messages(lambda: None)
    child = os.fork()
    if child == 0:
        os._exit(with_messages(lambda: say(b"child\n"))[1] != "child\n")
    assert os.waitpid(child, 0)[1] == 0
    assert with_messages(lambda: None)[1] == ""


def test_no_image_that_is_refused_writes_a_line(capfd: pytest.CaptureFixture[str]) -> None:
    for case in bad.malformed():
        if case.type == bad.FRAME and case.name.startswith(("png", "jpeg", "bomb")):
            with pytest.raises(RecordError):
                decode_pixels(pb.CameraFrame.FromString(case.value).pixels, Limits())
    assert capfd.readouterr().err == ""
