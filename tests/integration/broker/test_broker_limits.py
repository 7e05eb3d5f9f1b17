# SPDX-License-Identifier: MIT
"""What one account may cost the others: each limit, and what is said at it."""
import contextlib
import os
import re
import resource
import select
import signal
import time

import pytest
import vectors
import wire
from broker import CLIENT, Broker
from waiting import wait_for

OTHER = 61001
INFO = vectors.read("request-info")
ACQUIRE = vectors.read("request-acquire-no-config")
EXPORT = vectors.read("request-export-abi")
COUNTING = wire.NO_CONFIG | wire.STATS


@contextlib.contextmanager
def broker_with(build, *limits):
    with Broker(build, "--allow-user", str(OTHER), *limits) as broker:
        yield broker


def refused_at_once(broker, uid=CLIENT):
    """What the broker says to a connection before it is asked anything."""
    with broker.connect(uid) as client:
        reply = client.receive()
        assert (reply.op, reply.tag, reply.n_fds) == (wire.REPLY, 0, 0)
        assert client.is_closed()
        return reply


def assert_served(broker, *uids):
    for uid in uids:
        assert broker.ask(INFO, uid).status == wire.OK, uid


# --- connections --------------------------------------------------------------


def test_connections_of_an_account(build):
    with broker_with(build, "--max-connections=6", "--share=1") as broker:
        clients = [broker.connect() for _ in range(3)]
        for client in clients:
            assert client.ask(INFO).status == wire.OK
        reply = refused_at_once(broker)
        assert (reply.status, reply.retry_ms) == (wire.LIMIT, 0)
        assert reply.reason.startswith("connections of your account: 3 of 3 in use")
        assert_served(broker, OTHER, 0)
        assert clients[0].ask(INFO).status == wire.OK
        clients.pop().close()
        wait_for(lambda: served(broker), "a free place")
        for client in clients:
            client.close()


def served(broker):
    with broker.connect() as client:
        return client.ask(INFO).status == wire.OK


def test_fault_13_no_request(build):
    """Told why, and then to wait: connecting and saying nothing is not free."""
    limits = "--first-request-timeout=100", "--tokens=100", "--token-rate=50"
    with broker_with(build, *limits) as broker:
        start = time.monotonic()
        with broker.connect() as silent:
            refusal = vectors.read("refusal-timeout").replace(b"1000 ms", b"100 ms\0")
            assert silent.receive().data == refusal
            assert time.monotonic() - start > 0.09
            assert silent.is_closed()
        reply = refused_at_once(broker)
        assert reply.status == wire.LIMIT and 0 < reply.retry_ms <= 40000
        assert reply.reason.startswith("your account has too few tokens: it gets 50 a second; come back ")
        assert_served(broker, OTHER, 0)
        assert f"account uid={CLIENT} label=- pays 2000 tokens for a timeout" in broker.log()


@pytest.mark.parametrize("said", [True, False], ids=["asked", "silent"])
def test_fault_63_late_is_not_guilty(build, said):
    """The front stands still while more connect than it looks at in a turn: who asked is served."""
    limits = "--first-request-timeout=3000", "--max-unread=512"
    with broker_with(build, *limits) as broker:
        clients = [broker.connect() for _ in range(100)]
        wait_for(lambda: broker.front.kinds()["socket"] >= 100, "the connections")
        os.kill(broker.process.pid, signal.SIGSTOP)
        for client in clients if said else []:
            client.send(INFO)
        time.sleep(3.5)  # longer than the deadline
        os.kill(broker.process.pid, signal.SIGCONT)
        want = wire.OK if said else wire.TIMEOUT
        assert {client.receive().status for client in clients} == {want}
        assert ("pays" in broker.log()) != said
        # Silence is charged for, but a hundred at once are charged for once.
        assert_served(broker, CLIENT)
        for client in clients:
            client.close()


def test_silence_between_requests_is_no_fault(build):
    with broker_with(build, "--first-request-timeout=2000", "--read-reply-timeout=2000") as broker:
        with broker.connect() as client:
            assert client.ask(INFO).status == wire.OK
            time.sleep(2.5)  # longer than either deadline
            assert client.ask(INFO).status == wire.OK


# --- replies that nobody reads ------------------------------------------------------


def test_fault_15_reply_that_is_not_read(build):
    limits = "--read-reply-timeout=100", "--tokens=100", "--token-rate=50"
    with broker_with(build, *limits) as broker:
        with broker.connect() as lazy:
            lazy.send(ACQUIRE)
            wait_for(lambda: "pays 2000 tokens for a timeout" in broker.log(), "the charge")
            lazy.receive().close()  # what was sent is the client's
            assert lazy.is_closed()
        assert refused_at_once(broker).status == wire.LIMIT
        assert_served(broker, OTHER)


