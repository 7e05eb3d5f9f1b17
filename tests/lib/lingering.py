# SPDX-License-Identifier: MIT
"""Sockets whose close takes as long as their owner chose."""
import socket
import struct


def set_linger(sock, seconds):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, seconds))


def lingering(seconds):
    """A TCP socket whose last close waits so long: its peer, the second one, reads nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        sender = socket.create_connection(server.getsockname())
        receiver, _ = server.accept()
    set_linger(sender, seconds)
    sender.setblocking(False)
    try:
        while True:
            sender.send(bytes(65536))
    except BlockingIOError:
        sender.setblocking(True)
        return sender, receiver
