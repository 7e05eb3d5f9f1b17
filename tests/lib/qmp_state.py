# SPDX-License-Identifier: MIT
"""What a running QEMU is, to be compared before and after somebody asked it.

It asks nothing but qom-list and query-status.
"""
import json
import socket
import struct
from pathlib import Path


class Monitor:
    """A QMP client: what it is told first, and events, are passed over."""

    def __init__(self, path):
        self._sock = socket.socket(socket.AF_UNIX)
        self._sock.settimeout(60)
        self._sock.connect(str(path))
        self._lines = self._sock.makefile("rb")
        while "QMP" not in json.loads(self._lines.readline()):
            pass
        self.execute("qmp_capabilities")

    def execute(self, command, **arguments):
        request = {"execute": command, "arguments": arguments}
        self._sock.sendall(json.dumps(request).encode() + b"\n")
        while "event" in (reply := json.loads(self._lines.readline())):
            pass
        return reply["return"]

    def pid(self):
        return struct.unpack("iII", self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]

    def tree(self, path="/machine"):
        """{path: {name of a property: its type}} of an object and all that it contains."""
        listed = {row["name"]: row["type"] for row in self.execute("qom-list", path=path)}
        tree = {path: listed}
        for name, kind in listed.items():
            if kind.startswith("child<"):
                tree.update(self.tree(f"{path}/{name}"))
        return tree

    def close(self):
        self._lines.close()
        self._sock.close()


def of(path):
    """The objects, the state, and when the process was started."""
    monitor = Monitor(path)
    pid = monitor.pid()
    state = {
        "objects": monitor.tree(),
        "status": monitor.execute("query-status"),
        "process": (pid, Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]),
    }
    monitor.close()
    return state