def test_fault_17_many_replies_that_are_not_read(build):
    """The connections that hold the broker's fds in flight are few."""
    with broker_with(build, "--max-unread=2") as broker:
        lazy = [broker.connect() for _ in range(3)]
        for client in lazy[:2]:
            client.send(ACQUIRE)
            wait_for(lambda c=client: unread(c), "a reply")
        reply = lazy[2].ask(ACQUIRE)
        assert (reply.status, reply.retry_ms) == (wire.LIMIT, 1000)
        assert reply.reason == "unread replies of your account: 2 of 2; read them"
        lazy[0].receive().close()
        with lazy[2].ask(ACQUIRE) as reply:
            assert reply.status == wire.OK
        assert_served(broker, OTHER)
        for client in lazy:
            client.close()


def unread(client):
    return select.select([client.sock], [], [], 0)[0]


# --- grants ---------------------------------------------------------------------------


def test_fault_20_grants_of_an_account(build):
    """The 65th of 128 is refused; release one, ask again; nobody else is touched."""
    with broker_with(build, "--max-grants=128", "--share=1") as broker, broker.connect() as client:
        grants = [client.ask(ACQUIRE) for _ in range(64)]
        assert {grant.status for grant in grants} == {wire.OK}
        reply = client.ask(ACQUIRE)
        assert reply.data == wire.put(vectors.read("refusal-limit"), 12, "I", reply.tag)
        with broker.ask(ACQUIRE, OTHER) as other, broker.ask(ACQUIRE, 0) as roots:
            assert (other.status, roots.status) == (wire.OK, wire.OK)
        assert client.ask(wire.release(grants[0].grant_id)).status == wire.OK
        grants.append(client.ask(ACQUIRE))
        assert grants[-1].status == wire.OK
        for grant in grants:
            grant.close()


def test_grants_of_root_and_in_all(build):
    """Root is exempt from what one account may have, not from the total."""
    limits = "--max-grants=4", "--share=1", "--tokens=30"
    with broker_with(build, *limits) as broker, broker.connect(0) as root:
        grants = [root.ask(ACQUIRE) for _ in range(3)]
        grants.append(broker.ask(ACQUIRE))
        assert {grant.status for grant in grants} == {wire.OK}
        for uid in (0, OTHER):
            reply = broker.ask(ACQUIRE, uid)
            assert reply.status == wire.LIMIT
            assert reply.reason.startswith("live grants in all: 4 of 4 in use")
        for grant in grants:
            grant.close()
        wait_for(lambda: acquires(broker, OTHER), "room for one")


def acquires(broker, uid):
    with broker.ask(ACQUIRE, uid) as reply:
        return reply.status == wire.OK


