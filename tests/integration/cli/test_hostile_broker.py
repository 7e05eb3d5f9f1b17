# SPDX-License-Identifier: MIT
"""rssb, as root, at a broker whose front somebody has taken over.

Each answer is one of the protocol in its form, and means harm by its numbers.
"""
import fcntl
import itertools
import os
import resource
import socket
import struct
import subprocess

import pytest

import fake_broker
import qmp_talk
import wire
from lingering import lingering

OBJECTS, GRANTS = 2**32 - 1, 2**14  # an overflow of 32 bits; more than any broker has


def info(n_objects=1):
    return struct.pack("<32sIHHII", b"0.1.0", n_objects, 256, 128, 0x7FE, 0xE)


class Hostile(fake_broker.Listener):
    """Answers each operation by a function, which returns the reply's body."""

    def __init__(self, path, **bodies):
        super().__init__(path)
        self.bodies = {wire.OPS[name]: body for name, body in bodies.items()}
        self.requests = []

    def _answer(self, peer, request):
        self.requests.append(request)
        _, _, op, _, tag = fake_broker.HEADER.unpack_from(request)
        body = self.bodies[op]() if op in self.bodies else b""
        peer.send(fake_broker.reply(op, tag, body=body) if body
                  else fake_broker.reply(op, tag, wire.INTERNAL, reason=b"not here"))  # fmt: skip
        return True


@pytest.fixture
def rssb(build, tmp_path):
    def run(*words, **bodies):
        path = tmp_path / "sock"
        with Hostile(path, **bodies) as hostile:
            run.requests = hostile.requests
            return subprocess.run([build / "rssb", "--socket", path, *words], text=True, timeout=1200,
                                  capture_output=True, check=False,
                                  preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0)))  # fmt: skip

    return run


@pytest.mark.parametrize("command", ["doctor", "info"])
def test_objects_without_an_end(rssb, command):
    """The list that doctor makes room for was as long as what is left of the number in 32 bits."""
    rows = (struct.pack("<32s32sII", bytes(32), b"A" * 31, 1, 1) for _ in range(5000))
    done = rssb(command, INFO=lambda: info(OBJECTS), OBJECT=lambda: next(rows, b""))
    assert done.returncode == 1
    assert f"the broker says that it has {OBJECTS} objects" in done.stdout + done.stderr
    assert next(rows, None)  # it did not ask for all of them


def grant(number):
    """Number 0 is the end of the list."""
    return struct.pack("<QQIIHHHHI4x16s32s", number % GRANTS, 1, 0, 1, 3, 0, 1, 1, 1, b"a", bytes(32))


def test_grants_without_an_end(rssb):
    ids = itertools.count(1)
    done = rssb("status", INFO=info, STATUS=lambda: bytes(512), GRANT=lambda: grant(next(ids)))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "rssb: status: the broker's list of grants has no end\n"


def move_reply(queues, table_len, entry):
    return struct.pack("<QHH4x128H", 1, queues, table_len, *[entry] * table_len, *[0] * (128 - table_len))


@pytest.mark.parametrize("queues, table_len, entry",
                         [(4, 128, 4), (4, 128, 65535), (256, 1, 256), (0, 128, 0), (257, 1, 0), (4, 0, 0)])  # fmt: skip
def test_a_table_that_names_no_queue(rssb, queues, table_len, entry):
    """Of balance an entry is an index, and what is counted for it is written there: root's stack."""
    looks = itertools.count(1)

    def stats():
        n = next(looks)
        counts = [word for _ in range(256 + 128) for word in (n << 56, n)]
        return struct.pack("<QQHHI104x768Q", 1, n * 10**9, 4, 128, 0x3F, *counts)

    done = rssb("balance", "--once", "--every", "0.1", "web", STATS=stats,
                MOVE=lambda: move_reply(queues, table_len, entry))  # fmt: skip
    harmless = queues <= 256 and (not table_len or entry < queues)
    assert done.returncode == (0 if harmless else 1)
    names = [request[16:40].rstrip(b"\0") for request in rssb.requests]
    assert names[0] == bytes(8) + b"web"
    assert set(names[1:]) == {b"\1"}  # another's grant may have that label by now
    if not harmless:
        assert "the broker's reply has no table: a queue or an entry is out of range" in done.stderr


