# SPDX-License-Identifier: MIT
"""A broker that does what a test tells it, for failures that the real one shows rarely.

It answers ACQUIRE alone, by a script: each item is a status (docs/protocol.md),
or HANG_UP.  When the script is over every request succeeds, with a set that all
of its clients share.
"""
import contextlib
import ctypes
import functools
import os
import socket
import struct
import threading
from pathlib import Path

import bpf_fd

OK, DENIED, NO_OBJECT, BUSY, LIMIT, INTERNAL = 0, 5, 6, 9, 10, 11
HANG_UP = object()

HEADER = struct.Struct("<IHHII")
REPLY = struct.Struct("<HHI8s160s")
MAGIC, VERSION = 0x42535352, 1
OP_ACQUIRE, OP_REPLY = 3, 0x8000
ROLES = bytes([1, 2, 3, 4, 5])
OBJECT_ID = bytes(range(32))
MAPS = {"config": b"tap_rss_map_configurations", "key": b"tap_rss_map_toeplitz_key",
        "table": b"tap_rss_map_indirection_table"}  # fmt: skip


@functools.lru_cache
def a_set(frozen=False):
    """A program and its maps, as the kernel has them; frozen ones cannot be mapped for writing."""
    bpf = ctypes.CDLL("libbpf.so.1", use_errno=True)
    bpf.bpf_object__open_file.restype = bpf.bpf_object__find_program_by_name.restype = ctypes.c_void_p
    path = Path(os.environ.get("RSSB_BUILD", "build")) / "bpf/rss.bpf.o"
    loaded = ctypes.c_void_p(bpf.bpf_object__open_file(os.fsencode(path), None))
    assert loaded.value and not bpf.bpf_object__load(loaded), f"{path}: libbpf cannot load it"
    program = ctypes.c_void_p(bpf.bpf_object__find_program_by_name(loaded, b"tun_rss_steering_prog"))
    fds = {"prog": bpf.bpf_program__fd(program)}
    for name, map_name in MAPS.items():
        fds[name] = bpf.bpf_object__find_map_fd_by_name(loaded, map_name)
        if frozen:
            bpf_fd.bpf(bpf_fd.MAP_FREEZE, struct.pack("<I", fds[name]))
    return fds


def reply(op, tag, status=OK, body=b"", roles=b"", retry_ms=0, reason=b""):
    """To a request with this op and tag; as many fds go with it as there are roles."""
    header = HEADER.pack(MAGIC, VERSION, op | OP_REPLY, HEADER.size + REPLY.size + len(body), tag)
    return header + REPLY.pack(status, len(roles), retry_ms, roles, reason) + body


class Listener:
    """Gives each request to _answer(peer, request), which returns whether to go on.  Use it with `with`."""

    def __init__(self, path):
        self.path = path
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self):
        self._listener.bind(str(self.path))
        os.chmod(self.path, 0o666)
        self._listener.listen()
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()
        os.unlink(self.path)

    def _serve(self):
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            with peer, contextlib.suppress(BrokenPipeError, ConnectionResetError):  # who did not wait for the answer
                while (request := peer.recv(4096)) and self._answer(peer, request):
                    pass


class FakeBroker(Listener):
    def __init__(self, path, script=(), retry_ms=0, make_fd=None):
        super().__init__(path)
        self.script = list(script)
        self.retry_ms = retry_ms
        fds = None if make_fd else a_set()  # now: a client does not wait for the verifier
        self._make_fd = make_fd or (lambda name: os.dup(fds[name]))
        self.requests = 0
        self.last_request = None
        self._grants = 0

    def _answer(self, peer, request):
        magic, _, op, length, tag = HEADER.unpack_from(request)
        assert (magic, op, length) == (MAGIC, OP_ACQUIRE, len(request))
        self.requests += 1
        self.last_request = request
        status = self.script.pop(0) if self.script else OK
        if status is HANG_UP:
            return False
        if status == OK:
            self._grant(peer, tag, request)
        else:
            peer.send(reply(OP_ACQUIRE, tag, status, retry_ms=self.retry_ms, reason=b"as the script says"))
        return True

    def _grant(self, peer, tag, request):
        lease, ours = os.pipe()
        fds = [self._make_fd(name) for name in ("prog", "config", "key", "table")] + [lease]
        self._grants += 1
        by_id = struct.unpack_from("<H", request, 24)[0]
        body = struct.pack("<Q", self._grants) + (request[32:64] if by_id else OBJECT_ID)
        socket.send_fds(peer, [reply(OP_ACQUIRE, tag, body=body, roles=ROLES, retry_ms=self.retry_ms)], fds)
        for fd in [*fds, ours]:
            os.close(fd)
