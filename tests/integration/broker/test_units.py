# SPDX-License-Identifier: MIT
"""The systemd units as `make install` leaves them, judged by systemd's own tools.

No systemd runs here: tests/e2e/test_systemd.py boots one.
"""
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import help_text
import pytest
import unit_file
import vectors
import wire
from broker import UID, Broker

UNITS = "usr/lib/systemd/system"
# Of the host: what units get by default dependencies.
STANDARD = "basic.target multi-user.target shutdown.target sockets.target sysinit.target".split()


def tool(*command):
    """A tool of systemd's; returns status and what it said."""
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def root(destdir, tmp_path_factory):
    """A system with these units in it, and those of systemd that every system has."""
    root = tmp_path_factory.mktemp("units") / "root"
    shutil.copytree(destdir, root, symlinks=True)
    (root / "run").mkdir()
    for name in STANDARD:
        shutil.copy(Path("/usr/lib/systemd/system", name), root / UNITS)
    # A template is judged by an instance of it.
    shutil.copy(root / UNITS / "rssb-qmp@.service", root / UNITS / "rssb-qmp@1.service")
    shutil.copy(root / UNITS / "rssb-balance@.service", root / UNITS / "rssb-balance@1.service")
    return root


@pytest.fixture(scope="module")
def service(root):
    return unit_file.read(root / UNITS / "rss-broker.service")


@pytest.fixture(scope="module")
def sockets(root):
    names = "rss-broker.socket", "rssb-qmp.socket"
    return [unit_file.read(root / UNITS / name) for name in names]


# --- systemd's own judgement -------------------------------------------------------


@pytest.mark.parametrize("unit, at_most", [("rss-broker", 0.6), ("rssb-qmp@1", 0.3), ("rssb-balance@1", 1.2)])
def test_exposure(root, unit, at_most):
    """systemd-analyze counts in tenths; it must also have understood the unit."""
    path = root / UNITS / f"{unit}.service"
    judge = ["systemd-analyze", "security", "--no-pager", "--offline=true", f"--root={root}"]
    status, report = tool(*judge, f"--threshold={round(10 * at_most)}", path)
    exposure = re.search(r"Overall exposure level for .*: ([\d.]+)", report)
    assert exposure, report
    assert float(exposure[1]) <= at_most
    assert status == 0, report
    assert "Unknown" not in report


def verify(root, *units):
    return tool("systemd-analyze", "verify", "--man=no", f"--root={root}", *units)


def test_units_are_clean(root):
    """Not a word of complaint, and what is executed is there."""
    units = sorted(path.name for path in (root / UNITS).glob("rss*") if "@." not in path.name)
    assert len(units) == 5
    assert verify(root, *units) == (0, "")


def test_a_wrong_unit_is_found(root):
    """The judge is awake."""
    text = (root / UNITS / "rss-broker.service").read_text()
    (root / UNITS / "wrong.service").write_text(text.replace("[Install]", "Nonsense=1\n[Install]"))
    status, words = verify(root, "wrong.service")
    assert "Nonsense" in words
    (root / UNITS / "wrong.service").write_text(text.replace("/rss-broker ", "/no-broker ", 1))
    status, words = verify(root, "wrong.service")
    assert status != 0 and "no-broker is not executable" in words


def test_pages_of_the_units_are_installed(root):
    for path in (root / UNITS).glob("rss*"):
        (page,) = unit_file.read(path)["Unit", "Documentation"]
        name, section = re.fullmatch(r"man:([\w-]+)\((\d)\)", page).groups()
        assert (root / f"usr/share/man/man{section}/{name}.{section}").exists()


# --- what the units promise ----------------------------------------------------------


