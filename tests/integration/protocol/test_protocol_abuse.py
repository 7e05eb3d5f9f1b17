# SPDX-License-Identifier: MIT
"""What a client must not do: refused with a reason, and nobody else notices."""
import contextlib
import os
import select
import signal
import socket
import struct
import time

import bpf_fd
import pytest
import vectors
import wire
from broker import CLIENT, Broker, kernel_refuses_fds, sockets_at_rest
from lingering import lingering, set_linger
from waiting import wait_for

# Else the account of one test would wait for the fault of another.
NO_LIMITS = ("--tokens=1000000000", "--memory=1000000")


@pytest.fixture(scope="module")
def broker(build):
    with Broker(build, *NO_LIMITS) as broker:
        yield broker


@pytest.fixture(autouse=True)
def nothing_stays(request):
    """After each test the broker serves, with as many fds of each kind as before."""
    if "broker" not in request.fixturenames:
        yield
        return
    broker = request.getfixturevalue("broker")
    wait_for(broker.is_at_rest, "a full pool")
    before = broker.front.kinds(), broker.loader.kinds()
    yield
    assert wire.ask(broker.socket, vectors.read("request-info")).status == wire.OK
    wait_for(lambda: (broker.front.kinds(), broker.loader.kinds()) == before, f"{before} again")


# --- refused requests, byte for byte ------------------------------------------


@pytest.mark.parametrize(
    "request_, refusal, hangs_up",
    [
        ("bad-magic", "refusal-malformed", True),
        ("bad-version", "refusal-version", True),
        ("bad-op", "refusal-unknown-op", False),
        ("bad-queue", "refusal-invalid", False),
        ("request-release-id", "refusal-no-grant", False),
    ],
)
def test_fault_5_and_56_refusals_are_the_golden_ones(client, request_, refusal, hangs_up):
    reply = client.ask(vectors.read(request_))
    # What differs is the tag and the operation of the request it was made for.
    want = wire.put(vectors.read(refusal), 12, "I", reply.tag)
    assert reply.tag == struct.unpack_from("<I", vectors.read(request_), 12)[0]
    assert reply.data == want
    if hangs_up:
        assert client.is_closed()
    else:
        assert client.ask(vectors.read("request-info")).status == wire.OK


def test_no_object(client):
    request = wire.put(wire.export(bytes(32)), 12, "I", 9)
    assert client.ask(request).data == vectors.read("refusal-no-object")


def test_label_taken(client):
    request = vectors.read("request-acquire-handoff")
    with client.ask(request) as reply:
        assert reply.status == wire.OK
        assert client.ask(request).data == vectors.read("refusal-label-taken")
        assert client.ask(vectors.read("request-release-label")).status == wire.OK


def test_denied(broker):
    """Told who it is and what to do; also when the request itself would be refused later."""
    with wire.as_user(1000):
        connection = wire.Connection(broker.socket)
    with connection:
        assert connection.ask(vectors.read("request-info")).data == vectors.read("refusal-denied")
        assert connection.is_closed()
    with wire.as_user(1000):
        reply = wire.ask(broker.socket, vectors.read("request-acquire-handoff"))
        assert (reply.status, reply.n_fds) == (wire.DENIED, 0)


def test_allowed_by_group(build):
    with Broker(build, "--allow-group", "61500", allow=None) as broker:
        info = vectors.read("request-info")
        for uid, gid, groups, want in (
            (1000, 61500, (), wire.OK),
            (1000, 1000, (4, 61500), wire.OK),
            (1000, 1000, (4, 61501), wire.DENIED),
            (65534, 61500, (61500,), wire.DENIED),
            (0, 0, (), wire.OK),
        ):
            with wire.as_user(uid, gid, groups):
                assert wire.ask(broker.socket, info).status == want, (uid, gid, groups)


def test_fault_23_identity_is_the_connectors(broker):
    """A connection of nobody's is nobody's, whoever writes to it."""
    with wire.as_user(1000):
        denied = wire.Connection(broker.socket)
    with denied:  # this is root again
        assert denied.ask(vectors.read("request-info")).status == wire.DENIED


# --- packets that are no requests ---------------------------------------------


@pytest.mark.parametrize(
    "packet, reason",
    [
        (b"R", "a message has at least 16 bytes, this has 1"),
        (bytes(15), "a message has at least 16 bytes, this has 15"),
        (vectors.read("request-info") + b"\0", "the header says 16 bytes, the packet has 17"),
        (vectors.read("request-export-abi")[:-1], "the header says 56 bytes, the packet has 55"),
        (bytes(513), "a request has at most 512 bytes, this has 513"),
        (bytes(65536), "a request has at most 512 bytes"),
    ],
    ids=["1", "15", "16+1", "56-1", "513", "64 KiB"],
)
def test_fault_2_to_4_wrong_size(client, packet, reason):
    reply = client.ask(packet)
    assert reply.status == wire.MALFORMED
    assert reply.op & wire.REPLY and reply.n_fds == 0 and reply.length == 192
    if packet[:4] == b"RSSB" or len(packet) < 16 or len(packet) > 8192:
        assert reply.reason == reason
    assert client.is_closed()