def test_fault_75_five_hundred_interfaces_of_one_uid(build):
    """With the defaults and no label: what libvirt's system VMs need on a large host."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(16384, hard), hard))
    grants = []
    with broker_with(build) as broker, broker.connect() as client:
        while len(grants) < 500:
            grant = client.ask(ACQUIRE)
            assert grant.status in (wire.OK, wire.BUSY), grant.reason
            if grant.status == wire.OK:
                grants.append(grant)
        assert acquires(broker, OTHER)
        for grant in grants:  # not all programs at once: the kernel frees them one by one
            grant.close()
            assert client.ask(INFO).status == wire.OK
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


# --- tokens ---------------------------------------------------------------------------


def test_fault_19_rate(build):
    """After the burst it goes on at the rate; retry_ms is right."""
    with broker_with(build, "--tokens=81", "--token-rate=4") as broker:
        with broker.connect() as client:
            for _ in range(4):
                with client.ask(ACQUIRE) as reply:
                    assert reply.status == wire.OK
            reply = client.ask(ACQUIRE)
            assert reply.status == wire.LIMIT and 0 < reply.retry_ms <= 5000
            want = "your account has too few tokens: it gets 4 a second; come back in "
            assert reply.reason == f"{want}{reply.retry_ms} ms"
            assert acquires(broker, OTHER) and acquires(broker, 0)
            time.sleep(reply.retry_ms / 1000)
            with client.ask(ACQUIRE) as reply:
                assert reply.status == wire.OK


def test_fault_69_statistics_at_full_speed(build):
    """Reading the counters costs more than other requests."""
    with broker_with(build, "--tokens=121", "--token-rate=1") as broker:
        with broker.connect() as client, client.ask(wire.acquire(flags=COUNTING)) as grant:
            stats = wire.put(vectors.read("request-stats"), 16, "Q16s", grant.grant_id, b"")
            asked = [client.ask(stats).status for _ in range(30)]
        assert set(asked[:20]) == {wire.OK} and wire.LIMIT in asked[20:]
        assert acquires(broker, OTHER)


# --- bytes ----------------------------------------------------------------------------


def hoard(client, message, most=500):
    """Asks until it is refused, and gives up each lease at once.  What was kept, the refusal."""
    kept = []
    while len(kept) < most:
        reply = client.ask(message)
        if reply.status == wire.BUSY:
            continue
        if reply.status != wire.OK:
            return kept, reply
        kept.append(reply)
        if wire.LEASE in reply.fds:
            assert client.ask(wire.release(reply.grant_id)).status == wire.OK
    raise AssertionError("nothing is refused")


@pytest.mark.parametrize("message", [ACQUIRE, EXPORT], ids=["sets", "copies of objects"])
def test_fault_21_what_was_kept_counts(build, message):
    """Closing leases and keeping fds, or copies of objects: both are of the third budget."""
    with broker_with(build, "--memory=8") as broker, broker.connect() as client:
        kept, reply = hoard(client, message)
        assert 10 < len(kept) < 100
        assert reply.status == wire.LIMIT and 20_000 < reply.retry_ms <= 120_000
        assert re.match(r"KiB of kernel memory of your account: \d+ of \d+ in use", reply.reason)
        assert acquires(broker, OTHER) and acquires(broker, 0)
        assert client.ask(INFO).status == wire.OK
        for grant in kept:
            grant.close()


def test_what_was_kept_is_forgotten(build):
    with broker_with(build, "--memory=8", "--ended-forgotten=60000") as broker:
        with broker.connect() as client:
            kept, reply = hoard(client, EXPORT)
            assert 0 < reply.retry_ms < 1000
            time.sleep(reply.retry_ms / 1000 + 0.01)
            with client.ask(EXPORT) as reply:
                assert reply.status == wire.OK
        for grant in kept:
            grant.close()


def test_memory_in_all(build):
    """What is left is nobody's: not even root gets more."""
    with broker_with(build, "--memory=2", "--memory-percent=50") as broker:
        with broker.connect(0) as root:
            kept, reply = hoard(root, EXPORT)
        assert "the broker's memory is over 50 % of its limit" in reply.reason
        assert broker.ask(EXPORT, OTHER).status == wire.LIMIT
        for grant in kept:
            grant.close()


# --- faults -------------------------------------------------------------------------------


@pytest.mark.parametrize("message", ["bad-magic", None], ids=["bad magic", "empty"])
def test_the_price_of_a_malformed_request(build, message):
    with broker_with(build, "--tokens=100", "--token-rate=200") as broker:
        assert broker.ask(vectors.read(message) if message else b"").status == wire.MALFORMED
        reply = refused_at_once(broker)
        assert reply.status == wire.LIMIT and 0 < reply.retry_ms <= 5000
        assert_served(broker, OTHER, 0)
        time.sleep(reply.retry_ms / 1000 + 0.01)
        assert_served(broker, CLIENT)


@pytest.mark.parametrize("message", ["bad-queue", "bad-op", "bad-version", "request-export-id"])
def test_no_price_for_what_is_well_formed(build, message):
    """Another version, an unknown operation, a wrong value: an honest client's mistakes."""
    with broker_with(build, "--tokens=100") as broker:
        assert broker.ask(vectors.read(message)).status != wire.OK
        assert_served(broker, CLIENT)
        assert "pays" not in broker.log()


def test_faults_are_logged_once(build):
    with broker_with(build, "--tokens=1000000") as broker:
        for _ in range(5):
            assert broker.ask(b"x").status == wire.MALFORMED
        assert broker.log().count("pays 1000 tokens") == 1


def test_root_pays_nothing(build):
    with broker_with(build, "--tokens=1") as broker:
        for _ in range(3):
            assert broker.ask(b"x", 0).status == wire.MALFORMED
        assert_served(broker, 0)


def test_the_log_is_not_flooded(build):
    """The same refusal of an account is one line, with a count later."""
    with broker_with(build) as broker, broker.connect() as client:
        for _ in range(200):
            assert client.ask(vectors.read("bad-queue")).status == wire.INVALID
        assert broker.log().count("result=invalid") == 1
        assert client.ask(vectors.read("request-export-id")).status == wire.NO_OBJECT
        wait_for(lambda: "result=no-object" in broker.log(), "the next line")
        assert broker.log().count("\n") < 10