def test_service_settings(service):
    one = {key: values[0] for (section, key), values in service.items() if section == "Service"}
    assert one["Type"] == "notify" and one["NotifyAccess"] == "main"
    assert one["WatchdogSec"] == "2min"  # generous: who is stopped for a while is not hung
    assert int(one["LimitNOFILE"]) >= 16384
    assert one["MemoryMax"] == "256M"
    assert (one["CPUQuota"], one["CPUQuotaPeriodSec"]) == ("100%", "10ms")  # nothing else limits its CPU
    assert one["Restart"] == "always"
    assert one["AmbientCapabilities"] == one["CapabilityBoundingSet"] == "CAP_BPF CAP_PERFMON"
    assert "PrivateUsers" not in one  # every client would be uid 65534


def test_a_flood_kills_no_socket(sockets):
    for unit in sockets:
        assert unit["Socket", "TriggerLimitIntervalSec"] == ["0"]
        assert unit["Socket", "SocketMode"] == ["0660"]
        assert unit["Socket", "SocketGroup"] == ["rss-broker"]


def test_the_socket_is_where_clients_look(sockets, root, build):
    (listens,) = sockets[0]["Socket", "ListenSequentialPacket"]
    assert f"({listens})" in help_text.read(build, "rss-broker")
    assert f"d {os.path.dirname(listens)} 0755 root root" in (
        root / "usr/lib/tmpfiles.d/rss-broker.conf"
    ).read_text()


def test_options_exist(root, build):
    """Each option that a unit gives is one that its program knows."""
    for path in (root / UNITS).glob("rss*.service"):
        (line,) = unit_file.read(path)["Service", "ExecStart"]
        program, *words = line.split()
        command = [word for word in words[:1] if not word.startswith("-")]
        known = help_text.long_options(help_text.read(build, Path(program).name, *command))
        given = {word for word in words if word.startswith("--")}
        assert given and given <= known


def test_system_call_filter_allows_a_start(root, service, tmp_path):
    """As the unit starts it: another uid, ambient capabilities, no_new_privs."""
    caps = "-all,+bpf,+perfmon"
    setpriv = ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups", "--no-new-privs",
               f"--inh-caps={caps}", f"--ambient-caps={caps}", f"--bounding-set={caps}"]  # fmt: skip
    strace = ["strace", "-f", "-qq", "-o", tmp_path / "trace"]
    broker = Broker(root / "usr/sbin", "--objects", "/etc", prefix=[*strace, *setpriv],
                    user=None)  # fmt: skip
    os.chown(broker.dir, UID, UID)
    with broker:
        with wire.ask(broker.socket, vectors.read("request-acquire-handoff")) as reply:
            assert reply.status == wire.OK
        os.kill(broker.front.children()[0].pid, signal.SIGTERM)  # the front is strace's child
        broker.process.wait(60)
    trace = (tmp_path / "trace").read_text()
    started = trace.index(f'execve("{broker.program}"')
    called = set(re.findall(r"^\d+ +(\w+)\(", trace[started:], re.MULTILINE))
    assert {"bpf", "capset", "seccomp", "listen"} <= called  # the trace was understood
    assert called - unit_file.allowed_syscalls(service) == set()
    assert "openat2" not in called  # RestrictSUIDSGID= answers ENOSYS


def test_system_call_filter_is_narrow(service):
    allowed = unit_file.allowed_syscalls(service)
    forbidden = "setuid chown mount ptrace init_module keyctl reboot perf_event_open".split()
    assert allowed & set(forbidden) == set()


# --- users and directories -------------------------------------------------------------


def test_sysusers_makes_the_user(root):
    status, words = tool("systemd-sysusers", f"--root={root}", "rss-broker.conf")
    assert status == 0, words
    (user,) = (root / "etc/passwd").read_text().splitlines()
    assert re.fullmatch(r"rss-broker:x:\d+:\d+:.*:/nonexistent:/usr/sbin/nologin", user)
    assert re.search(r"^rss-broker:", (root / "etc/group").read_text(), re.MULTILINE)


def test_tmpfiles_makes_the_directory(root):
    status, words = tool("systemd-tmpfiles", f"--root={root}", "--create", "rss-broker.conf")
    assert (status, words) == (0, "")
    directory = (root / "run/rss-broker").stat()
    assert (directory.st_uid, directory.st_gid, directory.st_mode & 0o7777) == (0, 0, 0o755)
