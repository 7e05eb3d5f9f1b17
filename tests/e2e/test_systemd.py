# SPDX-License-Identifier: MIT
"""The units under a real systemd, and the AppArmor profile in a kernel that enforces it.

A guest with the host's systemd boots once; what it was asked is tests/guest/systemd/check.
"""
import re

import pytest
import systemd_guest

pytestmark = pytest.mark.limit(systemd_guest.BOOT_TIMEOUT_S + 60)


@pytest.fixture(scope="module")
def system(qemu, destdir, tmp_path_factory):
    """{question: answer}, each a list of lines."""
    answers, console = systemd_guest.boot(qemu, tmp_path_factory.mktemp("systemd"), destdir)
    assert "end" in answers, f"{answers}\n{console[-4000:]}"
    return answers


def test_the_first_client_starts_the_service(system):
    before = [line for line in system["before"] if line]
    assert before == ["ActiveState=inactive", "ActiveState=active"]  # service, socket
    assert "object       rss  qemu-rss-1 " in " ".join(system["alice"])


def test_who_is_not_of_the_group_is_refused(system):
    (said,) = system["bob"]
    assert said.startswith("rssb: info: /run/rss-broker/rss-broker.sock is not for this user; ")
    assert "usermod -aG rss-broker" in said


def test_the_service_is_as_the_unit_says(system):
    wanted = {"ActiveState=active", "SubState=running", "Type=notify", "NRestarts=0",
              "MemoryMax=268435456", "LimitNOFILE=16384"}  # fmt: skip
    assert wanted <= set(system["service"])


def test_processes_are_confined(system):
    """The loader alone has capabilities, and all are under the profile."""
    caps = {}
    for line in system["processes"]:
        name, uid, cap, seccomp, label = re.fullmatch(
            r"(\S+) Uid: (\d+) .*CapEff: (\w+) Seccomp: (\d) +(.*)", line
        ).groups()
        assert (seccomp, label) == ("2", "rss-broker (enforce)") and uid not in ("0", "65534")
        caps[name] = int(cap, 16)
    # Linux 6.1 cannot refuse fds: there is a closer.
    assert caps == {"rss-broker": 0, "rss-loader": 1 << 38 | 1 << 39, "rss-closer": 0}


def test_a_client_gets_a_set(system):
    (fds,) = system["grant"]
    assert re.fullmatch(r"program=\d+,config=\d+,key=\d+,table=\d+,lease=\d+", fds)


def test_the_qmp_units_answer(system):
    answers = "".join(system["qmp"])
    assert answers.startswith('{"QMP": ') and '{"return": {"object": "f0VMRg' in answers


def test_the_template_balances_a_label(system):
    """A user's grant, as root without a capability."""
    grant, first, *state, process = [line for line in system["balance"] if line]
    assert re.fullmatch(r"grant \d+ web", grant)
    assert re.fullmatch(r"round 1: 0 packets in .*; nothing to balance", first)
    assert set(state) == {"ActiveState=active", "SubState=running", "NRestarts=0"}
    assert re.fullmatch(r"Uid: 0 0 0 0 CapEff: 0{16} NoNewPrivs: 1 Seccomp: 2 *", process)


def test_crashes_in_a_row_end_neither_service_nor_socket(system):
    """More than systemd's start limit allows by default."""
    assert [line for line in system["crashes"] if line] == ["served"] * 8 + ["ActiveState=active"]


def test_a_restart_refuses_nobody(system):
    assert system["restart"] == ["served"]


def test_a_front_that_was_stopped_goes_on(system):
    assert system["stopped"] == ["served", "the same"]


def test_a_front_that_hangs_is_ended_by_the_watchdog(system):
    assert system["watchdog"] == ["served", "another"]


def test_memory_limit_is_seen_from_inside(system):
    """The sandbox and the profile leave the cgroup's files readable."""
    wanted = "memory: new grants are refused above 75 % of 268435456 bytes, the limit of its control group"
    assert f"rss-broker: {wanted}" in system["log"]


def test_the_profile_denies_nothing_that_is_needed(system):
    """To the broker, and to a client with the abstraction for clients."""
    assert system["confined client"] == system["alice"]
    assert system["denials"] == [], "\n".join(system["denials"])


def test_the_profile_is_enforced(system):
    """The very directory that root may read otherwise."""
    refusal, denial = system["outside"]
    assert refusal == "rss-broker: object directory /tmp: /tmp cannot be opened: Permission denied"
    assert 'profile="rss-broker" name="/tmp/"' in denial
