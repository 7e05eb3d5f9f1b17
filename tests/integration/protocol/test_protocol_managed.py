# SPDX-License-Identifier: MIT
"""Managed grants, UPDATE, STATS, KEEP: what a client gets, and what it cannot."""
import contextlib
import errno
import mmap
import os
import random
import struct
import threading
import time

import bpf_fd
import pytest
import vectors
import wire
from broker import CLIENT, Broker
from flows import TCP, UDP, Flow, Steering, toeplitz
from waiting import wait_for

ALL_TYPES = 0x1FF
MAC = bytes.fromhex("020000000002")
NO_LIMITS = ("--tokens=1000000000", "--memory=1000000")


@pytest.fixture(scope="module")
def broker(build):
    with Broker(build, "--allow-user", "61001", *NO_LIMITS) as broker:
        yield broker


@pytest.fixture
def managed(client):
    """A managed grant with the label "web"; its steering is of 4 queues."""
    steering = Steering.random(random.Random(1), 4)
    with client.ask(wire.acquire(wire.MANAGED, 0, b"web", wanted(steering, 4))) as reply:
        assert (reply.status, reply.reason) == (wire.OK, "")
        reply.steering = steering
        yield reply


def wanted(steering, queues, types=ALL_TYPES, default=0):
    return types, queues, default, steering.key, steering.table


def update(steering, queues, grant_id=0, label=b"", **more):
    message = wire.put(vectors.read("request-update"), 16, "Q16s", grant_id, label)
    return message[:40] + wire.pack_steering(*wanted(steering, queues, **more))


def stats(grant_id=0, label=b""):
    return wire.put(vectors.read("request-stats"), 16, "Q16s", grant_id, label)


class Counts:
    """The body of a STATS reply."""

    def __init__(self, reply):
        assert (reply.status, reply.length, reply.n_fds) == (wire.OK, 6464, 0), reply.reason
        self.grant_id, self.time_ns, self.queues, self.table_len, self.hash_types = (
            struct.unpack_from("<QQHHI", reply.body))  # fmt: skip
        self.hashed = struct.unpack_from("<9Q", reply.body, 24)
        self.fallback = struct.unpack_from("<4Q", reply.body, 96)
        self.queue = list(struct.iter_unpack("<QQ", reply.body[128 : 128 + 4096]))
        self.entry = list(struct.iter_unpack("<QQ", reply.body[4224:]))


def steer(prog, flow):
    return bpf_fd.test_run(prog, flow.frame(b"", MAC))


def assert_steers(reply, steering, n=100, seed=2):
    rng = random.Random(seed)
    for _ in range(n):
        flow = Flow.random(rng, 4, TCP)
        assert steer(reply.fds[wire.PROG], flow) == steering.queue(flow), flow


# --- managed ------------------------------------------------------------------


def test_managed(managed):
    assert managed.roles == [wire.PROG, wire.LEASE]
    assert_steers(managed, managed.steering)


def test_update_by_label(client, managed):
    new = Steering.random(random.Random(3), 256)
    reply = client.ask(update(new, 256, label=b"web"))
    assert (reply.status, reply.length, reply.n_fds, reply.reason) == (wire.OK, 192, 0, "")
    assert_steers(managed, new)


def test_update_by_id_from_another_connection(broker, client, managed):
    for table_len in (1, 128, 2, 64):
        new = Steering.random(random.Random(table_len), 4, table_len)
        with wire.as_user(CLIENT):
            assert wire.ask(broker.socket, update(new, 4, managed.grant_id)).status == wire.OK
        assert_steers(managed, new)


def test_update_that_is_refused_changes_nothing(client, managed):
    new = Steering(managed.steering.key, (1, 2, 3, 4))
    reply = client.ask(update(new, 4, label=b"web"))
    assert reply.status == wire.INVALID
    assert reply.reason == "table[3] is 4, allowed is 0 to 3 (queues is 4)"
    assert_steers(managed, managed.steering)


def test_update_of_hash_types_and_default_queue(client, managed):
    assert client.ask(update(managed.steering, 4, label=b"web", types=0x4, default=3)).status == 0
    rng = random.Random(4)
    tcp, udp = Flow.random(rng, 4, TCP), Flow.random(rng, 4, UDP)
    assert steer(managed.fds[wire.PROG], tcp) == 3
    assert steer(managed.fds[wire.PROG], udp) == managed.steering.queue(udp)


