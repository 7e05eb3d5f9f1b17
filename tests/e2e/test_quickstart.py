# SPDX-License-Identifier: MIT
"""docs/quickstart.md, done: its tap, its VM, its questions, its libvirt domain, its output.

Installing packages and changing groups is tests/packages/test_deb.py's.  Numbers differ from run to
run, so output is compared without them; what the numbers must be is said here.
"""
import contextlib
import os
import re
import subprocess
import threading

import documents
import libvirt as virt
from paths import ROOT
import pytest
from waiting import wait_for
from world import NOBODY, Broker, World

PAGE = ROOT / "docs" / "quickstart.md"
BLOCKS = documents.blocks(PAGE)
PROMPT = "guest# "
QUEUES = "N packets/s: N N N N"
BOOT_TIMEOUT_S = 220


def block_with(pattern):
    (found,) = [block for block in BLOCKS if re.search(pattern, block, re.MULTILINE)]
    return found


def command(pattern):
    """The one command of the page that begins so."""
    found = [c for block in BLOCKS for c in documents.commands(block) if re.match(pattern, c)]
    assert len(found) == 1, found
    return found[0]


def output_after(command_line):
    """The lines that the page shows below a command, up to the next one."""
    lines = block_with(re.escape(f"$ {command_line}")).splitlines()
    lines = lines[lines.index(f"$ {command_line}") + 1 :]
    end = next((i for i, line in enumerate(lines) if line.startswith("$ ")), len(lines))
    return lines[:end]


def shape(line):
    """A line without its numbers and names of people."""
    return re.sub(r"\d+(\.\d+)?k?|alice|nobody", "N", line)


def rate(text):
    return float(text.rstrip("k")) * (1000 if text.endswith("k") else 1)


def assert_shown(wanted, seen):
    """Every line of the page came, in that order; "..." stands for any others."""
    rest = iter(map(shape, seen))
    for line in wanted:
        assert line == "..." or shape(line) in rest, f"{line}\nin:\n" + "\n".join(seen)


@pytest.fixture(scope="module")
def world():
    with World() as world:
        world.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run"])
        yield world


@pytest.fixture(scope="module")
def broker(world, build):
    return Broker(world, build).at_default_path(world)


@pytest.fixture(scope="module")
def shell(world, broker, build, qemu):
    """Starts a command line of the page in alice's clone; she is nobody here."""
    clone = world.directory("clone")
    (clone / "build").mkdir()
    (clone / "build/guest").symlink_to(world.inside(ROOT / "build/guest"))
    path = f"{world.inside(build)}:{world.inside(qemu).parent}:{os.environ['PATH']}"

    def start(line, unprivileged=True):
        line = line.removeprefix("sudo ").replace("user alice", f"user {NOBODY}")
        # An emulated vCPU that has a thread of its own may hang (tests/lib/guest.py).
        line = line.replace("-nographic", "-nographic -accel tcg,thread=single")
        return world.start(
            ["bash", "-c", f"cd {clone} && {line}"], unprivileged=unprivileged, text=True,
            env={**os.environ, "PATH": path}, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )  # fmt: skip

    return start


@pytest.fixture(scope="module")
def ask(shell):
    """Runs one to its end; returns its output's lines."""

    def run(line, **kwargs):
        process = shell(line, **kwargs)
        said, _ = process.communicate(timeout=60)
        assert process.returncode == 0, f"{line}\n{said}"
        return said.splitlines()

    return run


@pytest.fixture(scope="module")
def tap(ask):
    for line in documents.commands(block_with("^sudo ip tuntap")):
        ask(line, unprivileged=False)


class Console:
    """A QEMU whose serial console is its stdin and stdout."""

    def __init__(self, process):
        self.process, self.text = process, ""
        threading.Thread(target=self._read, daemon=True).start()
        self._prompts(1)

    def _read(self):
        for char in iter(lambda: self.process.stdout.read(1), ""):
            self.text += char

    def _prompts(self, n):
        wait_for(lambda: self.text.count(PROMPT) >= n or self.process.poll() is not None,
                 f"prompt {n} in {self.text}", BOOT_TIMEOUT_S)  # fmt: skip
        assert self.process.poll() is None, self.text

    def type(self, line):
        """Returns what the guest answers."""
        before = self.text.count(PROMPT)
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        self._prompts(before + 1)
        return re.sub(r"\x1b\[\d*\w", "", self.text.split(PROMPT)[before]).splitlines()


