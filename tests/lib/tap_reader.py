# SPDX-License-Identifier: MIT
"""Reads every queue of a tap, as a VMM would, and says on which one each flow came in."""
import fcntl
import os
import struct

from waiting import wait_for

TUNSETIFF = 0x400454CA
IFF_TAP, IFF_NO_PI, IFF_VNET_HDR, IFF_MULTI_QUEUE = 0x0002, 0x1000, 0x4000, 0x0100
VNET_HDR_LEN = 10
MAC = bytes.fromhex("020000000002")
MARK = b"RSST"
WINDOW = 200  # flows on the way at a time: a queue holds 500 packets and more


class TapReader:
    """Use it with `with`.  The queues are opened in order: fd i is queue i."""

    def __init__(self, world, ifname, queues):
        self.world, self.ifname = world, ifname
        with world.network():
            self.fds = [self._open() for _ in range(queues)]
        with world.packet_socket(ifname) as sock:
            wait_for(lambda: self._passes(sock), f"{ifname} to pass packets")

    def _passes(self, sock):
        """A tap's queueing discipline starts some time after its first queue is opened."""
        sock.send(MAC + MAC + b"\x88\xb5 is it up?")
        return any(True for _ in self.drain())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for fd in self.fds:
            os.close(fd)

    def _open(self):
        fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE
        fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", self.ifname.encode(), flags))
        return fd

    def drain(self):
        """(queue, number in the payload, None if it is not ours) of each packet that is there."""
        for queue, fd in enumerate(self.fds):
            while True:
                try:
                    packet = os.read(fd, 65536)
                except BlockingIOError:
                    break
                at = packet.find(MARK, VNET_HDR_LEN)
                yield queue, struct.unpack_from("!I", packet, at + 4)[0] if at >= 0 else None

    def queues_of(self, flows):
        """Sends one packet of each flow into the tap; returns the queue of each."""
        list(self.drain())
        seen = {}

        def arrived():
            seen.update((number, queue) for queue, number in self.drain() if number is not None)
            return len(seen) == end

        with self.world.packet_socket(self.ifname) as sock:
            for start in range(0, len(flows), WINDOW):
                end = min(start + WINDOW, len(flows))
                for number in range(start, end):
                    sock.send(flows[number].frame(MARK + struct.pack("!I", number), MAC))
                wait_for(arrived, f"flows up to {end}")
        return [seen[number] for number in range(len(flows))]