@pytest.mark.parametrize("kind", [wire.HANDOFF, wire.PROGRAM_ONLY])
def test_update_of_another_kind(client, kind):
    with client.ask(wire.acquire(kind)) as reply:
        refusal = client.ask(update(Steering(bytes(40), (0,)), 1, reply.grant_id))
        assert refusal.status == wire.WRONG_KIND
        want = f"grant {reply.grant_id} is not managed: only its holder can change its steering"
        assert refusal.reason == want


def test_grants_of_others(broker, managed):
    """Another user finds nothing; root may."""
    new = Steering.random(random.Random(5), 4)
    with wire.as_user(61001), wire.Connection(broker.socket) as other:
        for message in (update(new, 4, managed.grant_id), update(new, 4, label=b"web"),
                        stats(managed.grant_id), stats(label=b"web")):  # fmt: skip
            assert other.ask(message).status == wire.NO_GRANT
    assert_steers(managed, managed.steering)
    assert wire.ask(broker.socket, update(new, 4, managed.grant_id)).status == wire.OK
    assert_steers(managed, new)


def test_after_the_end_it_steers_on(client, managed):
    assert client.ask(wire.release(label=b"web")).status == wire.OK
    for message in update(managed.steering, 4, managed.grant_id), stats(managed.grant_id):
        assert client.ask(message).status == wire.NO_GRANT
    assert_steers(managed, managed.steering)


def test_packets_during_updates(client, managed):
    """Whatever a packet meets, it goes to a queue of the old steering or of the new one."""
    sides = [Steering(bytes([i] * 40), (queue,) * size)
             for i, (queue, size) in enumerate([(3, 128), (200, 1), (7, 4)])]  # fmt: skip
    seen, done = set(), threading.Event()

    def run():
        flow = Flow.random(random.Random(6), 4, TCP)
        while not done.is_set():
            seen.add(steer(managed.fds[wire.PROG], flow))

    thread = threading.Thread(target=run)
    assert client.ask(update(sides[0], 256, label=b"web", default=3)).status == wire.OK
    thread.start()
    for i in range(600):
        side = sides[i % 3]
        reply = client.ask(update(side, 256, label=b"web", default=side.table[0]))
        assert reply.status == wire.OK
    done.set()
    thread.join()
    assert seen <= {3, 200, 7} and len(seen) > 1


# --- MOVE ---------------------------------------------------------------------


def table_of(reply):
    grant_id, queues, length = struct.unpack_from("<QHH4x", reply.body)
    return grant_id, queues, list(struct.unpack_from(f"<{length}H", reply.body, 16))


def test_move_changes_the_entries_and_nothing_else(client, managed):
    table = list(managed.steering.table)
    assert table_of(client.ask(wire.move(label=b"web"))) == (managed.grant_id, 4, table)
    moves = [(i, table[i], (table[i] + 1) % 4) for i in range(0, len(table), 2)][:32]
    for entry, _, to in moves:
        table[entry] = to
    reply = client.ask(wire.move(*moves, grant_id=managed.grant_id))
    assert table_of(reply) == (managed.grant_id, 4, table)
    assert_steers(managed, Steering(managed.steering.key, tuple(table)))


def test_packets_during_moves(client, managed):
    """A flow of a moved entry meets the old queue or the new one; any other flow its own alone."""
    plain = Steering(managed.steering.key, (1, 2) * 64)
    assert client.ask(update(plain, 256, label=b"web", default=200)).status == wire.OK
    rng, (moved, stays) = random.Random(6), ({}, {})
    while not (moved and stays):
        flow = Flow.random(rng, 4, TCP)
        (stays if plain.queue(flow) == 2 else moved)[flow] = set()
    done = threading.Event()

    def run():
        while not done.is_set():
            for flows in moved, stays:
                for flow, seen in flows.items():
                    seen.add(steer(managed.fds[wire.PROG], flow))

    thread = threading.Thread(target=run)
    thread.start()
    entries = range(0, 64, 2)
    for i in range(600):
        if i % 2 == 0:
            entries = range(0, 64, 2) if entries[0] else range(64, 128, 2)
        old, new = ((1, 7), (7, 1))[i % 2]
        reply = client.ask(wire.move(*((entry, old, new) for entry in entries), label=b"web"))
        assert reply.status == wire.OK
    done.set()
    thread.join()
    assert set().union(*stays.values()) == {2}
    assert set().union(*moved.values()) == {1, 7}


