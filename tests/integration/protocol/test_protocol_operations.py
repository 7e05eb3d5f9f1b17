# SPDX-License-Identifier: MIT
"""Each operation of a real broker, and each refusal, byte by byte."""
import fcntl
import hashlib
import ipaddress
import os
import random
import select
import struct

import bpf_fd
import pytest
import vectors
import wire
from broker import CLIENT, Broker
from flows import TCP, Flow, Steering
from waiting import wait_for

F_ADD_SEALS, F_GET_SEALS = 1033, 1034
ALL_SEALS = 0xF  # SEAL, SHRINK, GROW, WRITE
ALL_TYPES = 0x1FF
MAC = bytes.fromhex("020000000002")


@pytest.fixture(scope="module")
def broker(build):
    with Broker(build) as broker:
        yield broker


def steer(rng, queues=4, table_len=128):
    """Random steering: for the wire, and for predicting."""
    steering = Steering.random(rng, queues, table_len)
    default = queues - 1
    return (ALL_TYPES, queues, default, steering.key, steering.table), steering


def assert_steers(prog, steering, rng, n=200):
    """The program sends flows of IPv4 where the Toeplitz hash says."""
    for _ in range(n):
        flow = Flow.random(rng, 4, TCP)
        assert bpf_fd.test_run(prog, flow.frame(b"", MAC)) == steering.queue(flow), flow


# --- INFO, OBJECT -------------------------------------------------------------


def test_info(client):
    reply = client.ask(vectors.read("request-info"))
    assert (reply.status, reply.op, reply.tag, reply.length) == (wire.OK, 0x8001, 1, 240)
    assert (reply.magic, reply.version, reply.roles, reply.reason) == (0x42535352, 1, [], "")
    version, n_objects, queues, table, ops, kinds = struct.unpack("<32sIHHII", reply.body)
    assert version.rstrip(b"\0") == b"0.1.0" and n_objects >= 1
    assert (queues, table) == (256, 128)
    assert (ops, kinds) == (0x7FE, 0xE)


def test_objects(client):
    n = struct.unpack_from("<I", client.ask(vectors.read("request-info")).body, 32)[0]
    seen = set()
    for index in range(n):
        reply = client.ask(wire.put(vectors.read("request-object"), 16, "I", index))
        assert (reply.status, reply.length) == (wire.OK, 264)
        id_, name, size, abi, reserved = struct.unpack("<32s32sIHH", reply.body)
        assert name.rstrip(b"\0").decode("ascii").isprintable() and name[31] == 0
        assert size > 1000 and abi == 1 and reserved == 0
        seen.add(id_)
    assert len(seen) == n
    for index in (n, 0xFFFFFFFF):
        reply = client.ask(wire.put(vectors.read("request-object"), 16, "I", index))
        assert (reply.status, reply.length) == (wire.NO_OBJECT, 192)
        assert reply.reason == f"object index is {index}, this broker has {n} objects"


# --- ACQUIRE ------------------------------------------------------------------


def test_handoff(client):
    rng = random.Random(1)
    wanted, steering = steer(rng)
    with client.ask(wire.acquire(steering=wanted)) as reply:
        assert (reply.status, reply.length, reply.tag) == (wire.OK, 232, 0x01020304)
        assert reply.roles == [wire.PROG, wire.CONFIG, wire.KEY, wire.TABLE, wire.LEASE]
        assert 0 < reply.grant_id < 2**53
        prog = reply.fds[wire.PROG]
        maps = [reply.fds[role] for role in (wire.CONFIG, wire.KEY, wire.TABLE)]
        assert set(bpf_fd.prog_map_ids(prog)) == {bpf_fd.map_id(fd) for fd in maps}
        assert_steers(prog, steering, rng)


def test_maps_hold_what_was_asked_for(client):
    """Byte for byte what QEMU itself would have written."""
    key = bytes(range(1, 41))
    with client.ask(wire.acquire(steering=(0x12, 5, 3, key, (4, 0, 2, 1)))) as reply:
        config = bpf_fd.lookup(reply.fds[wire.CONFIG], 0, 10)
        assert config == struct.pack("<BBIHH", 1, 0, 0x12, 4, 3)
        assert bpf_fd.lookup(reply.fds[wire.KEY], 0, 40) == b"\4\3\2\1" + key[4:]
        table = [bpf_fd.lookup(reply.fds[wire.TABLE], i, 2) for i in range(128)]
        assert table == [struct.pack("<H", q) for q in (4, 0, 2, 1)] + [b"\0\0"] * 124


def test_no_config_leaves_the_maps_zero(client):
    with client.ask(wire.acquire(flags=wire.NO_CONFIG)) as reply:
        assert bpf_fd.lookup(reply.fds[wire.CONFIG], 0, 10) == bytes(10)
        assert bpf_fd.lookup(reply.fds[wire.KEY], 0, 40) == bytes(40)
        assert bpf_fd.lookup(reply.fds[wire.TABLE], 127, 2) == bytes(2)
        flow = Flow.random(random.Random(2), 4, TCP)
        assert bpf_fd.test_run(reply.fds[wire.PROG], flow.frame(b"", MAC)) == 0


