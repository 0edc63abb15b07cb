"""Sockets of servers."""

from __future__ import annotations

import errno
import socket

from tfq_llm.errors import InputError


def listen(host: str, port: int, backlog: int = 128) -> socket.socket:
    """A socket that listens.

    Args:
        host: a name or address of this machine.
        port: 0 for any that is free.
        backlog: connections that may wait to be accepted.

    Raises:
        InputError: the port is taken or needs rights, or the host is not of this machine.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except socket.gaierror as error:
        raise InputError(f"'{host}' is no address of this machine ({error.strerror}): give one such as 127.0.0.1.") from None
    listening = socket.socket(family, kind, protocol)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(address)
    except OSError as error:
        listening.close()
        if error.errno in (errno.EADDRINUSE, errno.EACCES):
            why = "is taken" if error.errno == errno.EADDRINUSE else "needs rights that this user lacks"
            raise InputError(f"the port {port} {why}: give another, or 0 for any that is free.") from None
        if error.errno == errno.EADDRNOTAVAIL:
            raise InputError(f"'{host}' is no address of this machine: give one that is, such as 127.0.0.1.") from None
        raise
    listening.listen(backlog)
    return listening