@pytest.mark.parametrize(
    "moves, why",
    [
        ([(0, 0, 1), (0, 0, 2)], "move[1].entry is 0, as move[0].entry is: each entry moves once"),
        ([(128, 0, 1)], "move[0].entry is 128, allowed is 0 to 127"),
        ([(4, 0, 1)], "move[0].entry is 4, the table has 4 entries"),
        ([(1, 1, 0), (2, 2, 4)], "move[1].to is 4, allowed is 0 to 3"),
        ([(1, 1, 0), (2, 3, 1)],
         "move[1].from is 3, but entry 2 is on queue 2: somebody changed the table"),
    ],
)  # fmt: skip
def test_move_that_is_refused_moves_nothing(client, managed, moves, why):
    plain = Steering(managed.steering.key, (0, 1, 2, 3))
    assert client.ask(update(plain, 4, label=b"web")).status == wire.OK
    reply = client.ask(wire.move(*moves, label=b"web"))
    assert (reply.status, reply.reason) == (wire.INVALID, why)
    assert table_of(client.ask(wire.move(label=b"web")))[2] == [0, 1, 2, 3]
    assert_steers(managed, plain)


def test_move_of_grants_that_are_not_managed_or_another_users(broker, client, managed):
    with client.ask(wire.acquire(wire.HANDOFF)) as reply:
        assert client.ask(wire.move(grant_id=reply.grant_id)).status == wire.WRONG_KIND
    with wire.as_user(61001), wire.Connection(broker.socket) as other:
        assert other.ask(wire.move(grant_id=managed.grant_id)).status == wire.NO_GRANT
    assert wire.ask(broker.socket, wire.move(grant_id=managed.grant_id)).status == wire.OK  # root


# --- what cannot be changed ---------------------------------------------------


def unprivileged(function):
    """Runs it in a process of nobody's, without any capability; returns what it returned."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        status = 1
        with contextlib.suppress(BaseException):
            os.setgroups([])
            os.setresgid(CLIENT, CLIENT, CLIENT)
            os.setresuid(CLIENT, CLIENT, CLIENT)
            os.write(write, function().encode())
            status = 0
        os._exit(status)
    os.close(write)
    with os.fdopen(read) as pipe:
        said = pipe.read()
    assert os.waitpid(child, 0)[1] == 0
    return said


def errno_of(function, *args):
    try:
        function(*args)
    except OSError as error:
        return errno.errorcode[error.errno]
    return "done"


@pytest.mark.parametrize("kind", [wire.MANAGED, wire.PROGRAM_ONLY])
def test_who_holds_the_program_alone_changes_nothing(client, kind):
    """Not by bpf(2), not by mmap, not by freezing."""
    steering = Steering.random(random.Random(7), 4)
    with client.ask(wire.acquire(kind, steering=wanted(steering, 4))) as reply:
        prog = reply.fds[wire.PROG]
        map_ids = bpf_fd.prog_map_ids(prog)

        def attempts():
            by_id = [
                errno_of(bpf_fd.bpf, bpf_fd.MAP_GET_FD_BY_ID, struct.pack("<I", id_))
                for id_ in map_ids
            ]
            by_fd = [errno_of(bpf_fd.update, prog, 0, bytes(10)), errno_of(bpf_fd.freeze, prog)]
            return " ".join([*by_id, *by_fd, errno_of(mmap.mmap, prog, 4096)])

        assert len(map_ids) == 3
        assert unprivileged(attempts) == "EPERM EPERM EPERM EINVAL EINVAL ENODEV"
        assert_steers(reply, steering)


# --- STATS --------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind, roles",
    [
        (wire.HANDOFF, [1, 2, 3, 4, 5]),
        (wire.PROGRAM_ONLY, [1, 5]),
        (wire.MANAGED, [1, 5]),
    ],
)
def test_stats(client, kind, roles):
    """Every packet is counted once per queue, entry and type; the counters' map is not sent."""
    rng = random.Random(8)
    steering = Steering.random(rng, 4, 16)
    message = wire.acquire(kind, wire.STATS, steering=wanted(steering, 4))
    with client.ask(message) as reply:
        assert (reply.status, reply.roles) == (wire.OK, roles)
        queues, entries, size = [0] * 4, [0] * 16, 0
        for proto in [TCP] * 60 + [UDP] * 40:
            flow = Flow.random(rng, 4, proto)
            size = len(flow.frame(b"", MAC))
            queue = steer(reply.fds[wire.PROG], flow)
            queues[queue] += 1
            entries[steering_entry(steering, flow)] += 1
        steer_arp(reply.fds[wire.PROG])
        counts = Counts(client.ask(stats(reply.grant_id)))
    assert (counts.grant_id, counts.queues, counts.table_len) == (reply.grant_id, 4, 16)
    assert counts.hash_types == ALL_TYPES
    assert counts.hashed == (0, 60, 40, 0, 0, 0, 0, 0, 0)
    assert counts.fallback == (0, 0, 1, 0)
    queues[0] += 1  # ARP, to the default queue
    assert [packets for packets, _ in counts.queue[:4]] == queues
    assert [packets for packets, _ in counts.entry[:16]] == entries
    assert not any(map(any, counts.queue[4:])) and not any(map(any, counts.entry[16:]))
    assert all((packets > 0) == (bytes_ >= packets * 20) for packets, bytes_ in counts.entry[:16])
    assert sum(bytes_ for _, bytes_ in counts.entry) <= 100 * (size + 14)


