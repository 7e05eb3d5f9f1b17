# SPDX-License-Identifier: MIT
"""A plugin of pytest: leaves out what cannot run in an emulated host, and says why.

It also tells each failure at once: of a part that hangs pytest does not come to its report.

A line of tests/hosts/left_out.txt is a host (or *), a test's id or its beginning, and after ": " the
reason.  It must never leave out a test without a reason.
"""
import os
import re

from paths import TESTS

LINE = re.compile(r"(\S+) (\S+): (.+)")


def reasons(host):
    """[(the beginning of an id, why)]"""
    lines = (TESTS / "hosts" / "left_out.txt").read_text().splitlines()
    found = [LINE.fullmatch(line) for line in lines if line and not line.startswith("#")]
    assert all(found), "left_out.txt: a line is HOST TEST: REASON"
    return [(match[2], match[3]) for match in found if match[1] in ("*", host)]


def pytest_collection_modifyitems(config, items):
    known = reasons(os.environ["RSSB_HOST"])
    out = {item: why for item in items for start, why in known if item.nodeid.startswith(start)}
    items[:] = [item for item in items if item not in out]
    config.hook.pytest_deselected(items=list(out))
    for item, why in out.items():
        print(f"left out: {item.nodeid}: {why}")


def pytest_exception_interact(node, report):
    reporter = node.config.pluginmanager.get_plugin("terminalreporter")
    reporter.write_line(f"\nfailed: {node.nodeid}\n{report.longreprtext[-3000:]}")
