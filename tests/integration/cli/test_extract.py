# SPDX-License-Identifier: MIT
"""rssb extract: the object of this very QEMU, from real ones of three releases and from bad ones."""
import base64
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from world import NOBODY, UNPRIVILEGED

NINE = ["10.0", "sid"]  # QEMUs since 9.0

# What a QEMU says that is asked for its object: greeting, negotiation, target, object, quit.
ANSWERS = [
    {"QMP": {"version": {"qemu": {"major": 10, "minor": 0, "micro": 0}, "package": ""},
             "capabilities": []}},
    {"return": {}},
    {"return": {"arch": "x86_64"}},
]  # fmt: skip


@pytest.fixture
def place(build):
    """A directory that nobody may write to, with an rssb that nobody may run."""
    with tempfile.TemporaryDirectory(prefix="rssb-extract.") as path:
        os.chown(path, NOBODY, NOBODY)
        os.chmod(path, 0o755)
        shutil.copy(build / "rssb", path)
        yield Path(path)


def real(version):
    return Path(os.environ["RSSB_QEMU"]).parent.parent / version / "qemu-system-x86_64"


@pytest.fixture
def extract(place):
    def run(qemu, *args, prefix=(), **kwargs):
        args = args or ["-o", "out.bpf.o"]
        return subprocess.run(
            [*prefix, "./rssb", "extract", str(qemu), *map(str, args)], cwd=place,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False,
            **kwargs,
        )  # fmt: skip

    return run


def fails(done, *words):
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("rssb: extract: ") and done.stderr.count("\n") == 1, done.stderr
    for word in words:
        assert word in done.stderr


@pytest.mark.parametrize("version", NINE)
def test_the_object_and_the_command_that_installs_it(extract, place, version):
    done = extract(real(version))
    assert (done.returncode, done.stderr) == (0, "")
    data = (place / "out.bpf.o").read_bytes()
    assert data == real(version).with_name("rss.bpf.o").read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    assert f"id {digest}\n" in done.stdout
    (install,) = re.findall(r"^  (install .*)$", done.stdout, re.MULTILINE)
    words = shlex.split(install)
    assert words[-2] == "out.bpf.o"
    assert words[-1].startswith("/etc/rss-broker/objects/") and words[-1].endswith(".bpf.o")
    # And it works: another directory is all that a test may write to.
    subprocess.run([*words[:-1], place / "objects" / "x.bpf.o"], cwd=place, check=True)
    installed = place / "objects" / "x.bpf.o"
    assert installed.read_bytes() == data
    assert installed.stat().st_mode & 0o7777 == 0o644 and installed.stat().st_uid == 0


def test_it_needs_no_privilege(extract, place):
    """The QEMU is a script here: nobody may not read the tree that the real one lies in."""
    elf = real("10.0").with_name("rss.bpf.o").read_bytes()
    qemu = answering(place, {"return": {"object": base64.b64encode(elf).decode()}})
    script = qemu.read_text().splitlines()
    qemu.write_text("\n".join([script[0], "cat /proc/self/status >status", *script[1:]]))
    done = extract(qemu, prefix=UNPRIVILEGED)
    assert done.returncode == 0, done.stderr
    assert (place / "out.bpf.o").read_bytes() == elf
    status = dict(re.findall(r"^(\w+):\s*(.*)$", (place / "status").read_text(), re.MULTILINE))
    assert status["Uid"].split() == [str(NOBODY)] * 4
    assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0


def test_the_qemu_gets_no_new_privilege(extract, place):
    qemu = scripted(place, ANSWERS)
    script = qemu.read_text().splitlines()
    qemu.write_text("\n".join([script[0], "grep NoNewPrivs /proc/self/status >status", *script[1:]]))
    extract(qemu)
    assert (place / "status").read_text().split() == ["NoNewPrivs:", "1"]


@pytest.mark.parametrize("path", ["with space", "it's", "-dash", "a;b", "$HOME"])
def test_names_that_a_shell_would_mistake(extract, place, path):
    done = extract(real("10.0"), f"-o{path}")
    assert done.returncode == 0, done.stderr
    (install,) = re.findall(r"^  (install .*)$", done.stdout, re.MULTILINE)
    assert (place / shlex.split(install)[-2]).samefile(place / path)
    assert not shlex.split(install)[-2].startswith("-")