def steering_entry(steering, flow):
    return toeplitz(steering.key, flow.hash_input()) % len(steering.table)


def steer_arp(prog):
    arp = MAC + MAC + struct.pack("!H", 0x0806) + bytes(46)
    return bpf_fd.test_run(prog, arp)


def test_stats_of_an_update(client):
    """The steering that is reported is the last; the counts go on."""
    steering = Steering.random(random.Random(9), 4)
    message = wire.acquire(wire.MANAGED, wire.STATS, b"top", wanted(steering, 4))
    with client.ask(message) as reply:
        steer_arp(reply.fds[wire.PROG])
        before = Counts(client.ask(stats(label=b"top")))
        narrow = Steering(steering.key, (1, 0))
        assert client.ask(update(narrow, 2, label=b"top", types=0x12)).status == wire.OK
        steer_arp(reply.fds[wire.PROG])
        after = Counts(client.ask(stats(label=b"top")))
    assert (before.queues, before.table_len, before.hash_types) == (4, 128, ALL_TYPES)
    assert (after.queues, after.table_len, after.hash_types) == (2, 2, 0x12)
    assert (before.fallback, after.fallback) == ((0, 0, 1, 0), (0, 0, 2, 0))
    assert after.time_ns > before.time_ns


def test_stats_without_configuration(client):
    """The client configures: nothing is known of it, and until then all is BAD_CONFIG."""
    with client.ask(wire.acquire(flags=wire.NO_CONFIG | wire.STATS)) as reply:
        assert len(bpf_fd.prog_map_ids(reply.fds[wire.PROG])) == 4
        steer(reply.fds[wire.PROG], Flow.random(random.Random(10), 4, TCP))
        counts = Counts(client.ask(stats(reply.grant_id)))
    assert (counts.queues, counts.table_len, counts.hash_types) == (0, 0, 0)
    assert counts.fallback == (0, 0, 0, 1) and counts.queue[0][0] == 1


def test_stats_that_were_not_asked_for(client, managed):
    refusal = client.ask(stats(managed.grant_id))
    assert refusal.status == wire.WRONG_KIND
    want = f"grant {managed.grant_id} counts no packets: it was acquired without statistics"
    assert refusal.reason == want


GRE, IPIP = 0x10000, 0x800000


def in_gre(frame):
    """The packet of an Ethernet frame in a GRE tunnel between two hosts, always the same."""
    outer = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 24 + len(frame) - 14, 0, 0, 64, 47, 0,
                        bytes([192, 0, 2, 1]), bytes([192, 0, 2, 2]))  # fmt: skip
    return frame[:12] + b"\x08\x00" + outer + b"\0\0" + frame[12:]


@pytest.mark.parametrize("flags, name", [(0, b"rss-tunnel"), (wire.STATS, b"rss-tunnel-stats")])
def test_tunnels_choose_the_object(client, flags, name):
    steering = Steering.random(random.Random(7), 4)
    asked = wanted(steering, 4, types=ALL_TYPES | GRE, default=0)
    with client.ask(wire.acquire(wire.MANAGED, flags, b"", asked)) as reply:
        assert (reply.status, reply.reason) == (wire.OK, "")
        known = {
            described.body[:32]: described.body[32:64].rstrip(b"\0")
            for i in range(4)
            for described in [client.ask(wire.put(vectors.read("request-object"), 16, "I", i))]
        }
        assert known[reply.object_id] == name
        rng = random.Random(8)
        for _ in range(100):
            flow = Flow.random(rng, 4, TCP)
            inside = bpf_fd.test_run(reply.fds[wire.PROG], in_gre(flow.frame(b"", MAC)))
            assert inside == steering.queue(flow) == steer(reply.fds[wire.PROG], flow)
        # Other tunnels, or none, by UPDATE: one queue for all.
        changed = client.ask(update(steering, 4, reply.grant_id, types=ALL_TYPES | IPIP))
        assert changed.status == wire.OK
        frames = [in_gre(Flow.random(rng, 4, TCP).frame(b"", MAC)) for _ in range(100)]
        assert len({bpf_fd.test_run(reply.fds[wire.PROG], frame) for frame in frames}) == 1