def test_fault_1_empty_packet(client):
    client.send(b"")
    assert client.receive().data == vectors.read("refusal-unreadable")
    assert client.is_closed()


def test_empty_packet_after_a_request(client):
    assert client.ask(vectors.read("request-info")).status == wire.OK
    client.send(b"")
    assert client.receive().data == vectors.read("refusal-unreadable")


# --- fds, which no request has ------------------------------------------------


@pytest.mark.skipif(not kernel_refuses_fds(), reason="the kernel has no SO_PASSRIGHTS")
@pytest.mark.parametrize("n", [1, 4, 253])
def test_fault_9_fds_are_refused_at_the_sender(client, n):
    with pytest.raises(PermissionError):
        client.send(vectors.read("request-info"), [0] * n)
    assert client.ask(vectors.read("request-info")).status == wire.OK


@pytest.mark.skipif(not kernel_refuses_fds(), reason="the kernel has no SO_PASSRIGHTS")
def test_fault_11_fds_are_refused_before_the_connection_is_accepted(broker):
    """The broker stands still, and yet nothing can be put into its queue."""
    os.kill(broker.front.pid, signal.SIGSTOP)
    try:
        with wire.Connection(broker.socket) as early:
            with pytest.raises(PermissionError):
                early.send(b"", [0])
    finally:
        os.kill(broker.front.pid, signal.SIGCONT)


@pytest.fixture
def slow_socket():
    sender, receiver = lingering(600)
    yield sender
    set_linger(sender, 0)
    sender.close()
    receiver.close()


def test_a_lingering_socket_blocks_nobody(broker, client, slow_socket):
    """Sent or refused: the front goes on at once, and holds nothing of it."""
    try:
        client.send(vectors.read("request-info"), [slow_socket.fileno()])
        assert client.last_words().status == wire.MALFORMED
    except PermissionError:
        assert kernel_refuses_fds()
    assert wire.ask(broker.socket, vectors.read("request-info")).status == wire.OK


def test_fault_9_credentials_are_no_fds(client):
    """SCM_CREDENTIALS beside a request mean nothing here."""
    me = struct.pack("iII", os.getpid(), os.getuid(), os.getgid())
    client.sock.sendmsg(
        [vectors.read("request-info")], [(socket.SOL_SOCKET, socket.SCM_CREDENTIALS, me)]
    )
    assert client.receive().status == wire.OK


# --- coming and going ---------------------------------------------------------


@pytest.mark.parametrize("name", ["request-info", "request-acquire-no-config"])
def test_fault_16_half_close_after_the_request(client, name):
    client.send(vectors.read(name))
    client.sock.shutdown(socket.SHUT_WR)
    with client.receive() as reply:
        assert reply.status == wire.OK


def test_half_close_is_no_fault(build):
    """The broker waits until the reply was read, looks when its time is over, and then hangs up."""
    with Broker(build, "--read-reply-timeout=5000") as broker:
        with wire.as_user(CLIENT):
            clients = [wire.Connection(broker.socket) for _ in range(3)]
            for client in clients:
                client.send(vectors.read("request-info"))
                client.sock.shutdown(socket.SHUT_WR)
            for client in clients:
                assert client.receive().status == wire.OK
            with wire.Connection(broker.socket) as later:  # nobody was punished
                assert later.ask(vectors.read("request-info")).status == wire.OK
            for client in clients:
                assert client.is_closed()
                client.close()
        assert "pays" not in broker.log()


def test_half_close_and_never_read(build):
    """What the client left lying is not left to it for ever."""
    with Broker(build, "--read-reply-timeout=200") as broker:
        with wire.as_user(CLIENT), wire.Connection(broker.socket) as client:
            client.send(vectors.read("request-export-abi"))
            client.sock.shutdown(socket.SHUT_WR)
            wait_for(lambda: "pays 2000 tokens for a timeout" in broker.log(), "the charge")
            assert client.receive().status == wire.OK  # it is the client's all the same
            assert client.is_closed()


def test_fault_16_half_close_before_any_request(client):
    client.sock.shutdown(socket.SHUT_WR)
    assert client.is_closed()


def test_fault_16_half_close_while_waiting_for_a_set(build):
    """The pool is empty and the request waits: its reply comes all the same.

    It is BUSY for those for whom a slow machine makes no set in time.
    """
    with Broker(build, "--pool", "1") as broker:
        clients = [wire.Connection(broker.socket) for _ in range(10)]
        for client in clients:
            client.send(vectors.read("request-acquire-no-config"))
            client.sock.shutdown(socket.SHUT_WR)
        statuses = []
        for client in clients:
            with client, client.receive() as reply:
                statuses.append(reply.status)
        assert wire.OK in statuses and set(statuses) <= {wire.OK, wire.BUSY}


