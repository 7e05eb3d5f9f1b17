# SPDX-License-Identifier: MIT
"""docs/protocol.md suffices: page_client.py, written from the page alone, and the real broker.

What no broker of ours would say comes from a peer that sends what a test gives it.
"""
import ast
import contextlib
import fcntl
import gc
import hashlib
import mmap
import os
import random
import resource
import select
import socket
import struct
import threading
import time
from pathlib import Path

import bpf_fd
import flows
import page_client as page
import pytest
import vectors
import wire
from broker import CLIENT, Broker
from waiting import wait_for

MAC = bytes.fromhex("020000000002")
ALL_TYPES = 0x1FF
STEERING = page.Steering(queues=4, table=[0, 1, 2, 3])


@pytest.fixture(scope="module")
def broker(build):
    with Broker(build) as broker:
        yield broker


@pytest.fixture
def client(broker):
    with wire.as_user(CLIENT):
        client = page.Client(str(broker.socket))
    with client:
        yield client


@pytest.fixture(autouse=True)
def no_fd_is_left(broker, client):
    """Whatever a test does, the library leaves open what it was there before it."""
    before = len(os.listdir("/proc/self/fd"))
    yield
    client.close()
    assert len(os.listdir("/proc/self/fd")) == before - 1


def random_steering(rng, **more):
    """For the page's client, and for predicting."""
    steering = flows.Steering.random(rng, 4)
    return page.Steering(4, steering.table, steering.key, ALL_TYPES, **more), steering


def assert_steers(prog, steering, rng):
    for _ in range(50):
        flow = flows.Flow.random(rng, rng.choice([4, 6]), flows.TCP)
        assert bpf_fd.test_run(prog, flow.frame(b"", MAC)) == steering.queue(flow)


def refused(name, call, *args, **kwargs):
    """The Refused that the call raises, by the name of its status."""
    with pytest.raises(page.Refused) as raised:
        call(*args, **kwargs)
    error = raised.value
    assert (error.name, error.status) == (name, page.STATUS.index(name))
    assert error.reason and error.reason in str(error)
    return error


# --- every operation ------------------------------------------------------------------


def test_it_needs_nothing_but_the_standard_library():
    tree = ast.parse(Path(page.__file__).read_text())
    imports = [node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))]
    names = {alias.name for node in imports for alias in node.names}
    assert names == {"array", "os", "re", "socket", "struct"}


def test_info(client):
    info = client.info()
    assert (info.queues_max, info.table_max) == (page.QUEUES_MAX, page.TABLE_MAX)
    assert info.version[0].isdigit() and info.n_objects >= 2
    assert all(info.ops >> op & 1 for op in page.BODY)
    assert all(info.kinds >> kind & 1 for kind in (page.HANDOFF, page.PROGRAM_ONLY, page.MANAGED))


def test_objects_and_export(client):
    """Each object, by its id and by its ABI, is what it says it is."""
    objects = [client.object(i) for i in range(client.info().n_objects)]
    for told in objects:
        assert told.abi == page.QEMU_RSS_1
        with client.export(told.id) as exported:
            elf = os.read(exported.fds[page.ELF], told.size + 1)
            assert (exported.id, exported.name, exported.size) == (told.id, told.name, len(elf))
            assert hashlib.sha256(elf).digest() == told.id
    with client.export() as exported:
        assert exported.id == objects[0].id


def test_handoff(client, rng):
    wanted, predicted = random_steering(rng)
    with client.acquire(page.HANDOFF, wanted, label="hand") as grant:
        assert list(grant.fds) == [page.PROG, page.CONFIG, page.KEY, page.TABLE, page.LEASE]
        assert all(fcntl.fcntl(fd, fcntl.F_GETFD) & fcntl.FD_CLOEXEC for fd in grant.fds.values())
        assert_steers(grant.fds[page.PROG], predicted, rng)
        refused("LABEL_TAKEN", client.acquire, page.HANDOFF, wanted, label="hand")
        refused("WRONG_KIND", client.update, grant.id, wanted)
        client.release("hand")
        assert select.select([grant.fds[page.LEASE]], [], [], 60)[0]
        assert os.read(grant.fds[page.LEASE], 1) == b""


def test_handoff_without_configuration(client):
    """Every packet to queue 0, until the maps are filled in as the page tells."""
    flow = flows.Flow.random(random.Random(1), 4, flows.TCP)
    with client.acquire(page.HANDOFF, flags=page.NO_CONFIG) as grant:
        prog = grant.fds[page.PROG]
        assert bpf_fd.test_run(prog, flow.frame(b"", MAC)) == 0
        key = bytes(range(40))
        fill(grant.fds, page.Steering(4, [1, 2, 3, 2], key, ALL_TYPES))
        assert bpf_fd.test_run(prog, flow.frame(b"", MAC)) == flows.Steering(
            key, [1, 2, 3, 2]
        ).queue(flow)