def test_fault_45_handed_over_maps_are_the_clients(client):
    """Written through the fds, believed by the program."""
    rng = random.Random(3)
    wanted, steering = steer(rng, queues=4)
    with client.ask(wire.acquire(steering=wanted)) as reply:
        turned = Steering(steering.key, tuple(3 - queue for queue in steering.table))
        for i, queue in enumerate(turned.table):
            bpf_fd.update(reply.fds[wire.TABLE], i, struct.pack("<H", queue))
        assert_steers(reply.fds[wire.PROG], turned, rng)


def test_program_only(client):
    rng = random.Random(4)
    wanted, steering = steer(rng, queues=256)
    with client.ask(wire.acquire(wire.PROGRAM_ONLY, steering=wanted)) as reply:
        assert (reply.status, reply.roles) == (wire.OK, [wire.PROG, wire.LEASE])
        assert_steers(reply.fds[wire.PROG], steering, rng)


@pytest.mark.parametrize("queues, table", [(1, (0,)), (256, (255,)), (2, (0, 1)), (3, (2,) * 64)])
def test_small_and_large_tables(client, queues, table):
    rng = random.Random(5)
    key = rng.randbytes(40)
    with client.ask(wire.acquire(steering=(ALL_TYPES, queues, 0, key, table))) as reply:
        assert_steers(reply.fds[wire.PROG], Steering(key, table), rng, 30)


def test_default_queue(client):
    """What is of no enabled hash type."""
    key, table = bytes(40), (0,) * 128
    with client.ask(wire.acquire(steering=(0, 8, 7, key, table))) as reply:
        flow = Flow(ipaddress.IPv4Address(1), ipaddress.IPv4Address(2), TCP, 3, 4)
        assert bpf_fd.test_run(reply.fds[wire.PROG], flow.frame(b"", MAC)) == 7
    with client.ask(wire.acquire(steering=(ALL_TYPES, 8, 7, key, table))) as reply:
        arp = MAC + MAC + struct.pack("!H", 0x0806) + bytes(46)
        assert bpf_fd.test_run(reply.fds[wire.PROG], arp) == 7


def test_no_set_is_given_twice(client):
    ids, replies = set(), []
    for _ in range(20):
        reply = client.ask(wire.acquire(flags=wire.NO_CONFIG))
        replies.append(reply)
        ids.add(bpf_fd.prog_id(reply.fds[wire.PROG]))
        ids |= {bpf_fd.map_id(reply.fds[r]) | 1 << 32 for r in (wire.CONFIG, wire.KEY, wire.TABLE)}
    assert len(ids) == 20 * 4
    assert len({reply.grant_id for reply in replies}) == 20
    for reply in replies:
        reply.close()


def test_by_object_id(client):
    object_id = client.ask(wire.put(vectors.read("request-object"), 16, "I", 0)).body[:32]
    with client.ask(wire.acquire(object_id=object_id)) as reply:
        assert (reply.status, reply.object_id) == (wire.OK, object_id)
    for other in (bytes(32), bytes([object_id[0] ^ 1]) + object_id[1:]):
        reply = client.ask(wire.acquire(object_id=other))
        assert reply.status == wire.NO_OBJECT
        assert reply.reason == "no object of that id or ABI here; `rssb info` lists them"


# --- leases, labels, RELEASE --------------------------------------------------


def is_hung_up(lease):
    """Polled like a client would: nothing to read, or the end."""
    poll = select.poll()
    poll.register(lease, select.POLLIN)
    events = dict(poll.poll(0)).get(lease, 0)
    assert events in (0, select.POLLHUP)
    return events == select.POLLHUP


def is_free(client, label):
    """Whether a label can be used: by using it."""
    reply = client.ask(wire.acquire(flags=wire.NO_CONFIG, label=label))
    if reply.status == wire.LABEL_TAKEN:
        assert reply.reason == f"another grant of yours has label {label.decode()}"
        return False
    with reply:
        assert client.ask(wire.release(reply.grant_id)).status == wire.OK
    return True


