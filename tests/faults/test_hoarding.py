# SPDX-License-Identifier: MIT
"""What a client could keep: copies of objects, places of connections, accounts; and who pays."""
import resource

import pytest
import vectors
import wire
from broker import Broker
from interposed import LABELS

INFO = vectors.read("request-info")
EXPORT = vectors.read("request-export-abi")
STRANGER, OTHER, GROUP = 61700, 61001, 61800


def test_fault_19_exports_have_a_price(build):
    limits = "--tokens=41", "--token-rate=1"
    with Broker(build, *limits) as broker, broker.connect() as client:
        for _ in range(2):
            with client.ask(EXPORT) as reply:
                assert reply.status == wire.OK
        assert client.ask(EXPORT).status == wire.LIMIT


@pytest.mark.parametrize("name", ["bad-op", "bad-queue", "request-info"])
def test_fault_24_a_stranger_keeps_no_connection(build, name):
    """What is wrong with a request only those learn who may ask; the others have to go."""
    with Broker(build) as broker, broker.connect(STRANGER) as connection:
        assert connection.ask(vectors.read(name)).status == wire.DENIED
        assert connection.is_closed()


def test_fault_17_strangers_do_not_take_the_places_of_others(build):
    """A user with a range of subordinate uids is as many users as he likes."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
    with Broker(build, "--first-request-timeout=60000") as broker:
        strangers = [broker.connect(STRANGER + i // 16) for i in range(640)]
        assert broker.ask(INFO).status == wire.OK
        refused = strangers[-1].receive()
        assert (refused.status, refused.op) == (wire.DENIED, wire.REPLY)
        for stranger in strangers:
            stranger.close()


def test_fault_17_a_thousand_uids_in_debt_keep_nobody_out(build):
    with Broker(build, "--token-rate=1") as broker:
        for i in range(1100):
            assert broker.ask(b"x", 70000 + i).status == wire.MALFORMED
        assert broker.ask(INFO).status == wire.OK


def test_fault_21_a_thousand_uids_that_kept_a_set_keep_nobody_out(build):
    """Each is charged for what it may have kept: that is no reason to have no place for others."""
    with Broker(build, "--allow-group", str(GROUP), "--memory=1024") as broker:
        for uid in range(70000, 74800):
            with wire.as_user(uid, GROUP):
                reply = wire.ask(broker.socket, EXPORT)
            assert reply.status == wire.OK, reply.reason
            reply.close()
        assert broker.ask(INFO).status == wire.OK


def test_fault_41_a_label_writes_nothing_into_the_log(build, interposed):
    """Who may choose its own label, in a policy of its own, chooses any bytes."""
    evil = LABELS.replace("vm:c%u", "a\\n<3>rss-broker: \\x1b[2J\\\"%u")
    assert evil != LABELS
    with Broker(build, env=interposed(evil)) as broker:
        assert broker.ask(b"x").status == wire.MALFORMED
        log = broker.log()
        assert "label=a?<3>rss-broker:??[2J?65534 " in log
        assert not any(line.startswith("<3>") for line in log.splitlines())
