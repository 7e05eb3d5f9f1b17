# SPDX-License-Identifier: MIT
"""What rssb says when it may not, cannot or should not: advice that helps this very user."""
import os
import socket

import pytest

from command import refused
from world import DAEMON, NOBODY, Broker, World

ALICE = 12345


def as_user(uid, group=None):
    groups = f"--groups={group}" if group else "--clear-groups"
    return ["setpriv", f"--reuid={uid}", f"--regid={uid}", groups]


@pytest.fixture(scope="module")
def ask(world, build):
    """rssb info at a socket, as a user."""

    def run(path, uid):
        rssb = [world.inside(build) / "rssb", "--socket", path, "info"]
        return world.run([*as_user(uid), *rssb], check=False)

    return run


# --- who may not ---------------------------------------------------------------------------


@pytest.fixture
def sock(world):
    path = world.dir / "roots"
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as other:
        other.bind(str(path))
        other.listen()
        yield path
    path.unlink()


@pytest.mark.parametrize("mode, gid, uid, advice", [
    (0o660, DAEMON, ALICE, "usermod -aG daemon USER, then log in again"),
    (0o600, DAEMON, ALICE, "its mode is 0600 and its owner uid 0: start rss-broker with --allow-user"),
    (0o660, 0, ALICE, "its mode is 0660 and its owner uid 0"),
    (0o660, DAEMON, NOBODY, "users of any user namespace may have uid 65534; rss-broker --allow-user 65534 lets them in"),
])  # fmt: skip
def test_a_socket_of_others(ask, sock, mode, gid, uid, advice):
    os.chmod(sock, mode)
    os.chown(sock, 0, gid)
    refused(ask(sock, uid), f"/roots is not for this user; {advice}", 1)


def test_a_directory_of_others(ask, world):
    closed = world.directory("closed", owner=0)
    closed.chmod(0o700)
    said = f"{closed}/sock is not for this user; this user may not enter the directory of {closed}/sock"
    refused(ask(closed / "sock", ALICE), said, 1)


def test_a_broker_that_names_whom_it_serves(ask, broker):
    """To join the group would not help."""
    refused(ask(broker.socket, ALICE), "uid 12345 is not allowed here: rss-broker serves only the users and "
            "groups that its --allow-user and --allow-group name", 1)  # fmt: skip


def test_uid_65534_is_not_let_in_by_a_group(build):
    with World() as world:
        broker = Broker(world, build, "--allow-group", "daemon", allow=DAEMON)
        rssb = [world.inside(build) / "rssb", "--socket", broker.socket, "info"]
        done = world.run([*as_user(NOBODY, DAEMON), *rssb], check=False)
        refused(done, "uid 65534 is not allowed here: users of any user namespace may have it; "
                "rss-broker --allow-user 65534 lets them in", 1)  # fmt: skip
        assert world.run([*as_user(ALICE, DAEMON), *rssb], check=False).returncode == 0


# --- grants and labels ----------------------------------------------------------------------


@pytest.mark.parametrize("label", ["42", "0123456789012345"])
def test_a_label_of_digits_is_not_made(rssb, reader, label):
    """It would name a grant by its id, and could never be used."""
    refused(rssb("attach", "tap0", "equal 2", "--label", label), f"--label {label}: must be 1-16 of", 2)


def test_a_grant_that_is_gone(rssb):
    done = rssb("release", "999999")
    refused(done, "999999: no such grant, or not yours (rssb status lists yours; a restart of the "
            "broker ends all)", 1)  # fmt: skip


# --- interfaces -----------------------------------------------------------------------------


def test_a_name_that_no_interface_can_have(rssb):
    refused(rssb("attach", "vnet-of-machine17", "equal 2"),
            "vnet-of-machine17: a name of 17 characters; an interface's has at most 15", 1)  # fmt: skip
