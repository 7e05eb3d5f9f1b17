# SPDX-License-Identifier: MIT
"""The one runner of all tests.

Test programs (built from tests/unit/test_*.c and tests/bpf/test_*.c, speaking
TAP) and Python tests are items of one pytest run; the last line it prints is
"N passed, N failed".  A result that a program did not report is a failure.

Paths come from the environment, which `tests/run/check.sh` sets:
    RSSB_BUILD        where the programs under test are   (default build)
    RSSB_QEMU         a QEMU >= 9.0                        (build/qemu/10.0/qemu-system-x86_64)
    RSSB_QEMU_OBJECT  the steering object it exports       (build/qemu/10.0/rss.bpf.o)
    RSSB_SOAK         set: the fault suite tries everything, not samples
    RSSB_TIME_FACTOR  how many times slower than this machine it is here (tests/lib/waiting.py)
All are made absolute, and are in the environment of every test program.
"""
import os
import random
import resource
import signal
import sys
from pathlib import Path

import pytest

_TESTS = Path(__file__).parent
sys.path[:0] = [str(_TESTS / "lib"), str(_TESTS / "bench")]
sys.dont_write_bytecode = True

import copied_tree  # noqa: E402  (found by the path above)
import programs  # noqa: E402
import waiting  # noqa: E402
from fixtures import directory, interposed, listener, memory_cgroup  # noqa: E402,F401
from paths import ROOT, TESTS  # noqa: E402

FDS = 16384
# make soak, make deb-check
ITEM_TIMEOUT_S = 7200 if any(map(os.environ.get, ("RSSB_SOAK", "RSSB_DEB_CHECK"))) else 1200

DEFAULTS = {
    "RSSB_BUILD": "build",
    "RSSB_QEMU": "build/qemu/10.0/qemu-system-x86_64",
    "RSSB_QEMU_OBJECT": "build/qemu/10.0/rss.bpf.o",
}


def pytest_configure(config):
    if os.geteuid() != 0:
        pytest.exit("the tests make taps and namespaces: please run them as root", returncode=1)
    os.chdir(ROOT)
    # Many a test keeps hundreds of sets, of five fds each: more than a login's 1024.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < FDS:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(FDS, hard), hard))
    if waiting.FACTOR != 1:
        waiting.scale_limits()
    for name, path in DEFAULTS.items():
        os.environ[name] = str((ROOT / os.environ.get(name, path)).absolute())


def pytest_collect_file(file_path, parent):
    if file_path.suffix == ".c" and file_path.name.startswith("test_"):
        return programs.ProgramFile.from_parent(parent, path=file_path)
    return None


def pytest_collection_modifyitems(items):
    """The quick and near ones first: what they find explains the rest.

    Files run two at a time, and that of the hosts is the longest: it must not be the last.
    """
    folders = ["lint", "unit", "mutants", "fuzz", "bpf", "abi", "integration", "hosts", "bench", "faults",
               "packages", "e2e"]

    def rank(item):
        folder = item.path.relative_to(TESTS).parts[0]
        return folders.index(folder) if folder in folders else len(folders)

    items.sort(key=rank)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item):
    """No test hangs the run: after a while it fails where it stands."""
    longer = item.get_closest_marker("limit")
    limit_s = int(longer.args[0] if longer else waiting.scaled(ITEM_TIMEOUT_S))

    def expire(_signal, _frame):
        raise TimeoutError(f"{item.nodeid} took more than {limit_s} s")

    signal.signal(signal.SIGALRM, expire)
    signal.alarm(limit_s)
    yield
    signal.alarm(0)


def pytest_unconfigure(config):
    """The last line, alone: what people and CI look at."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or config.option.collectonly:
        return

    def count(*outcomes):
        return sum(len(reporter.stats.get(outcome, [])) for outcome in outcomes)

    line = f"{count('passed')} passed, {count('failed', 'error', 'xpassed')} failed"
    skipped = count("skipped", "xfailed")
    print(line + (f", {skipped} skipped" if skipped else ""))


@pytest.fixture(scope="session")
def build():
    """The directory with the programs under test."""
    return Path(os.environ["RSSB_BUILD"])


@pytest.fixture(scope="session")
def qemu():
    """A QEMU >= 9.0."""
    return Path(os.environ["RSSB_QEMU"])


@pytest.fixture
def rng():
    """Another run every time; RSSB_SEED repeats one."""
    seed = int(os.environ.get("RSSB_SEED") or random.SystemRandom().getrandbits(32))
    print(f"RSSB_SEED={seed}")
    return random.Random(seed)


@pytest.fixture(scope="session")
def tree(tmp_path_factory):
    """The files of this tree, built elsewhere."""
    return copied_tree.copy(tmp_path_factory.mktemp("build") / "copy")


@pytest.fixture(scope="session")
def prefix(tree, tmp_path_factory):
    """What make install leaves behind, below its prefix."""
    return copied_tree.install(tree, tmp_path_factory.mktemp("destdir"))


@pytest.fixture(scope="session")
def destdir(request, tmp_path_factory):
    """What a package has in it: make install with the prefix /usr.

    An emulated host takes what make check-hosts installed before it booted: compilers are too slow there.
    """
    if os.environ.get("RSSB_HOST"):
        return ROOT / "build" / "hosts" / "installed"
    directory = tmp_path_factory.mktemp("package")
    tree = request.getfixturevalue("tree")
    copied_tree.make(tree, "-s", "install", f"DESTDIR={directory}", "PREFIX=/usr")
    return directory
