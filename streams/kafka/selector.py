"""Looks up sockets for kafka-python without the words of an error that it throws away."""

import selectors
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike


class QuietSelector(selectors.DefaultSelector):
    """kafka-python asks for a socket before every wait, and mostly it is not there yet.

    The standard library then builds a message that names both ends of the connection: two system calls, a twentieth of
    the cost of a request.
    """

    _fd_to_key: Mapping[int, selectors.SelectorKey]

    def get_key(self, fileobj: "FileDescriptorLike") -> selectors.SelectorKey:
        """Raises KeyError for a socket that is not registered."""
        descriptor = fileobj if isinstance(fileobj, int) else fileobj.fileno()
        if descriptor < 0:  # closed, and perhaps registered still
            return super().get_key(fileobj)
        return self._fd_to_key[descriptor]