def fill(fds, steering):
    """The maps, as "The maps" of the page has them."""
    with mmap.mmap(fds[page.TABLE], 4096) as table:
        for i, queue in enumerate(steering.table):
            struct.pack_into("=H", table, 8 * i, queue)
    with mmap.mmap(fds[page.KEY], 4096) as key:
        (first,) = struct.unpack_from(">I", steering.key)
        key[:40] = struct.pack("=I", first) + steering.key[4:]
    with mmap.mmap(fds[page.CONFIG], 4096) as config:
        config[:10] = struct.pack("=BBIHH", 1, 0, steering.hash_types, len(steering.table),
                                  steering.default_queue)  # fmt: skip


def test_program_only(client, rng):
    wanted, predicted = random_steering(rng)
    exact = client.object(0).id
    with client.acquire(page.PROGRAM_ONLY, wanted, object_id=exact) as grant:
        assert list(grant.fds) == [page.PROG, page.LEASE]
        assert grant.object_id == exact and 0 < grant.id < 2**53
        assert_steers(grant.fds[page.PROG], predicted, rng)
        refused("WRONG_KIND", client.stats, grant.id)


def test_managed(client, rng):
    """Update, by id and by label, of a grant without a lease."""
    first, second = random_steering(rng), random_steering(rng)
    with client.acquire(page.MANAGED, first[0], "web-9", page.KEEP) as grant:
        assert list(grant.fds) == [page.PROG]
        client.update(grant.id, second[0])
        assert_steers(grant.fds[page.PROG], second[1], rng)
        client.update("web-9", first[0])
        assert_steers(grant.fds[page.PROG], first[1], rng)
        other_table = flows.Steering(first[1].key, second[1].table)
        client.update("web-9", page.Steering(4, other_table.table, None, ALL_TYPES))
        assert_steers(grant.fds[page.PROG], other_table, rng)
    client.release(grant.id)
    refused("NO_GRANT", client.release, grant.id)


def test_stats(client, rng):
    wanted, predicted = random_steering(rng)
    with client.acquire(page.HANDOFF, wanted, "web-9", page.COUNT) as grant:
        assert_steers(grant.fds[page.PROG], predicted, rng)
        counts = client.stats("web-9")
        assert counts.grant_id == client.stats(grant.id).grant_id == grant.id
        assert (counts.queues, counts.table_len, counts.hash_types) == (4, 128, ALL_TYPES)
        assert len(counts.queue) == 256 and len(counts.entry) == 128
        assert abs(time.monotonic_ns() - counts.time_ns) < 60e9
        assert sum(n for n, _ in counts.queue) == sum(n for n, _ in counts.entry) == 50
        assert sum(counts.hashed) == 50 and sum(counts.fallback) == 0


def alone(client):
    """The status once the broker has noticed that the tests before have let go."""
    wait_for(lambda: client.status().grants == 0, "all grants to end")
    wait_for(lambda: client.status().connections == 1, "all connections to end")
    return client.status()


def test_status(client):
    before = alone(client)
    with client.acquire(page.HANDOFF, STEERING):
        after = client.status()
    assert (before.all, before.ready, before.loads) == (0, 0, 0)  # these are for root
    assert (after.connections, after.grants) == (1, 1)
    assert after.uptime_ms >= before.uptime_ms > 0


def test_status_for_root(broker, client):
    alone(client)
    with page.Client(str(broker.socket)) as root:
        before = root.status()
        refused("NO_OBJECT", client.object, 1000)
        with client.acquire(page.HANDOFF, STEERING):
            after = root.status()
    assert after.all == 1 and after.connections == 2 and after.ready > 0
    name = page.STATUS.index("NO_OBJECT")
    assert after.refusals[name] == before.refusals[name] + 1
    assert after.requests[page.ACQUIRE] == before.requests[page.ACQUIRE] + 1
    assert sum(after.latency) == sum(before.latency) + 1
    took_us = (after.latency_sum_ns - before.latency_sum_ns) / 1000
    (bin_,) = [i for i in range(24) if after.latency[i] > before.latency[i]]
    assert (2 ** (bin_ - 1) if bin_ else 0) <= took_us < 2**bin_


