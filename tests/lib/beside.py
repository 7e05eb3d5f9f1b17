# SPDX-License-Identifier: MIT
"""Tests that run beside the others: those that have an emulator or a compiler at work.

RSSB_BESIDE names folders of tests/.  A second pytest runs what was chosen of them, at a low
priority, while this one runs the rest; its reports take their places here, in the order that there
always is.  A test without a report is a failure.
"""
import json
import os
import signal
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

from waiting import scaled, wait_for

NICENESS = 5
REPORTS = "RSSB_BESIDE_REPORTS"  # where the second pytest writes them: that it is the second one
NEVER_S = 10**6  # each test there has a limit of its own
END_S = 120  # for what it does after its last test


class Reporter:
    """In the second pytest: writes what it reports, a line each."""

    def __init__(self, config, path):
        self.config, self.file = config, open(path, "a", buffering=1)
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # SIGINT may be ignored

    def _write(self, kind, nodeid, what):
        self.file.write(json.dumps([kind, nodeid, what]) + "\n")

    def pytest_runtest_logreport(self, report):
        data = self.config.hook.pytest_report_to_serializable(config=self.config, report=report)
        self._write("report", report.nodeid, data)

    def pytest_warning_recorded(self, warning_message, nodeid):
        self._write("warning", nodeid, str(warning_message.message))

    def pytest_runtest_logfinish(self, nodeid):
        self._write("end", nodeid, None)


class Beside:
    """In the first pytest: starts the second, and takes its reports for its items."""

    def __init__(self, config, folders):
        self.config, self.folders = config, folders
        self.process = None
        self.left = 0  # items whose reports nobody has waited for yet
        self.unread = b""
        self.said = {}  # by node id: what came for it

    def is_ours(self, item):
        return item.path.relative_to(self.config.rootpath).parts[0] in self.folders

    def pytest_collection_finish(self, session):
        items = [item for item in session.items if self.is_ours(item)]
        if items and len(items) < len(session.items) and not self.config.option.collectonly:
            self._start([item.nodeid for item in items])

    def _start(self, nodeids):
        self.left = len(nodeids)
        self.directory = tempfile.TemporaryDirectory(prefix="rssb-beside.")
        directory = Path(self.directory.name)
        (directory / "reports").touch()
        self.reports = open(directory / "reports", "rb")
        self.output = directory / "output"
        with open(self.output, "wb") as output:
            self.process = subprocess.Popen(
                ["nice", "-n", str(NICENESS), sys.executable, "-B", "-m", "pytest", "-p", "no:cacheprovider", "-v", *nodeids],
                cwd=self.config.rootpath, env={**os.environ, REPORTS: str(directory / "reports")}, stdin=subprocess.DEVNULL,
                stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip

    def _read(self):
        self.unread += self.reports.read()
        *lines, self.unread = self.unread.split(b"\n")
        for line in lines:
            kind, nodeid, what = json.loads(line)
            self.said.setdefault(nodeid, []).append((kind, what))

    def _has_ended(self, nodeid):
        """Whether all of it has come, or nothing will."""
        alive = self.process.poll() is None
        self._read()
        return not alive or any(kind == "end" for kind, _ in self.said.get(nodeid, ()))

    def pytest_runtest_protocol(self, item):
        if not self.process or not self.is_ours(item):
            return None
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        wait_for(lambda: self._has_ended(item.nodeid), item.nodeid, NEVER_S)
        self.left -= 1
        said = self.said.pop(item.nodeid, [])
        for kind, what in said:
            if kind == "report":
                self._report(item, what)
            elif kind == "warning":
                self._warn(item, what)
        if not any(kind == "end" for kind, _ in said):
            self._fail(item)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True

    def _report(self, item, data):
        report = self.config.hook.pytest_report_from_serializable(config=self.config, data=data)
        if isinstance(report.longrepr, list):  # of one that is skipped: JSON has no tuples
            report.longrepr = tuple(report.longrepr)
        item.ihook.pytest_runtest_logreport(report=report)

    def _warn(self, item, text):
        message = warnings.WarningMessage(UserWarning(text), UserWarning, str(item.path), 0)
        item.ihook.pytest_warning_recorded.call_historic(
            kwargs={"warning_message": message, "when": "runtest", "nodeid": item.nodeid, "location": None}
        )

    def _fail(self, item):
        output = self.output.read_text(errors="replace")[-4000:]
        self._report(item, {
            "$report_type": "TestReport", "nodeid": item.nodeid, "location": item.location, "keywords": {},
            "outcome": "failed", "when": "call", "sections": [], "duration": 0,
            "longrepr": f"the pytest beside this one ended, and has no result: {self.process.returncode}\n{output}",
        })  # fmt: skip

    def pytest_sessionfinish(self):
        if not self.process:
            return
        if self.left:
            self.process.terminate()  # it ends what it has started
        try:
            self.process.wait(scaled(END_S))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.reports.close()
        self.directory.cleanup()


def configure(config):
    """Makes this pytest one of the two, if the environment says so."""
    path, folders = os.environ.pop(REPORTS, None), os.environ.pop("RSSB_BESIDE", None)
    if path:
        config.pluginmanager.register(Reporter(config, path))
    elif folders:
        config.pluginmanager.register(Beside(config, folders.split()))
