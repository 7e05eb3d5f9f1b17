# SPDX-License-Identifier: MIT
"""A QEMU that is started and never runs, and all that can be asked of it.

`describe` returns what two QEMUs have in common if they are the same machine:
every PCI function, every block device, the tree of all devices, and every
property of each device of the command line and of the objects in it.
"""
import json
import re
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from waiting import scaled

# The very thing that rssb run adds.
SKIPPED_PROPERTIES = {"ebpf-rss-fds"}

# Names that QEMU makes up, with a random part.
MADE_UP = re.compile(r"(?<=#block)\d+|(?<=#net)\d+|(?<=/var/tmp/vl\.)\w+")


class Qmp:
    def __init__(self, path):
        self._sock = socket.socket(socket.AF_UNIX)
        self._sock.settimeout(60)
        self._sock.connect(str(path))
        self._lines = self._sock.makefile("rb")
        # An event of the client before this one's may come first.
        while "QMP" not in json.loads(self._lines.readline()):
            pass
        self.execute("qmp_capabilities")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._lines.close()
        self._sock.close()

    def request(self, command, **arguments):
        line = json.dumps({"execute": command, "arguments": arguments})
        self._sock.sendall(line.encode() + b"\n")
        while True:
            answer = json.loads(self._lines.readline())
            if "event" not in answer:
                return answer

    def execute(self, command, **arguments):
        answer = self.request(command, **arguments)
        if "error" in answer:
            raise RuntimeError(f"{command} {arguments}: {answer['error']['desc']}")
        return answer["return"]


def objects(qmp, path):
    """{path.property: value}, children included; an unreadable value is its error."""
    found = {}
    for item in qmp.execute("qom-list", path=path):
        name, kind = item["name"], item["type"]
        if kind.startswith("child<"):
            found[f"{path}/{name}"] = kind
            found.update(objects(qmp, f"{path}/{name}"))
        elif name not in SKIPPED_PROPERTIES:
            answer = qmp.request("qom-get", path=path, property=name)
            found[f"{path}.{name}"] = answer.get("return", answer.get("error", {}).get("desc"))
    return found


def describe(qmp):
    tree = qmp.execute("human-monitor-command", **{"command-line": "info qtree"})
    described = {
        "pci": qmp.execute("query-pci"),
        "block": qmp.execute("query-block"),
        "tree": [line for line in tree.splitlines() if "ebpf-rss-fds" not in line],
        "devices": objects(qmp, "/machine/peripheral"),
        "nameless devices": objects(qmp, "/machine/peripheral-anon"),
        "other devices": qmp.execute("qom-list", path="/machine/unattached"),
    }
    return json.loads(MADE_UP.sub("", json.dumps(described)))


def look(command):
    """Starts command, QEMU with its arguments; returns its description and its stderr."""
    with tempfile.TemporaryDirectory(prefix="rssb-qmp.") as directory:
        monitor = Path(directory, "qmp")
        command = [*map(str, command), "-S", "-display", "none", "-qmp"]
        with tempfile.TemporaryFile("w+") as errors, subprocess.Popen(
            [*command, f"unix:{monitor},server=on"], stdin=subprocess.DEVNULL, stderr=errors
        ) as qemu:
            try:
                with connect(monitor, qemu) as qmp:
                    described = describe(qmp)
            except (OSError, RuntimeError) as error:
                errors.seek(0)
                raise AssertionError(f"{command}: {errors.read()}") from error
            finally:
                qemu.kill()
            errors.seek(0)
            return described, [line for line in errors if str(monitor) not in line]


def connect(path, qemu, timeout_s=60):
    """QEMU waits for this connection before it makes its machine, and answers after that."""
    deadline = time.monotonic() + scaled(timeout_s)
    while time.monotonic() < deadline:
        try:
            return Qmp(path)
        except (FileNotFoundError, ConnectionRefusedError):
            if qemu.poll() is not None:
                raise RuntimeError(f"QEMU ended with status {qemu.returncode}") from None
            time.sleep(0.005)
    raise RuntimeError("QEMU does not answer")