def test_grants(broker, client):
    """One's own, in the order of their ids; root sees them, too."""
    alone(client)
    with client.acquire(page.MANAGED, STEERING, "first") as first:
        with client.acquire(page.HANDOFF, flags=page.NO_CONFIG) as second:
            told = {grant.id: grant for grant in client.grants()}
            assert list(told) == sorted([first.id, second.id])
            with page.Client(str(broker.socket)) as root:
                assert set(told) <= {grant.id for grant in root.grants()}
    one, other = told[first.id], told[second.id]
    assert (one.uid, one.pid, one.label) == (CLIENT, os.getpid(), "first")
    assert (one.kind, one.flags, one.queues, one.table_len) == (page.MANAGED, 0, 4, 4)
    assert (other.kind, other.flags, other.queues) == (page.HANDOFF, page.NO_CONFIG, 0)
    assert other.label == "" and other.object_id == second.object_id


def test_the_grant_ends_with_its_lease(client):
    with client.acquire(page.MANAGED, STEERING, "web-8") as grant:
        client.update("web-8", STEERING)
    wait_for(lambda: not is_granted(client, grant.id), "the end of the grant")


def is_granted(client, grant_id):
    try:
        client.update(grant_id, STEERING)
        return True
    except page.Refused as error:
        assert error.name == "NO_GRANT"
        return False


# --- refusals -------------------------------------------------------------------------


def test_refusals(client):
    """After each of these the connection goes on."""
    wrong = page.Steering(queues=4, table=[0, 1, 4, 3])
    error = refused("INVALID", client.acquire, page.HANDOFF, wrong)
    assert error.reason == "table[2] is 4, allowed is 0 to 3 (queues is 4)"
    assert error.retry_ms == 0
    refused("INVALID", client.acquire, page.PROGRAM_ONLY, flags=page.NO_CONFIG)
    refused("NO_OBJECT", client.object, 1000)
    refused("NO_OBJECT", client.export, b"\1" * 32)
    refused("UNKNOWN_OP", client.call, 99)
    assert client.info()


@pytest.mark.parametrize("label", ["no spaces", "seventeen-letters", "ü"])
def test_a_label_that_cannot_be(client, label):
    with pytest.raises(ValueError):
        client.acquire(page.HANDOFF, STEERING, label)


def test_malformed_ends_the_connection(build):
    """And the account has to wait."""
    with Broker(build, "--tokens=100", "--token-rate=20") as broker:
        with wire.as_user(CLIENT), page.Client(str(broker.socket)) as client:
            refused("MALFORMED", client.call, page.INFO, b"more")
            with pytest.raises(page.Gone):
                client.info()
        with wire.as_user(CLIENT), page.Client(str(broker.socket)) as client:
            assert refused("LIMIT", client.info).retry_ms > 0


def test_denied(broker):
    with wire.as_user(12345), page.Client(str(broker.socket)) as client:
        refused("DENIED", client.info)


def test_too_late(build):
    """The broker has refused before it was asked: that is what the first request gets."""
    limits = "--first-request-timeout=100", "--tokens=100", "--token-rate=50"
    with Broker(build, *limits) as broker:
        with wire.as_user(CLIENT), page.Client(str(broker.socket)) as client:
            wait_for(lambda: "no request came within " in broker.log(), "the broker's refusal")
            assert refused("TIMEOUT", client.info).reason == "no request came within 100 ms"
        with wire.as_user(CLIENT), page.Client(str(broker.socket)) as client:
            assert refused("LIMIT", client.info).retry_ms > 0


def test_limit(build):
    with Broker(build, "--max-grants", "2", "--share", "1") as broker:
        with wire.as_user(CLIENT), page.Client(str(broker.socket)) as client:
            with client.acquire(page.HANDOFF, STEERING):
                assert refused("LIMIT", client.acquire, page.HANDOFF, STEERING).retry_ms == 0


def test_no_broker(tmp_path):
    with pytest.raises(page.Gone) as raised:
        page.Client(str(tmp_path / "nothing"))
    assert raised.value.status is None and "No such file" in raised.value.reason


# --- what a client must check ---------------------------------------------------------


class Peer:
    """Answers one request with what a test has made; remembers the request."""

    def __init__(self, directory, answer, n_fds=0, backlog=1):
        self.path = str(directory / "peer")
        self.request = None
        self._answer, self._n_fds = answer, n_fds
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._listener.bind(self.path)
        self._listener.listen(backlog)
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self):
        if self._answer is not None:
            self._thread.start()
        return self

    def __exit__(self, *_):
        if self._answer is not None:
            self._thread.join()
        self._listener.close()
        os.unlink(self.path)

    def _serve(self):
        with contextlib.closing(self._listener.accept()[0]) as sock:
            self.request = sock.recv(512)
            if self._answer:
                socket.send_fds(sock, [self._answer], [0] * self._n_fds)


