# SPDX-License-Identifier: MIT
"""Raw messages to a broker and back, for tests of the broker: right ones and wrong ones.

It must never judge a message: what is sent and what comes back is the test's.
"""
import array
import contextlib
import os
import socket
import struct

import vectors

REPLY = 0x8000
OPS = {"INFO": 1, "OBJECT": 2, "ACQUIRE": 3, "RELEASE": 4, "EXPORT": 5, "UPDATE": 6, "STATS": 7,
       "STATUS": 8, "GRANT": 9, "MOVE": 10}  # fmt: skip
HANDOFF, PROGRAM_ONLY, MANAGED = 1, 2, 3
NO_CONFIG, STATS, KEEP = 1, 2, 4
(OK, MALFORMED, VERSION, UNKNOWN_OP, INVALID, DENIED, NO_OBJECT, NO_GRANT, LABEL_TAKEN, BUSY,
 LIMIT, INTERNAL, WRONG_KIND, TIMEOUT) = range(14)  # fmt: skip
PROG, CONFIG, KEY, TABLE, LEASE, ELF = range(1, 7)


class Closed(Exception):
    """The broker hung up."""


class Reply:
    """A reply's head, its body as bytes, and its fds by role; close() closes those still here."""

    def __init__(self, data, fds):
        self.data = data
        (self.magic, self.version, self.op, self.length, self.tag, self.status, self.n_fds,
         self.retry_ms, roles, reason) = struct.unpack_from("<IHHIIHHI8s160s", data)  # fmt: skip
        self.reason = reason.rstrip(b"\0").decode("ascii")
        self.roles = list(roles[: self.n_fds])
        self.body = data[192:]
        assert len(fds) == self.n_fds and not any(roles[self.n_fds :])
        self.fds = dict(zip(self.roles, fds))

    @property
    def grant_id(self):
        return struct.unpack_from("<Q", self.body)[0]

    @property
    def object_id(self):
        return self.body[8:40]

    def close(self, *roles):
        for role in roles or list(self.fds):
            os.close(self.fds.pop(role))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Connection:
    """One connection.  Every fd that comes is close-on-exec."""

    def __init__(self, path, timeout_s=60):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # A blocking connect() waits for room in the backlog, a timeout of Python's does not.
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", timeout_s, 0))
        self.sock.connect(str(path))
        self.sock.settimeout(timeout_s)

    def send(self, message, fds=()):
        control = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        self.sock.sendmsg([message], control)

    def receive(self):
        data, control, flags, _ = self.sock.recvmsg(
            8192, socket.CMSG_SPACE(5 * 4), socket.MSG_CMSG_CLOEXEC
        )
        fds = array.array("i")
        for level, kind, payload in control:
            assert (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)
            fds.frombytes(payload)
        assert not flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC)
        if not data:
            raise Closed
        return Reply(data, fds)

    def last_words(self):
        """What the broker said before it hung up, which may lie behind one failed call."""
        try:
            return self.receive()
        except ConnectionResetError:
            return self.receive()

    def ask(self, message):
        """What a broker said before it hung up is still to be read, behind one failed call."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.send(message)
        try:
            return self.receive()
        except ConnectionResetError:
            return self.receive()

    def is_closed(self):
        """Whether the broker has hung up; a message that comes instead is a failure."""
        try:
            return self.sock.recv(1) == b""
        except ConnectionResetError:
            return True

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def ask(path, message):
    """One request on a connection of its own."""
    with Connection(path) as c:
        return c.ask(message)


def put(message, at, form, *values):
    """The message with little-endian values at an offset."""
    changed = bytearray(message)
    struct.pack_into("<" + form, changed, at, *values)
    return bytes(changed)


def acquire(kind=HANDOFF, flags=0, label=b"", steering=None, object_id=None):
    """An ACQUIRE; the steering is of (hash_types, queues, default_queue, key, table)."""
    name = "request-acquire-no-config" if flags & NO_CONFIG else "request-acquire-handoff"
    message = put(vectors.read(name), 16, "HH", kind, flags)
    message = put(message, 64, "16s", label)
    if object_id:
        message = put(message, 24, "HHI32s", 1, 0, 0, object_id)
    if steering:
        message = message[:80] + pack_steering(*steering)
    return message


def pack_steering(hash_types, queues, default_queue, key, table):
    head = struct.pack("<IHHHH4x40s", hash_types, queues, default_queue, len(table), len(key), key)
    return head + struct.pack(f"<{len(table)}H", *table).ljust(256, b"\0")


def release(grant_id=0, label=b""):
    return put(vectors.read("request-release-id"), 16, "Q16s", grant_id, label)


def move(*moves, grant_id=0, label=b""):
    """A MOVE of (entry, from, to)."""
    message = put(vectors.read("request-move"), 16, "Q16sH6x", grant_id, label, len(moves))
    return message[:48] + b"".join(struct.pack("<HHH2x", *m) for m in moves).ljust(256, b"\0")


def export(object_id):
    return put(vectors.read("request-export-id"), 24, "32s", object_id)


def objects(path):
    """{name: id} of all that a broker serves."""
    found = {}
    for index in range(99):
        reply = ask(path, put(vectors.read("request-object"), 16, "I", index))
        if reply.status != OK:
            return found
        object_id, name = struct.unpack_from("<32s32s", reply.body)
        found[name.rstrip(b"\0").decode()] = object_id


@contextlib.contextmanager
def as_user(uid, gid=None, groups=()):
    """This process, as far as SO_PEERCRED of a connect() in here tells."""
    before = os.getgroups()
    os.setgroups(groups)
    os.setegid(uid if gid is None else gid)
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(before)