class Exports(fake_broker.Listener):
    """Answers EXPORT with such an fd, of which nobody else has a copy, and says that it is so long."""

    def __init__(self, path, make, size):
        super().__init__(path)
        self.make, self.size = make, size

    def _answer(self, peer, request):
        _, _, op, _, tag = fake_broker.HEADER.unpack_from(request)
        body = struct.pack("<32s32sIH2x", bytes(32), b"rss", self.size, 1)
        fd = self.make()
        socket.send_fds(peer, [fake_broker.reply(op, tag, body=body, roles=bytes([6]))], [fd])
        os.close(fd)
        return True


SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
MIB = 1 << 20


def memfd(size, seals=SEALS):
    fd = os.memfd_create("object", os.MFD_ALLOW_SEALING)
    os.ftruncate(fd, size)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
    return fd


@pytest.mark.parametrize("make, size, right", [
    (lambda: memfd(MIB), MIB, True),
    (lambda: memfd(MIB + 1), MIB + 1, False),  # as much as four billion bytes it wrote to the file
    (lambda: memfd(1000), 1001, False),
    (lambda: memfd(1000), 999, False),
    (lambda: memfd(1000, 0), 1000, False),
    (lambda: memfd(1000, SEALS & ~fcntl.F_SEAL_SHRINK), 1000, False),  # cut short, it ended rssb by SIGBUS
    (lambda: os.open("/dev/null", os.O_RDONLY), 0, False),
])  # fmt: skip
def test_an_export_that_is_no_sealed_memfd(build, tmp_path, make, size, right):
    with Exports(tmp_path / "sock", make, size):
        command = [build / "rssb", "--socket", tmp_path / "sock", "export", "-o", tmp_path / "out"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode == 0) == right == (tmp_path / "out").exists()
    if not right:
        assert "the broker sent an fd that is not a sealed memfd of the object's size" in done.stderr


@pytest.mark.parametrize("command", [["export", "-o", "/dev/null"], ["qmp", "--stdio"]])
def test_an_export_whose_close_waits(build, tmp_path, command):
    """It was closed as it was, for as long as the client of a taken-over front liked."""
    receivers = []

    def make():
        sender, receiver = lingering(600)
        receivers.append(receiver)
        return sender.detach()

    with Exports(tmp_path / "sock", make, 1000):
        done = subprocess.run([build / "rssb", "--socket", tmp_path / "sock", *command], capture_output=True,
                              input=qmp_talk.NEGOTIATE + b'{"execute": "request-ebpf", "arguments": {"id": "rss"}}',
                              timeout=120, check=False)  # fmt: skip
    assert b"not a sealed memfd" in done.stdout + done.stderr


class Later(fake_broker.Listener):
    """Tells everybody to come back in so many milliseconds."""

    def __init__(self, path, retry_ms):
        super().__init__(path)
        self.retry_ms = retry_ms

    def _answer(self, peer, request):
        _, _, op, _, tag = fake_broker.HEADER.unpack_from(request)
        peer.send(fake_broker.reply(op, tag, wire.LIMIT, retry_ms=self.retry_ms, reason=b"not now"))
        return True


@pytest.mark.parametrize("retry_ms", [2**32 - 1, 2**31, 2**31 - 1, 3600 * 1000])
def test_a_time_to_come_back_that_never_comes(build, tmp_path, retry_ms):
    """rssb qmp waited as long as the broker said, and its client with it; 2^32 - 1 ms was for ever."""
    with Later(tmp_path / "sock", retry_ms):
        command = [build / "rssb", "--socket", tmp_path / "sock", "qmp", "--stdio"]
        with qmp_talk.talk_to_program(command) as talk:
            talk.exchange(qmp_talk.NEGOTIATE)
            error = {"class": "GenericError", "desc": "rss-broker: not now"}
            assert talk.execute("request-ebpf", id="rss")["error"] == error