def answered(tmp_path, answer, n_fds, call, tag):
    """What the call makes of the answer, and the request it sent."""
    with Peer(tmp_path, answer, n_fds) as peer, page.Client(peer.path) as client:
        client.tag = tag - 1
        try:
            return call(client), peer
        finally:
            peer.closed_after = client.sock.fileno() < 0


EXACT = bytes.fromhex("21033071abdf2b87c52955053b619d66436f86b3245b7d83c64f46ef2f525cd8")
KEY = vectors.read("request-acquire-handoff")[96:136]
MESSAGES = [
    ("info", "info", 0, lambda c: c.info()),
    ("object", "object", 0, lambda c: c.object(1)),
    ("acquire-handoff", "acquire-handoff", 5, lambda c: c.acquire(
        page.HANDOFF, page.Steering(4, [0, 1, 2, 3, 3, 2, 1, 0], KEY, 0x1FF, 1), "web-1")),
    ("acquire-program-only", "acquire-program-only", 2, lambda c: c.acquire(
        page.PROGRAM_ONLY, page.Steering(256, [255], KEY, 0x12, 255), "abcdefghij.LMN_6",
        object_id=EXACT)),
    ("acquire-managed", "acquire-managed", 1, lambda c: c.acquire(
        page.MANAGED, page.Steering(4, range(4), KEY, 0x3F), "web-2", page.COUNT | page.KEEP)),
    ("release-id", "release", 0, lambda c: c.release(0x123456789ABCD)),
    ("update", "update", 0, lambda c: c.update(
        "web-2", page.Steering(3, [0, 1], KEY, 0x12, 2))),
    ("stats", "stats", 0, lambda c: c.stats(0x123456789ABCD)),
    ("export-abi", "export", 1, lambda c: c.export()),
    ("status", "status", 0, lambda c: c.status()),
    ("grant", "grant", 0, lambda c: next(c.grants())),
]  # fmt: skip


@pytest.mark.parametrize("request_, reply, n_fds, call", MESSAGES, ids=[m[0] for m in MESSAGES])
def test_messages_of_the_page(tmp_path, request_, reply, n_fds, call):
    """It sends what the page shows, and understands the reply that the page shows."""
    request = vectors.read(f"request-{request_}")
    (tag,) = struct.unpack_from("<I", request, 12)
    result, peer = answered(tmp_path, vectors.read(f"reply-{reply}"), n_fds, call, tag)
    assert peer.request == request
    if n_fds:
        assert len(result.fds) == n_fds
        result.close()


def test_requests_without_a_reply_on_the_page(tmp_path):
    calls = {
        "acquire-no-config": lambda c: c.acquire(page.HANDOFF, flags=page.NO_CONFIG),
        "release-label": lambda c: c.release("web-1"),
        "export-id": lambda c: c.export(EXACT),
    }
    for name, call in calls.items():
        request = vectors.read(f"request-{name}")
        with Peer(tmp_path, b"") as peer, page.Client(peer.path) as client:
            client.tag = struct.unpack_from("<I", request, 12)[0] - 1
            with pytest.raises(page.Gone, match="hung up"):
                call(client)
        assert peer.request == request


def handoff(*changes):
    """The page's reply to a handoff, with (offset, format, values...) put over it."""
    reply = vectors.read("reply-acquire-handoff")
    for at, form, *values in changes:
        reply = wire.put(reply, at, form, *values)
    return reply