@pytest.fixture(scope="module")
def vm(shell, tap):
    console = Console(shell(command("rssb run --stats")))
    try:
        yield console
    finally:
        console.process.kill()
        console.process.wait()


@pytest.fixture(scope="module")
def configured(vm):
    """What the guest answered last: ethtool -x."""
    for line in block_with("^guest# ").splitlines():
        if line.startswith(PROMPT):
            answer = vm.type(line.removeprefix(PROMPT))
    return answer


@pytest.fixture(scope="module")
def grant(vm):
    return re.search(r"^rssb: run: virtio-net-pci: grant (\d+)", vm.text, re.MULTILINE)[1]


def test_the_guest_has_rss(vm, configured):
    page = block_with("^guest# ").splitlines()
    assert_shown(page[page.index(f"{PROMPT}ethtool -x eth0") + 1 :], configured)
    assert "Unable to load eBPF program" not in vm.text


def test_the_host_sees_it(ask, configured, grant):
    top = command("rssb top --count 2")
    flows = block_with("/dev/udp/").splitlines()[0].removeprefix("$ ").rstrip("& ")
    seen = ask(f"while :; do {flows}; done & {re.sub(r'[0-9]{6,}', grant, top)}; kill $!")
    # ARP, which is there or not, goes to the default queue.
    assert [shape(line).split(";")[0] for line in (*seen, *output_after(top))] == [QUEUES] * 4
    for line in seen:
        queues = list(map(rate, re.split("[:;]", line)[1].split()))
        assert min(queues) > 0 and max(queues) < 3 * min(queues), line
    assert_shown(output_after("rssb status"), ask("rssb status"))


def test_the_doctor_agrees(world, ask, configured, qemu):
    for pattern in ("rssb doctor --qmp", "rssb doctor --qemu"):
        line = command(pattern)
        seen = ask(line.replace("/usr/bin/qemu-system-x86_64", str(world.inside(qemu))))
        assert_shown(output_after(line), seen)
        assert not [finding for finding in seen if finding.startswith("problem")]


def test_libvirt(world, broker, build, qemu, ask, vm):
    """The page's domain, in the user's own libvirt: paths are ours, the tap is there."""
    vm.process.kill()
    vm.process.wait()
    prefix = world.directory("prefix", owner=0)
    subprocess.run(["make", "-s", "install", *(["SAN=1"] if build.name == "san" else []),
                    f"PREFIX={prefix}", f"QEMU_BINDIR={world.inside(qemu).parent}"],
                   check=True)  # fmt: skip
    domain = block_with("^<domain")
    for page, ours in (("/var/lib/libvirt/images", world.inside(ROOT / "build/guest")),
                       ("/usr/libexec/rss-broker", prefix / "libexec/rss-broker"),
                       ("dev='vm1tap'", "dev='tap0' managed='no'")):  # fmt: skip
        assert page in domain
        domain = domain.replace(page, str(ours))
    xml = world.directory("domain") / "vm1.xml"
    xml.write_text(domain)
    with virt.Libvirt(world) as libvirt, contextlib.ExitStack() as stack:
        libvirt.run("create", xml, timeout=120)
        stack.callback(libvirt.run, "destroy", "vm1")
        log = (libvirt.home / ".cache/libvirt/qemu/log/vm1.log").read_text()
        assert "rssb" not in log.split("msg timestamp")[1] and "Unable to load" not in log
        (held,) = grants(ask)
        assert f"handoff  uid {NOBODY} " in held
        world.tap("vm1tap2")
        second = xml.with_name("nic2.xml")
        second.write_text(block_with("^<interface").replace("'vm1tap2'", "'vm1tap2' managed='no'"))
        assert_shown(output_after("sudo virsh attach-device vm1 nic2.xml"),
                     libvirt.run("attach-device", "vm1", second).stdout.splitlines())  # fmt: skip
        assert len(grants(ask)) == 2


def grants(ask):
    return [line for line in ask("rssb status") if line.startswith("grant ")]
