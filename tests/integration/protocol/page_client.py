# SPDX-License-Identifier: MIT
"""A client of rss-broker, written from docs/protocol.md and nothing else.

It proves that the page suffices: whoever wrote this had not read a line of the
project's sources.  Standard library only.  test_page_client.py runs it against
a real broker.

    with Client("/run/rss-broker/rss-broker.sock") as client:
        with client.acquire(HANDOFF, steering=Steering(queues=4, ...)) as grant:
            use(grant.fds[PROG])

Every failure is an Error.  A refusal has its status, reason and retry_ms.
"""

import array
import os
import re
import socket
import struct

DEFAULT_SOCKET = "/run/rss-broker/rss-broker.sock"

# The header and what limits a message
MAGIC = 0x42535352
VERSION = 1
REPLY = 0x8000
REPLY_MAX = 8192
FDS_MAX = 5
QUEUES_MAX = 256
TABLE_MAX = 128
KEY_LEN = 40
LABEL_LEN = 16
ID_LEN = 32

# Operations
INFO, OBJECT, ACQUIRE, RELEASE, EXPORT, UPDATE, STATS, STATUS_OP, GRANT = range(1, 10)

# Kinds and flags of ACQUIRE
HANDOFF, PROGRAM_ONLY, MANAGED = 1, 2, 3
NO_CONFIG, COUNT, KEEP = 1, 2, 4        # COUNT: the flag STATS

# ABIs, and the two ways to name an object
QEMU_RSS_1 = 1
BY_ABI, BY_ID = 0, 1

# Roles
PROG, CONFIG, KEY, TABLE, LEASE, ELF = range(1, 7)

# Statuses
STATUS = ["OK", "MALFORMED", "VERSION", "UNKNOWN_OP", "INVALID", "DENIED",
          "NO_OBJECT", "NO_GRANT", "LABEL_TAKEN", "BUSY", "LIMIT", "INTERNAL",
          "WRONG_KIND", "TIMEOUT"]
HANGS_UP = {STATUS.index(name) for name in ("MALFORMED", "VERSION", "DENIED", "TIMEOUT")}

# The layouts: "<" is little-endian and packed; every field is where the page
# says, as all of them are aligned to their own size anyway.
HEADER = struct.Struct("<IHHII")                  # magic version op length tag
HEAD = struct.Struct("<16xHHI8s160s")             # status n_fds retry_ms roles reason
OBJECT_NAME = struct.Struct("<HH4x32s")           # by abi id
GRANT_NAME = struct.Struct("<Q16s")               # id label
STEERING = struct.Struct("<IHHHH4x40s128H")
INFO_REPLY = struct.Struct("<32sIHHII")
OBJECT_REPLY = struct.Struct("<32s32sIHxx")
ACQUIRE_REPLY = struct.Struct("<Q32s")
STATS_REPLY = struct.Struct("<QQHHI9Q4Q512Q256Q")
STATUS_REPLY = struct.Struct("<QIIIIQQQQ16Q16Q24QQ")
GRANT_REPLY = struct.Struct("<QQIIHHHHI4x16s32s")

BODY = {INFO: INFO_REPLY, OBJECT: OBJECT_REPLY, ACQUIRE: ACQUIRE_REPLY,
        RELEASE: struct.Struct(""), EXPORT: OBJECT_REPLY,
        UPDATE: struct.Struct(""), STATS: STATS_REPLY,
        STATUS_OP: STATUS_REPLY, GRANT: GRANT_REPLY}


class Error(Exception):
    """What went wrong.  status is None unless the broker said so."""

    def __init__(self, reason, status=None, retry_ms=0):
        super().__init__(reason)
        self.reason = reason
        self.status = status
        self.retry_ms = retry_ms


class Refused(Error):
    """The broker refused: status, reason and retry_ms are its own."""

    def __init__(self, status, reason, retry_ms):
        super().__init__(reason, status, retry_ms)
        self.name = STATUS[status] if status < len(STATUS) else "INTERNAL"

    def __str__(self):
        return f"{self.name}: {self.reason}"


class Gone(Error):
    """No broker, or it has hung up."""


class Late(Error):
    """No reply within the deadline."""


class Broken(Error):
    """The reply is not one of this protocol."""


class MissingFds(Error):
    """This machine, not the broker, kept fds back: a security module or
    RLIMIT_NOFILE.  The connection goes on."""


class Steering:
    """Which packet goes to which queue.  Without a key (None) an UPDATE keeps the old one."""

    def __init__(self, queues=1, table=(0,), key=bytes(KEY_LEN), hash_types=0,
                 default_queue=0):
        self.queues = queues
        self.table = list(table)
        self.key = b"" if key is None else bytes(key)
        self.hash_types = hash_types
        self.default_queue = default_queue

    def pack(self):
        rest = TABLE_MAX - len(self.table)
        if rest < 0 or len(self.key) not in (0, KEY_LEN):
            raise ValueError(f"a table has at most {TABLE_MAX} entries, "
                             f"a key {KEY_LEN} bytes")
        return STEERING.pack(self.hash_types, self.queues, self.default_queue,
                             len(self.table), len(self.key), self.key,
                             *self.table, *[0] * rest)