def test_lease_is_a_quiet_pipe(client):
    with client.ask(wire.acquire(flags=wire.NO_CONFIG)) as reply:
        lease = reply.fds[wire.LEASE]
        assert fcntl.fcntl(lease, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY
        assert not is_hung_up(lease)
        with pytest.raises(BlockingIOError):
            os.read(lease, 1)


def test_closing_the_lease_ends_the_grant(client):
    reply = client.ask(wire.acquire(flags=wire.NO_CONFIG, label=b"lease"))
    copy = os.dup(reply.fds[wire.LEASE])
    reply.close(wire.LEASE)
    assert not is_free(client, b"lease")  # a copy is open
    os.close(copy)
    wait_for(lambda: is_free(client, b"lease"), "the end of the grant")
    assert client.ask(wire.release(reply.grant_id)).status == wire.NO_GRANT
    assert bpf_fd.prog_id(reply.fds[wire.PROG])  # and the fds work on
    reply.close()


@pytest.mark.parametrize("label", [b"a", b"AZaz09._-", b"sixteen-letters_"])
def test_release_by_label(client, label):
    with client.ask(wire.acquire(flags=wire.NO_CONFIG, label=label)) as reply:
        assert not is_free(client, label)
        done = client.ask(wire.release(label=label))
        assert (done.status, done.length, done.n_fds) == (wire.OK, 192, 0)
        assert is_hung_up(reply.fds[wire.LEASE])
        assert os.read(reply.fds[wire.LEASE], 1) == b""
        again = client.ask(wire.release(label=label))
        assert (again.status, again.reason) == (wire.NO_GRANT, "no such grant, or not yours")
        assert is_free(client, label)


def test_release_by_id_from_another_connection(broker, client):
    with client.ask(wire.acquire(flags=wire.NO_CONFIG)) as reply:
        for other in (reply.grant_id + 1, 2**64 - 1):
            assert client.ask(wire.release(other)).status == wire.NO_GRANT
        with wire.as_user(CLIENT):
            done = wire.ask(broker.socket, wire.release(reply.grant_id))
        assert done.status == wire.OK
        assert is_hung_up(reply.fds[wire.LEASE])


def test_grants_are_ones_own(build):
    """Another user finds no grant and may use the label; root may end any."""
    with Broker(build, "--allow-user", "61001") as broker:
        with wire.as_user(CLIENT):
            mine = wire.ask(broker.socket, wire.acquire(flags=wire.NO_CONFIG, label=b"web"))
        with wire.as_user(61001):
            assert wire.ask(broker.socket, wire.release(mine.grant_id)).status == wire.NO_GRANT
            assert wire.ask(broker.socket, wire.release(label=b"web")).status == wire.NO_GRANT
            theirs = wire.ask(broker.socket, wire.acquire(flags=wire.NO_CONFIG, label=b"web"))
        with mine, theirs:
            assert theirs.status == wire.OK
            either = wire.ask(broker.socket, wire.release(label=b"web"))
            assert (either.status, either.reason) == (
                wire.NO_GRANT, "no grant, or those of several accounts, have this label: name one by its id")  # fmt: skip
            assert not is_hung_up(mine.fds[wire.LEASE])
            assert wire.ask(broker.socket, wire.release(mine.grant_id)).status == wire.OK
            assert is_hung_up(mine.fds[wire.LEASE])
            assert not is_hung_up(theirs.fds[wire.LEASE])
            assert wire.ask(broker.socket, wire.release(label=b"web")).status == wire.OK
            assert is_hung_up(theirs.fds[wire.LEASE])


def test_grants_outlive_the_connection(broker):
    with wire.as_user(CLIENT):
        with wire.ask(broker.socket, wire.acquire(flags=wire.NO_CONFIG, label=b"outlive")) as reply:
            assert not is_hung_up(reply.fds[wire.LEASE])
            assert wire.ask(broker.socket, wire.release(label=b"outlive")).status == wire.OK


# --- EXPORT -------------------------------------------------------------------


@pytest.mark.parametrize("by_id", [False, True], ids=["by ABI", "by id"])
def test_export(client, by_id):
    request = vectors.read("request-export-abi")
    if by_id:
        request = wire.export(client.ask(request).body[:32])
    with client.ask(request) as reply:
        assert (reply.status, reply.length, reply.roles) == (wire.OK, 264, [wire.ELF])
        id_, name, size, abi, _ = struct.unpack("<32s32sIHH", reply.body)
        elf = reply.fds[wire.ELF]
        assert os.lseek(elf, 0, os.SEEK_CUR) == 0
        data = os.read(elf, size + 1)
        assert len(data) == size == os.fstat(elf).st_size
        assert hashlib.sha256(data).digest() == id_ and data[:4] == b"\x7fELF"
        assert (name.rstrip(b"\0"), abi) == (b"rss", 1)


def test_export_is_sealed_and_ones_own(client):
    with client.ask(vectors.read("request-export-abi")) as one:
        elf = one.fds[wire.ELF]
        assert fcntl.fcntl(elf, F_GET_SEALS) & ALL_SEALS == ALL_SEALS
        for change in (lambda: os.pwrite(elf, b"x", 0), lambda: os.ftruncate(elf, 0)):
            with pytest.raises(PermissionError):
                change()
        os.lseek(elf, 100, os.SEEK_SET)
        with client.ask(vectors.read("request-export-abi")) as other:
            assert os.lseek(other.fds[wire.ELF], 0, os.SEEK_CUR) == 0
            assert not os.path.sameopenfile(elf, other.fds[wire.ELF])


def test_export_is_what_was_built(client, build):
    with client.ask(vectors.read("request-export-abi")) as reply:
        data = os.pread(reply.fds[wire.ELF], 1 << 20, 0)
    assert data == (build / "bpf" / "rss.bpf.o").read_bytes()


def test_export_of_an_unknown_object(client):
    reply = client.ask(wire.export(bytes(32)))
    assert reply.status == wire.NO_OBJECT and reply.n_fds == 0
