# SPDX-License-Identifier: MIT
"""What one account may cost the others: each limit, and what is said at it."""
import contextlib
import select
import time

import pytest
import vectors
import wire
from broker import CLIENT, Broker
from waiting import wait_for

OTHER = 61001
INFO = vectors.read("request-info")
ACQUIRE = vectors.read("request-acquire-no-config")


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
    with broker_with(build, "--max-account-connections=3") as broker:
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
    with broker_with(build, "--first-request-timeout=100", "--penalty-timeout=2") as broker:
        start = time.monotonic()
        with broker.connect() as silent:
            assert silent.receive().data == vectors.read("refusal-timeout")
            assert 0.09 < time.monotonic() - start < 2
            assert silent.is_closed()
        reply = refused_at_once(broker)
        assert reply.status == wire.LIMIT and 0 < reply.retry_ms <= 2000
        assert reply.reason.startswith("your account waits for a fault it made; come back in ")
        assert_served(broker, OTHER, 0)
        assert f"account uid={CLIENT} label=- has to wait 2 s for a timeout" in broker.log()


def test_silence_between_requests_is_no_fault(build):
    with broker_with(build, "--first-request-timeout=50", "--read-reply-timeout=50") as broker:
        with broker.connect() as client:
            for _ in range(3):
                assert client.ask(INFO).status == wire.OK
                time.sleep(0.15)


# --- replies that nobody reads ------------------------------------------------------


def test_fault_15_reply_that_is_not_read(build):
    with broker_with(build, "--read-reply-timeout=100", "--penalty-timeout=1") as broker:
        with broker.connect() as lazy:
            lazy.send(ACQUIRE)
            wait_for(lambda: "has to wait 1 s for a timeout" in broker.log(), "a penalty")
            lazy.receive().close()  # what was sent is the client's
            assert lazy.is_closed()
        assert refused_at_once(broker).status == wire.LIMIT
        assert_served(broker, OTHER)


def test_fault_17_many_replies_that_are_not_read(build):
    """The connections that hold the broker's fds in flight are few."""
    with broker_with(build, "--max-account-unread=2", "--read-reply-timeout=5000") as broker:
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
    """The 65th is refused; release one, ask again; nobody else is touched."""
    with broker_with(build) as broker, broker.connect() as client:
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
    limits = "--max-account-grants=1", "--max-uid-grants=1", "--max-grants=4", "--rate-burst=1"
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


def test_grants_of_a_uid(build):
    with broker_with(build, "--max-uid-grants=2") as broker, broker.connect() as client:
        with client.ask(ACQUIRE), client.ask(ACQUIRE):
            reply = client.ask(ACQUIRE)
            assert reply.status == wire.LIMIT
            assert reply.reason.startswith("live grants of your uid: 2 of 2 in use")
            assert acquires(broker, OTHER)


def test_fault_19_rate(build):
    """After the burst it goes on at the rate; retry_ms is right."""
    with broker_with(build, "--rate-burst=4", "--rate=10") as broker, broker.connect() as client:
        for _ in range(4):
            with client.ask(ACQUIRE) as reply:
                assert reply.status == wire.OK
        reply = client.ask(ACQUIRE)
        assert reply.status == wire.LIMIT and 0 < reply.retry_ms <= 100
        want = "grants a second of your account: 4 at once, then 10; come back in "
        assert reply.reason == f"{want}{reply.retry_ms} ms"
        assert client.ask(INFO).status == wire.OK  # it is no fault
        assert acquires(broker, OTHER) and acquires(broker, 0)
        time.sleep(reply.retry_ms / 1000)
        with client.ask(ACQUIRE) as reply:
            assert reply.status == wire.OK


def test_fault_21_ended_grants(build):
    """Closing leases and keeping fds gives no more than the second budget."""
    limits = "--ended-grants=3", "--ended-refill=3600", "--max-account-grants=10"
    with broker_with(build, *limits) as broker, broker.connect() as client:
        kept = []
        for _ in range(3):
            kept.append(client.ask(ACQUIRE))
            assert client.ask(wire.release(kept[-1].grant_id)).status == wire.OK
        reply = client.ask(ACQUIRE)
        assert reply.status == wire.LIMIT and 3590_000 < reply.retry_ms <= 3600_000
        assert reply.reason.startswith("ended grants of your account: 3 of 3 used; come back in ")
        assert acquires(broker, OTHER)
        for grant in kept:
            grant.close()


# --- faults -------------------------------------------------------------------------------


@pytest.mark.parametrize("message", ["bad-magic", None], ids=["bad magic", "empty"])
def test_penalty_for_a_malformed_request(build, message):
    with broker_with(build) as broker:
        assert broker.ask(vectors.read(message) if message else b"").status == wire.MALFORMED
        reply = refused_at_once(broker)
        assert reply.status == wire.LIMIT and 0 < reply.retry_ms <= 1000
        assert_served(broker, OTHER, 0)
        time.sleep(reply.retry_ms / 1000 + 0.01)
        assert_served(broker, CLIENT)


@pytest.mark.parametrize("message", ["bad-queue", "bad-op", "bad-version", "request-export-id"])
def test_no_penalty_for_what_is_well_formed(build, message):
    """Another version, an unknown operation, a wrong value: an honest client's mistakes."""
    with broker_with(build) as broker:
        assert broker.ask(vectors.read(message)).status != wire.OK
        assert_served(broker, CLIENT)


def test_penalties_add_up_to_the_most(build):
    """Whoever goes on waits longer, up to --penalty-max; it is logged once."""
    limits = "--penalty-malformed=2", "--penalty-max=3"
    with broker_with(build, *limits) as broker:
        clients = [broker.connect() for _ in range(5)]
        for client in clients:  # all were admitted before the first fault
            assert client.ask(INFO).status == wire.OK
        for client in clients:
            assert client.ask(b"x").status == wire.MALFORMED
            client.close()
        assert 2000 < refused_at_once(broker).retry_ms <= 3000
        assert broker.log().count("has to wait") == 1


def test_root_is_not_punished(build):
    with broker_with(build) as broker:
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