class Holder:
    """Holds fds, by role, until it is closed."""

    def __init__(self, fds):
        self.fds = fds

    def close(self):
        while self.fds:
            os.close(self.fds.popitem()[1])

    def take(self, role):
        """The fd of a role: the caller closes it from now on."""
        return self.fds.pop(role)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


class Grant(Holder):
    """What ACQUIRE made.  Closing it closes the lease, which ends the grant
    unless another copy of it is open (or there is none: KEEP)."""

    def __init__(self, fds, grant_id, object_id):
        super().__init__(fds)
        self.id = grant_id
        self.object_id = object_id


class Record:
    """A reply's fields."""

    def __init__(self, **fields):
        self.__dict__.update(fields)

    def __repr__(self):
        return f"Record({self.__dict__})"


class Client:
    def __init__(self, path=None, timeout=60.0):
        path = path or os.environ.get("RSSB_SOCKET") or DEFAULT_SOCKET
        self.tag = 0
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            # A connect that blocks waits for room in the broker's queue, and
            # this is how a blocking connect of AF_UNIX is bounded in time.
            self.sock.setsockopt(
                socket.SOL_SOCKET, socket.SO_SNDTIMEO,
                struct.pack("@ll", int(timeout), int(timeout % 1 * 1e6)))
            self.sock.connect(path)
            self.sock.settimeout(timeout)
        except BlockingIOError as error:
            self.close()
            raise Late(f"{path}: connections queue up there") from error
        except OSError as error:
            self.close()
            raise Gone(f"{path}: {error.strerror}") from error

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    # The operations

    def info(self):
        fields, _ = self.call(INFO)
        names = ("version", "n_objects", "queues_max", "table_max", "ops", "kinds")
        record = Record(**dict(zip(names, fields)))
        record.version = text(record.version)
        return record

    def object(self, index):
        fields, _ = self.call(OBJECT, struct.pack("<I4x", index))
        return object_record(fields)

    def acquire(self, kind, steering=None, label="", flags=0, object_id=None,
                abi=QEMU_RSS_1):
        """A Grant.  Without steering, flags must have NO_CONFIG."""
        roles = ([PROG, CONFIG, KEY, TABLE] if kind == HANDOFF else [PROG])
        if not flags & KEEP:
            roles.append(LEASE)
        body = (struct.pack("<HH4x", kind, flags) + name_object(object_id, abi)
                + pack_label(label)
                + (steering.pack() if steering else bytes(STEERING.size)))
        fields, fds = self.call(ACQUIRE, body, roles)
        grant = Grant(fds, *fields)
        if object_id and grant.object_id != object_id:
            grant.close()
            self.close()
            raise Broken("the reply is about another object")
        return grant

    def release(self, grant):
        """Of its id (an int) or its label (a str)."""
        self.call(RELEASE, name_grant(grant))

    def update(self, grant, steering):
        self.call(UPDATE, name_grant(grant) + steering.pack())

    def stats(self, grant):
        fields, _ = self.call(STATS, name_grant(grant))
        names = ("grant_id", "time_ns", "queues", "table_len", "hash_types")
        record = Record(**dict(zip(names, fields)))
        counts = fields[len(names):]
        record.hashed, record.fallback = counts[:9], counts[9:13]
        pairs = list(zip(counts[13::2], counts[14::2]))     # (packets, bytes)
        record.queue, record.entry = pairs[:QUEUES_MAX], pairs[QUEUES_MAX:]
        return record

    def status(self):
        fields, _ = self.call(STATUS_OP)
        names = ("uptime_ms", "connections", "grants", "all", "ready", "memory_used",
                 "memory_limit", "loads", "load_failures")
        record = Record(**dict(zip(names, fields)))
        counts = fields[len(names):]
        record.requests, record.refusals = counts[:16], counts[16:32]
        record.latency, record.latency_sum_ns = counts[32:56], counts[56]
        return record

    def grants(self):
        """A record of each live grant that one may know of."""
        names = ("id", "age_ms", "uid", "pid", "kind", "flags", "queues", "table_len",
                 "hash_types", "label", "object_id")
        after = 0
        while True:
            fields, _ = self.call(GRANT, struct.pack("<Q", after))
            record = Record(**dict(zip(names, fields)))
            if not record.id:
                return
            record.label = text(record.label)
            yield record
            after = record.id

    def export(self, object_id=None, abi=QEMU_RSS_1):
        """The object's record, with the memfd in fds[ELF]; close() it."""
        fields, fds = self.call(EXPORT, name_object(object_id, abi), [ELF])
        record = object_record(fields)
        holder = Holder(fds)
        holder.__dict__.update(record.__dict__)
        if object_id and holder.id != object_id:
            holder.close()
            self.close()
            raise Broken("the reply is about another object")
        return holder

    # One request, one reply

    def call(self, op, body=b"", roles=()):
        """Returns the reply's own fields, and its fds by role."""
        self.tag = (self.tag + 1) & 0xffffffff
        header = HEADER.pack(MAGIC, VERSION, op, HEADER.size + len(body), self.tag)
        try:
            self.send(header + body)
            data, fds, flags = self.receive()
        except socket.timeout as error:
            self.close()        # a late reply could be taken for the next one
            raise Late("the broker does not answer") from error
        except OSError as error:
            self.close()
            raise Gone(f"connection to the broker: {error.strerror}") from error
        try:
            fields = self.judge(op, data, len(fds), flags, roles)
        except Error as error:
            for fd in fds:
                os.close(fd)
            if isinstance(error, (Broken, Gone)):
                self.close()
            elif isinstance(error, MissingFds) and op == ACQUIRE:
                self.forget(data)
            raise
        return fields, dict(zip(roles, fds))

    def forget(self, data):
        """A grant whose fds did not arrive is of no use, and without a lease
        (KEEP) nothing but RELEASE ends it."""
        try:
            self.release(ACQUIRE_REPLY.unpack_from(data, HEAD.size)[0])
        except Error:
            pass                # it has ended with its lease

    def send(self, message):
        try:
            self.sock.send(message, socket.MSG_NOSIGNAL)
        except (BrokenPipeError, ConnectionResetError):
            pass                # why is still to be read

    def receive(self):
        room = socket.CMSG_SPACE(FDS_MAX * struct.calcsize("i"))
        try:
            message = self.sock.recvmsg(REPLY_MAX, room, socket.MSG_CMSG_CLOEXEC)
        except ConnectionResetError:        # once; then what it said before
            message = self.sock.recvmsg(REPLY_MAX, room, socket.MSG_CMSG_CLOEXEC)
        data, ancillary, flags, _ = message
        fds = array.array("i")
        for level, kind, content in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds.frombytes(content[:len(content) - len(content) % fds.itemsize])
        return data, list(fds), flags

    def judge(self, op, data, n_came, flags, roles):
        """Every check of "What a client must check"."""
        if flags & socket.MSG_TRUNC:
            raise Broken("the reply is longer than any message")
        if not data:
            raise Gone("the broker has hung up")
        if len(data) < HEAD.size:
            raise Broken(f"the reply has {len(data)} bytes")
        magic, version, reply_op, length, tag = HEADER.unpack_from(data)
        status, n_fds, retry_ms, roles_came, reason = HEAD.unpack_from(data)
        if magic != MAGIC or length != len(data):
            raise Broken("the reply is not of this protocol")
        if version != VERSION and status != STATUS.index("VERSION"):
            raise Broken(f"the broker speaks protocol version {version}")
        whole = reply_op == REPLY and tag == 0 and status != 0
        if not whole and (reply_op, tag) != (op | REPLY, self.tag):
            raise Broken("the reply is to another request")
        expected = HEAD.size + (0 if status else BODY[op].size)
        if len(data) != expected:
            raise Broken(f"the reply has {len(data)} bytes, not {expected}")
        if n_came > n_fds:
            raise Broken(f"{n_came} fds came with a reply of {n_fds}")
        wanted = bytes([] if status else roles)
        if n_fds != len(wanted) or roles_came != wanted.ljust(8, b"\0"):
            raise Broken("the fds in the reply are not those asked for")
        if n_came < n_fds:
            raise MissingFds(f"{n_came} of {n_fds} fds came: a security module"
                             " (SELinux) or RLIMIT_NOFILE refused the others")
        if status:
            if whole or status in HANGS_UP:
                self.close()    # the broker does, too
            raise Refused(status, text(reason), retry_ms)
        return BODY[op].unpack_from(data, HEAD.size)


def text(field):
    return field.split(b"\0")[0].decode("ascii", "replace")


def object_record(fields):
    object_id, name, size, abi = fields
    return Record(id=object_id, name=text(name), size=size, abi=abi)


def name_object(object_id, abi):
    if object_id:
        return OBJECT_NAME.pack(BY_ID, 0, object_id)
    return OBJECT_NAME.pack(BY_ABI, abi, bytes(ID_LEN))


def pack_label(label):
    if not re.fullmatch("[A-Za-z0-9._-]{0,16}", label) or label.isdigit():
        raise ValueError(f"{label!r} is not a label")
    return label.encode().ljust(LABEL_LEN, b"\0")


def name_grant(grant):
    if isinstance(grant, int):
        return GRANT_NAME.pack(grant, bytes(LABEL_LEN))
    return GRANT_NAME.pack(0, pack_label(grant))