def test_fault_51_gone_before_the_reply(broker):
    """The grant of a reply that nobody read is undone: its label is free, its set gone."""
    for _ in range(20):
        with wire.Connection(broker.socket) as client:
            client.send(wire.acquire(flags=wire.NO_CONFIG, label=b"gone"))
        # The lease travelled in the reply, or never left: either way it has no reader now.
    with wire.Connection(broker.socket) as client:

        def label_is_free():
            with client.ask(wire.acquire(flags=wire.NO_CONFIG, label=b"gone")) as reply:
                return reply.status == wire.OK

        wait_for(label_is_free, "the end of the grants")


def test_requests_sent_ahead(client):
    """The first is answered; then the broker says what is wrong and hangs up."""
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        for tag in range(1, 4):
            client.send(wire.put(vectors.read("request-info"), 12, "I", tag))
    hung_up = select.poll()
    hung_up.register(client.sock, 0)
    assert hung_up.poll(60000)  # whoever reads before that may ask on
    assert receive_after_reset(client).tag == 1
    refusal = receive_after_reset(client)
    assert (refusal.op, refusal.tag, refusal.status) == (wire.REPLY, 0, wire.MALFORMED)
    assert refusal.reason == "a request came before the last reply was read: read it first"
    assert client.is_closed()


def receive_after_reset(client):
    """A broker that hangs up with input unread makes one call fail; what it said is behind that."""
    with contextlib.suppress(ConnectionResetError):
        return client.receive()
    return client.receive()


def test_a_client_that_never_reads(broker, client):
    """Its queue fills up; then it is hung up on.  Others are served meanwhile."""
    client.sock.settimeout(60)
    with pytest.raises((BrokenPipeError, ConnectionResetError)):
        for _ in range(100000):
            client.send(vectors.read("request-info"))
    assert wire.ask(broker.socket, vectors.read("request-info")).status == wire.OK


# --- as before ----------------------------------------------------------------


def test_a_thousand_grants_leave_nothing(broker, client):
    """By lease and by RELEASE; then every program and every map is gone from the kernel."""
    progs, maps = set(), set()
    for i in range(1000):
        with client.ask(vectors.read("request-acquire-no-config")) as reply:
            assert reply.status == wire.OK, reply.reason
            progs.add(bpf_fd.prog_id(reply.fds[wire.PROG]))
            maps |= {bpf_fd.map_id(reply.fds[r]) for r in (wire.CONFIG, wire.KEY, wire.TABLE)}
            if i % 2:
                assert client.ask(wire.release(reply.grant_id)).status == wire.OK
    assert (len(progs), len(maps)) == (1000, 3000)
    wait_for(lambda: not any(map(bpf_fd.prog_exists, progs)), "the programs' end")
    wait_for(lambda: not any(map(bpf_fd.map_exists, maps)), "the maps' end")


def test_fault_46_out_of_fds(build):
    """With few fds the listener survives: those who wait are served when others have gone."""
    limit = 110  # the pool alone takes 48
    begin = time.monotonic()
    with Broker(build, prefix=["prlimit", f"--nofile={limit}"]) as broker:
        clients = [wire.Connection(broker.socket) for _ in range(limit)]
        wait_for(lambda: "cannot accept connections now: Too many open files" in broker.log(), "the log")
        ticks, own = cpu_ticks(broker.front.pid), time.process_time()
        while time.process_time() - own < 0.5:
            pass
        assert cpu_ticks(broker.front.pid) - ticks < 15  # it does not spin, as this test did for 50
        assert len(broker.front.fds()) <= limit
        # Once in 100 ms: that pause is what keeps it from spinning.
        n_logged = broker.log().count("cannot accept connections now")
        assert n_logged <= 10 * (time.monotonic() - begin) + 1
        for client in clients[:-1]:
            client.close()
        with clients[-1] as last:
            assert last.ask(vectors.read("request-info")).status == wire.OK
            with last.ask(vectors.read("request-acquire-no-config")) as reply:
                assert reply.status == wire.OK
        assert broker.stop() == 0


def cpu_ticks(pid):
    with open(f"/proc/{pid}/stat") as stat:
        return sum(map(int, stat.read().rsplit(")", 1)[1].split()[11:13]))


def test_too_many_connections(build):
    """The 513th is told so, before it asks anything; when one has gone, the next is served."""
    with Broker(build, "--first-request-timeout=60000") as broker:
        clients = [wire.Connection(broker.socket) for _ in range(512)]
        for client in clients:
            assert client.ask(vectors.read("request-info")).status == wire.OK
        with wire.Connection(broker.socket) as refused:
            reply = refused.receive()
            assert (reply.op, reply.tag, reply.status) == (wire.REPLY, 0, wire.LIMIT)
            assert reply.reason.startswith("connections in all: 512 of 512 in use; ")
            assert refused.is_closed()
        clients[0].close()
        wait_for(lambda: broker.front.kinds()["socket"] == sockets_at_rest() + 511, "the end of the first")
        with wire.Connection(broker.socket) as next_one:
            assert next_one.ask(vectors.read("request-info")).status == wire.OK
        for client in clients:
            client.close()