BAD_REPLIES = {
    "too long for any message": (handoff() + bytes(8192), 5, page.Broken, "longer than any"),
    "shorter than a head": (handoff()[:100], 5, page.Broken, "100 bytes"),
    "shorter than its kind": (handoff((8, "I", 224))[:224], 5, page.Broken, "224 bytes"),
    "not the length it says": (handoff((8, "I", 231)), 5, page.Broken, "not of this protocol"),
    "another magic": (handoff((0, "I", 1)), 5, page.Broken, "not of this protocol"),
    "another version": (handoff((4, "H", 2)), 5, page.Broken, "version 2"),
    "another operation": (handoff((6, "H", 0x8004)), 5, page.Broken, "another request"),
    "another tag": (handoff((12, "I", 7)), 5, page.Broken, "another request"),
    "success of nothing": (handoff((6, "H", 0x8000), (12, "I", 0)), 5, page.Broken, "another"),
    "fds missing": (handoff(), 3, page.MissingFds, "3 of 5"),
    "no fds": (handoff(), 0, page.MissingFds, "0 of 5"),
    "a fd too many": (handoff((18, "H", 4)), 5, page.Broken, "5 fds came"),
    "roles in another order": (handoff((24, "BB", 2, 1)), 5, page.Broken, "not those"),
    "a role too many": (handoff((29, "B", 6)), 5, page.Broken, "not those"),
    "fewer than were asked for": (
        handoff((18, "H", 2), (24, "8s", b"\1\5")), 2, page.Broken, "not those"),
    "a refusal with a fd": (
        handoff((8, "I", 192), (16, "H", 9))[:192], 5, page.Broken, "not those"),
    "a long refusal": (handoff((16, "H", 9)), 0, page.Broken, "232 bytes"),
}  # fmt: skip


@pytest.mark.parametrize("reply, n_fds, error, why", BAD_REPLIES.values(), ids=BAD_REPLIES)
def test_bad_replies(tmp_path, reply, n_fds, error, why):
    """Each is refused, no fd stays open, and only missing ones leave the connection as it is."""
    (tag,) = struct.unpack_from("<I", handoff(), 12)
    with Peer(tmp_path, reply, n_fds) as peer, page.Client(peer.path) as client:
        client.tag = tag - 1
        client.forget = lambda data: None  # asks the broker, and this one is none
        with pytest.raises(error, match=why):
            client.acquire(page.HANDOFF, STEERING)
        assert (client.sock.fileno() < 0) == (error is page.Broken)


def test_another_object_than_the_one_named(tmp_path):
    with Peer(tmp_path, vectors.read("reply-export"), 1) as peer:
        with page.Client(peer.path) as client:
            client.tag = 7
            with pytest.raises(page.Broken, match="another object"):
                client.export(bytes(range(32)))


@pytest.mark.parametrize("status, hangs_up", [("VERSION", True), ("BUSY", False)])
def test_refusals_of_the_page(tmp_path, status, hangs_up):
    """VERSION comes with the version of the broker; BUSY says when to come back."""
    reply = vectors.read(f"refusal-{status.lower()}")
    reply = wire.put(reply, 4, "H", 3 if status == "VERSION" else 1)
    _, _, op, _, tag = page.HEADER.unpack_from(reply)
    with Peer(tmp_path, reply) as peer, page.Client(peer.path) as client:
        client.tag = tag - 1
        error = refused(status, client.call, op & 0x7FFF)
        assert error.retry_ms == (1000 if status == "BUSY" else 0)
        assert (client.sock.fileno() < 0) == hangs_up


def test_a_status_of_the_future(tmp_path):
    reply = wire.put(vectors.read("refusal-busy"), 16, "H", 77)
    with Peer(tmp_path, reply) as peer, page.Client(peer.path) as client:
        client.tag = 3
        with pytest.raises(page.Refused) as raised:
            client.acquire(page.HANDOFF, STEERING)
        assert (raised.value.status, raised.value.name) == (77, "INTERNAL")


@pytest.mark.parametrize("flags", [0, page.KEEP], ids=["lease", "keep"])
def test_fds_that_this_machine_refuses(client, flags):
    """No room for them: said as it is, and nothing of the grant is left at the broker."""
    gc.collect()  # what other tests forgot is closed now, not below
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    probe = os.dup(0)
    os.close(probe)
    resource.setrlimit(resource.RLIMIT_NOFILE, (probe + (0 if flags else 1), hard))
    try:
        with pytest.raises(page.MissingFds, match="0 of 1" if flags else "1 of 2"):
            client.acquire(page.MANAGED, STEERING, "lost", flags)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    wait_for(lambda: is_free(client, "lost"), "the label to be free again")


def is_free(client, label):
    try:
        client.acquire(page.HANDOFF, STEERING, label).close()
        return True
    except page.Refused as error:
        assert error.name == "LABEL_TAKEN"
        return False


def test_deadlines(tmp_path):
    """A broker that does not answer, and one that does not even accept."""
    with Peer(tmp_path, None, backlog=0) as peer:
        with page.Client(peer.path, timeout=0.2) as client:
            with pytest.raises(page.Late, match="does not answer"):
                client.info()
            start = time.monotonic()
            with pytest.raises(page.Late, match="queue up"):
                page.Client(peer.path, timeout=0.2)
            assert time.monotonic() - start > 0.1
            assert client.sock.fileno() < 0
