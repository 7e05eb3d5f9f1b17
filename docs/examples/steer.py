#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Steers a multi-queue tap by hash, without any privilege and with a socket alone.

    steer.py IFNAME QUEUES

Opens the tap's queues, as a VMM does, asks rss-broker for a program that
nobody can change any more, attaches it, and prints for each packet the queue
that it came in on.  docs/protocol.md has every number in here.
"""
import array
import fcntl
import os
import select
import socket
import struct
import sys

TUNSETIFF, TUNSETSTEERINGEBPF = 0x400454CA, 0x800454E0
IFF_TAP, IFF_MULTI_QUEUE, IFF_NO_PI = 0x0002, 0x0100, 0x1000

MAGIC, VERSION, ACQUIRE, REPLY = 0x42535352, 1, 3, 0x8000
PROGRAM_ONLY, BY_ABI, QEMU_RSS_1 = 2, 0, 1
ROLES = bytes([1, 5])  # program, lease
HASH_TYPES = 0x3F  # IPv4, TCP and UDP over it, and the same for IPv6


def request(queues, key):
    """An ACQUIRE of all equal queues."""
    table = [i % queues for i in range(128)]
    body = struct.pack("<HH4x", PROGRAM_ONLY, 0)
    body += struct.pack("<HH4x32x", BY_ABI, QEMU_RSS_1)
    body += bytes(16)  # no label
    body += struct.pack("<IHHHH4x40s128H", HASH_TYPES, queues, 0, 128, 40, key, *table)
    return struct.pack("<IHHII", MAGIC, VERSION, ACQUIRE, 16 + len(body), 1) + body


def receive(sock):
    """One reply, and its fds: they are open, whatever the reply is."""
    room = socket.CMSG_SPACE(5 * 4)
    data, control, flags, _ = sock.recvmsg(8192, room, socket.MSG_CMSG_CLOEXEC)
    fds = array.array("i")
    for _, _, payload in control:
        fds.frombytes(payload[: len(payload) // 4 * 4])
    return b"" if flags & socket.MSG_TRUNC else data, list(fds)


def acquire(queues, key):
    """The fds of program and lease."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
        sock.settimeout(5)
        sock.connect(os.environ.get("RSSB_SOCKET") or "/run/rss-broker/rss-broker.sock")
        sock.send(request(queues, key))
        data, fds = receive(sock)
    if len(data) < 192:
        sys.exit("steer: the broker has hung up")
    magic, version, op, length, tag = struct.unpack_from("<IHHII", data)
    status, n_fds, _, roles, reason = struct.unpack_from("<HHI8s160s", data, 16)
    if magic != MAGIC or version != VERSION or length != len(data):
        sys.exit("steer: that is no reply of this protocol")
    if status:
        sys.exit("steer: " + reason.rstrip(b"\0").decode())
    if (op, tag, length) != (ACQUIRE | REPLY, 1, 232) or roles != ROLES.ljust(8, b"\0"):
        sys.exit("steer: that is no reply to this request")
    if len(fds) != n_fds:
        sys.exit("steer: SELinux or RLIMIT_NOFILE kept some fds back")
    return fds


def open_queue(ifname):
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    flags = IFF_TAP | IFF_MULTI_QUEUE | IFF_NO_PI
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", ifname.encode(), flags))
    return fd


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: steer.py IFNAME QUEUES")
    ifname, key = sys.argv[1], os.urandom(40)
    queues = [open_queue(ifname) for _ in range(int(sys.argv[2]))]
    program, _lease = acquire(len(queues), key)  # the lease stays open while we run
    fcntl.ioctl(queues[0], TUNSETSTEERINGEBPF, struct.pack("i", program))
    os.close(program)  # the kernel has its own reference
    print(f'{ifname}: "equal {len(queues)} hkey {key.hex(":")}"', flush=True)
    while True:
        for fd in select.select(queues, [], [])[0]:
            print(f"queue {queues.index(fd)}: {len(os.read(fd, 65536))} bytes", flush=True)


if __name__ == "__main__":
    main()
