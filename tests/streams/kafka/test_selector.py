"""The selector of the clients finds what is registered, closed sockets too, and raises what kafka-python expects."""

import selectors
import socket
from contextlib import closing

import pytest

from streams.kafka.selector import QuietSelector


def test_a_socket_is_found_while_it_is_registered() -> None:
    with closing(QuietSelector()) as selector, closing(socket.socket()) as plain:
        with pytest.raises(KeyError):
            selector.get_key(plain)
        key = selector.register(plain, selectors.EVENT_READ, "data")
        assert selector.get_key(plain) == selector.get_key(plain.fileno()) == key
        selector.unregister(plain)
        with pytest.raises(KeyError):
            selector.get_key(plain)


def test_a_socket_that_was_closed_first_is_found_and_can_be_unregistered() -> None:
    with closing(QuietSelector()) as selector:
        plain = socket.socket()
        key = selector.register(plain, selectors.EVENT_READ)
        plain.close()
        assert selector.get_key(plain) == key
        selector.unregister(plain)
        assert not selector.get_map()