def test_a_qemu_before_9_0(extract, place):
    fails(extract(real("7.2")), "QEMU 7.2 has no request-ebpf: 9.0 is the first that has")
    assert not (place / "out.bpf.o").exists()


def test_a_qemu_that_was_built_without_ebpf(extract, place):
    """A real one in which the command has another name, so that it has none of this name."""
    root = place / "qemu"
    (root / "usr" / "bin").mkdir(parents=True)
    home = real("10.0").parent
    for name in ("lib", "usr/lib", "usr/share"):
        (root / name).symlink_to((home / name).resolve())
    shutil.copy(home / "qemu-system-x86_64", root)
    program = (home / "usr/bin/qemu-system-x86_64").read_bytes()
    assert b"request-ebpf\0" in program
    changed = root / "usr/bin/qemu-system-x86_64"
    changed.write_bytes(program.replace(b"request-ebpf\0", b"request-none\0"))
    changed.chmod(0o755)
    fails(extract(root / "qemu-system-x86_64"), "QEMU 10.0", "it was built without eBPF")


# --- QEMUs that are none ---------------------------------------------------------


def scripted(place, answers, rest=""):
    """A program that says this, one line for each that it reads."""
    path = place / "qemu-system-x86_64"
    lines = [shlex.quote(a if isinstance(a, str) else json.dumps(a)) for a in answers]
    path.write_text("#!/bin/sh\n" + "\nread line\n".join(f"echo {line}" for line in lines)
                    + f"\nread line\n{rest}")  # fmt: skip
    path.chmod(0o755)
    return path


def answering(place, answer):
    return scripted(place, [*ANSWERS, answer])


def test_another_refusal_is_told(extract, place):
    error = {"class": "GenericError", "desc": "eBPF is out today"}
    fails(extract(answering(place, {"error": error})), "request-ebpf: eBPF is out today")


@pytest.mark.parametrize(
    "value", [{}, {"object": 1}, {"object": ""}, {"object": "f0VM!"}, {"object": "QQ="},
              {"object": "QR=="}, {"object": "Q=Q="}, {"object": "===="}, [], "x", None],
)  # fmt: skip
def test_no_object_in_the_answer(extract, place, value):
    fails(extract(answering(place, {"return": value})), "else than an object in base64")


def test_an_object_that_the_broker_would_not_take(extract, place, build):
    elf = bytearray((build / "bpf" / "rss.bpf.o").read_bytes())
    at = elf.index(b"tap_rss_map_toeplitz_key\0")
    elf[at] = ord("T")
    value = {"object": base64.b64encode(elf).decode()}
    fails(extract(answering(place, {"return": value})), "the broker would refuse its object")
    value = {"object": base64.b64encode(b"#!/bin/sh\n").decode()}
    fails(extract(answering(place, {"return": value})), "the broker would refuse its object: libbpf: ")
    assert not (place / "out.bpf.o").exists()


def test_programs_that_are_no_qemu(extract, place):
    path = place / "qemu-system-x86_64"
    for script, word in (
        ("exit 0", "ended without an answer"),
        ("echo hello", "else than QMP"),
        ("echo no such thing >&2; exit 1", "no such thing"),
        ("head -c 1000000 /dev/urandom", "else than QMP"),
    ):
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        fails(extract(path), word)
    fails(extract(place / "missing"), "No such file")
    fails(extract("/"), "Permission denied")


def test_one_that_never_answers_is_ended(extract, place):
    path = place / "qemu-system-x86_64"
    path.write_text(f"#!/bin/sh\necho $$ >{place}/pid\nexec sleep 1000\n")
    path.chmod(0o755)
    fails(extract(path), "does not answer")
    assert not Path("/proc", (place / "pid").read_text().strip()).exists()


# --- the file, the words ---------------------------------------------------------


def test_a_file_that_cannot_be_written(extract, place):
    fails(extract(real("10.0"), "-o", "/no/where"), "/no/where: No such file")
    fails(extract(real("10.0"), "-o", place), "Is a directory")
    fails(extract(real("10.0"), "-o", "/dev/full"), "No space left")


def test_usage(extract):
    for args in ([], ["-o", "x", "two"], ["-o"], ["--nope"]):
        done = extract("qemu", *args or ["--"])
        assert done.returncode == 2, args
        assert done.stderr.startswith("rssb: extract: ") and done.stdout == ""
