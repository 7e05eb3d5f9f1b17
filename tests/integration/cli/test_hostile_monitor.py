# SPDX-License-Identifier: MIT
"""rssb, maybe as root, at the monitor of a QEMU that its guest has taken over."""
import contextlib
import json
import os
import socket
import subprocess
import threading

import pytest

GREETING = b'{"QMP": {"version": {"qemu": {"micro": 0, "minor": 0, "major": 10}}, "capabilities": []}}\r\n'


class Hostile:
    """A monitor that lets its client in, and answers everything else as it is told to."""

    def __init__(self, path, answer):
        self.path, self.answer = path, answer
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        with contextlib.suppress(OSError):
            connection, _ = self.listener.accept()
            connection.sendall(GREETING)
            for line in connection.makefile("rb"):
                allowed = json.loads(line)["execute"] == "qmp_capabilities"
                for part in [b'{"return": {}}\n'] if allowed else self.answer():
                    connection.sendall(part)

    def __enter__(self):
        return self.path

    def __exit__(self, *_):
        self.listener.close()


class Result:
    """What a command wrote to stderr, how it ended, and the most memory it had, in KiB."""

    def __init__(self, build, *args):
        child = subprocess.Popen([build / "rssb", *args], stdout=subprocess.DEVNULL,
                                 stderr=subprocess.PIPE, text=True)  # fmt: skip
        self.stderr = child.stderr.read()
        child.stderr.close()
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = self.status = os.waitstatus_to_exitcode(status)
        self.memory_kib = usage.ru_maxrss


def escapes():
    desc = "\x1b]0;owned\x07\x9b2J\nrssb: hotplug: all is well"
    yield json.dumps({"error": {"class": "GenericError", "desc": desc}}).encode() + b"\n"


def endless():
    yield b'{"return": "'
    while True:
        yield b"a" * 65536


def hotplug(build, path):
    return Result(build, "--socket", path.parent / "none", "hotplug", "--qmp", path, "--netdev", "n0",
                "--tap", "tap0", "--queues", "2")  # fmt: skip


def test_what_it_says_stays_in_a_line(build, tmp_path):
    with Hostile(tmp_path / "qmp", escapes) as path:
        result = hotplug(build, path)
    assert result.status == 1 and "all is well" in result.stderr
    assert result.stderr.count("\n") == 1
    assert not any(c != "\n" and (ord(c) < 32 or 127 <= ord(c) < 160) for c in result.stderr)


def doctor(build, path):
    return Result(build, "--socket", path.parent / "none", "doctor", "--qmp", path)


@pytest.mark.parametrize("ask", [hotplug, doctor])
def test_an_answer_without_an_end_is_cut(build, tmp_path, ask):
    """Neither memory nor the ten seconds that an answer may take are used up."""
    with Hostile(tmp_path / "qmp", endless) as path:
        result = ask(build, path)
    assert result.status == 1
    assert "does not answer" not in result.stderr
    assert result.memory_kib < 200 << 10


# A clock that moves by a second whenever it is read, and only then.
STEPPING_CLOCK = """
#include <time.h>
int clock_gettime(clockid_t clock, struct timespec *ret)
{
	static time_t now;
	*ret = (struct timespec){ .tv_sec = ++now };
	return 0;
}
"""


def test_a_monitor_with_more_to_tell_is_left(build, tmp_path, interposed):
    """Each answer is in time; all 300 devices would take five minutes of that clock."""
    devices = [{"name": "net", "type": "child<virtio-net-pci>"}] * 100
    environment = interposed(STEPPING_CLOCK)
    command = [build / "rssb", "--socket", tmp_path / "none", "doctor", "--qmp"]
    with Hostile(tmp_path / "qmp", lambda: [json.dumps({"return": devices}).encode() + b"\n"]) as path:
        done = subprocess.run([*command, path], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "has more to tell after 60 s; nothing after that is judged" in done.stdout


def unplug(build, path):
    return Result(build, "--socket", path.parent / "none", "unplug", "--qmp", path, "--id", "net0")


@pytest.mark.parametrize("ask", [hotplug, unplug])
@pytest.mark.parametrize("value", [{}, None, 5, "text", True])
def test_an_answer_of_another_type_is_refused(build, tmp_path, ask, value):
    """json-c ends the process that counts the elements of what is no array."""
    with Hostile(tmp_path / "qmp", lambda: [json.dumps({"return": value}).encode() + b"\n"]) as path:
        result = ask(build, path)
    assert (result.status, result.stderr) == (1, f"rssb: {ask.__name__}: qom-list: QEMU's answer is no list\n")


COMMANDS = ["query-version", "request-ebpf", "qom-list", "qom-get"]


class Leaving(Hostile):
    """A monitor that has one NIC with rss on, and hangs up when it is asked one command."""

    def __init__(self, path, at):
        super().__init__(path, None)
        self.at = at

    def _serve(self):
        with contextlib.suppress(OSError):
            connection, _ = self.listener.accept()
            connection.sendall(GREETING)
            for line in connection.makefile("rb"):
                asked = json.loads(line)
                if asked["execute"] == self.at:
                    connection.shutdown(socket.SHUT_RDWR)
                    return
                connection.sendall(json.dumps(self.reply(asked)).encode() + b"\n")

    @staticmethod
    def reply(asked):
        if asked["execute"] == "query-version":
            return {"return": {"qemu": {"major": 10, "minor": 0}}}
        if asked["execute"] != "qom-list":
            return {"return": {}}
        names = {"/machine/peripheral": [{"name": "net0", "type": "child<virtio-net-pci>"}]}
        return {"return": names.get(asked["arguments"]["path"], [{"name": "rss", "type": "bool"}])}


@pytest.mark.parametrize("at", COMMANDS)
def test_a_monitor_that_goes_away_is_not_judged(build, tmp_path, at):
    """It is said at which command; that rss is off, or anything else, is not."""
    command = [build / "rssb", "--socket", tmp_path / "none", "doctor", "--json", "--qmp"]
    with Leaving(tmp_path / "qmp", at) as path:
        done = subprocess.run([*command, path], capture_output=True, text=True, timeout=120, check=False)
    found = {row["check"]: row for row in json.loads(done.stdout)}
    assert found["vm"]["verdict"] == "problem"
    assert f"failed at {at}: it hung up; nothing after that is judged" in found["vm"]["text"]
    others = [name for name in found if name.startswith("vm-")]
    assert len(others) == 5
    assert {found[name]["verdict"] for name in others} == {"not applicable"}


def test_doctor_asks_what_is_harmless(build, tmp_path):
    """Of a VM that somebody runs nothing but what is listed, and no property but three."""
    asked = []

    class Listening(Leaving):
        @staticmethod
        def reply(asked_now):
            asked.append(asked_now)
            return Leaving.reply(asked_now)

    with Listening(tmp_path / "qmp", None) as path:
        doctor(build, path)
    assert {request["execute"] for request in asked} == {"qmp_capabilities", *COMMANDS}
    properties = {r["arguments"]["property"] for r in asked if r["execute"] == "qom-get"}
    assert properties == {"rss"}