def test_tunnels_of_a_set_that_knows_none(client, managed):
    """Nothing changes, and the reason says what to do."""
    why = "hash_types is 0x%x, with tunnels, which object rss does not know: ask by ABI for one that does"
    refusal = client.ask(update(managed.steering, 4, label=b"web", types=ALL_TYPES | GRE))
    assert (refusal.status, refusal.reason) == (wire.INVALID, why % (ALL_TYPES | GRE))
    assert_steers(managed, managed.steering)
    asked = wanted(managed.steering, 4, types=ALL_TYPES | GRE)
    by_id = wire.acquire(wire.MANAGED, 0, b"", asked, object_id=managed.object_id)
    refusal = client.ask(by_id)
    assert (refusal.status, refusal.reason) == (wire.INVALID, why % (ALL_TYPES | GRE))


def test_tunnels_of_a_handoff(client):
    asked = wanted(Steering.random(random.Random(9), 4), 4, types=GRE | 1)
    refusal = client.ask(wire.acquire(wire.HANDOFF, 0, b"", asked))
    assert refusal.status == wire.INVALID and "which kind 1 (handoff) cannot have" in refusal.reason


def test_stats_choose_the_object(client):
    """Named by its ABI it is another object, with another id, of that ABI."""
    ids = []
    for flags in (0, wire.STATS):
        with client.ask(wire.acquire(flags=flags)) as reply:
            ids.append(reply.object_id)
    assert ids[0] != ids[1]
    described = [client.ask(wire.put(vectors.read("request-object"), 16, "I", i)) for i in (0, 1)]
    assert [reply.body[:32] for reply in described] == ids
    assert [reply.body[32:64].rstrip(b"\0") for reply in described] == [b"rss", b"rss-stats"]
    # By its id it is to be had too, counting for nobody.
    with client.ask(wire.acquire(object_id=ids[1])) as reply:
        assert (reply.status, reply.object_id, reply.n_fds) == (wire.OK, ids[1], 5)


# --- KEEP ---------------------------------------------------------------------


@pytest.mark.parametrize("kind", [wire.MANAGED, wire.PROGRAM_ONLY])
def test_keep(broker, client, kind):
    """Without a lease it lives until it is released, whoever closes what."""
    steering = Steering.random(random.Random(11), 4)
    reply = client.ask(wire.acquire(kind, wire.KEEP, b"kept", wanted(steering, 4)))
    assert (reply.status, reply.roles) == (wire.OK, [wire.PROG])
    assert_steers(reply, steering, 10)
    reply.close()
    client.close()
    with wire.as_user(CLIENT), wire.Connection(broker.socket) as later:
        again = later.ask(wire.acquire(kind, wire.KEEP, b"kept", wanted(steering, 4)))
        assert again.status == wire.LABEL_TAKEN
        assert later.ask(wire.release(label=b"kept")).status == wire.OK
        assert later.ask(wire.release(reply.grant_id)).status == wire.NO_GRANT


def test_the_broker_keeps_no_more_than_it_says(broker, client):
    """Of a handoff the lease's end; of a managed grant no fd of a map either: they are mapped."""
    before = settled_kinds(broker)
    for kind in (wire.HANDOFF, wire.PROGRAM_ONLY, wire.MANAGED):
        wait_for(lambda: settled_kinds(broker) == before, "the end of the grant before")
        with client.ask(wire.acquire(kind)) as reply:
            with_lease = {**before, "pipe": before["pipe"] + 1}
            wait_for(lambda: settled_kinds(broker) == with_lease, "a lease and no other fd")
            assert n_mapped(broker.front) == (3 if kind == wire.MANAGED else 0)


def settled_kinds(broker):
    """The front's fds, once a request is all over and the pool full again."""
    time.sleep(0.05)
    wait_for(broker.is_at_rest, "a full pool")
    return broker.front.kinds()


def n_mapped(process):
    """How many maps the process may write to, beside those of the sets in the pool."""
    with open(f"/proc/{process.pid}/maps") as maps:
        mapped = sum("anon_inode:bpf-map" in line and "w" in line.split()[1] for line in maps)
    return mapped - 3 * process.kinds()["anon_inode:bpf-prog"]
