# SPDX-License-Identifier: MIT
"""rssb run asks a QEMU once, and again when what it is made of changed.

The QEMU is a program compiled here: it counts how often it is asked, has a file
mapped as QEMU has its modules, and writes down its arguments when it is run.
"""
import base64
import json
import os
import resource
import shutil
import subprocess
from pathlib import Path

import pytest

from fake_broker import FakeBroker

FAKE = r"""
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    int module = open(getenv("MODULE"), O_RDONLY);
    char line[4096], answer[1 << 16];
    FILE *answers = fopen(getenv("ANSWERS"), "r"), *asked;

    mmap(NULL, 1, PROT_READ, MAP_PRIVATE, module, 0);
    if (argc > 2 && !strcmp(argv[1], "-machine") && !strcmp(argv[2], "none")) {
        asked = fopen(getenv("ASKED"), "a");
        fputc('.', asked);
        fclose(asked);
        setbuf(stdout, NULL);
        printf("%s", fgets(answer, sizeof(answer), answers));
        while (fgets(line, sizeof(line), stdin)) {
            rewind(answers);
            while (fgets(answer, sizeof(answer), answers)) {
                char *reply = strchr(answer, '\t');

                if (!reply)
                    continue;
                *reply = 0;
                if (strstr(line, answer)) {
                    printf("%s", reply + 1);
                    break;
                }
            }
        }
        return 0;
    }
    for (int i = 1; i < argc; i++)
        puts(argv[i]);
    return 0;
}
"""
# The auxiliary vector of a setuid program.
SECURE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/auxv.h>

unsigned long getauxval(unsigned long type)
{
    unsigned long (*real)(unsigned long) = dlsym(RTLD_NEXT, "getauxval");

    return type == AT_SECURE ? 1 : real(type);
}
"""
NET = ["-device", "virtio-net-pci,rss=on,mq=on"]
FOLDER = "rss-broker"


def answers():
    """The greeting, and for a word of a command, behind a tab, what is answered."""
    qemu = {"qemu": {"micro": 0, "minor": 7, "major": 10}, "package": ""}
    greeting = {"QMP": {"version": qemu, "capabilities": []}}
    types = [{"name": name, "type": "bool"} for name in ("rss", "mq", "ebpf-rss-fds")]
    elf = base64.b64encode(Path(os.environ["RSSB_QEMU_OBJECT"]).read_bytes()).decode()
    replies = {
        "query-target": {"arch": "x86_64"}, "virtio-net-pci": types, "virtio-rng-pci": [],
        "request-ebpf": {"object": elf}, "": {},
    }  # fmt: skip
    lines = [f"{word}\t{json.dumps({'return': reply})}\n" for word, reply in replies.items()]
    return f"{json.dumps(greeting)}\n" + "".join(lines)


class World:
    def __init__(self, directory, build, fake):
        self.dir = directory
        self.rssb = build / "rssb"
        self.qemu = directory / "bin" / "qemu-system-x86_64"
        self.qemu.parent.mkdir()
        shutil.copy(fake, self.qemu)
        self.asked, self.module = directory / "asked", directory / "module"
        self.module.write_text("x")
        self.home = directory / "home"
        self.home.mkdir(mode=0o755)
        (directory / "answers").write_text(answers())
        self.env = {
            **{k: v for k, v in os.environ.items() if k != "XDG_CACHE_HOME"},
            "HOME": str(self.home), "RSSB_SOCKET": str(directory / "sock"),
            "MODULE": str(self.module), "ASKED": str(self.asked),
            "ANSWERS": str(directory / "answers"),
        }  # fmt: skip

    @property
    def folder(self):
        return self.home / ".cache" / FOLDER

    def file(self):
        """The one file of the cache."""
        (file,) = self.folder.iterdir()
        return file

    def starts(self, *options, arguments=(), qemu=None, **kwargs):
        """How many QEMUs one rssb run has started to ask, after which the QEMU ran."""
        before = len(self.asked.read_text()) if self.asked.exists() else 0
        command = [self.rssb, "run", *options, "--", qemu or self.qemu, *NET, *arguments]
        done = subprocess.run(list(map(str, command)), env=self.env, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=120, check=False,
                              **kwargs)  # fmt: skip
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        device = json.loads(done.stdout.splitlines()[1])
        assert (device["rss"], device["mq"]) == (True, True) and len(device["ebpf-rss-fds"]) == 4
        return (len(self.asked.read_text()) if self.asked.exists() else 0) - before


@pytest.fixture(scope="module")
def fake(tmp_path_factory):
    directory = tmp_path_factory.mktemp("fake")
    (directory / "fake.c").write_text(FAKE)
    subprocess.run(["cc", "-o", directory / "fake", directory / "fake.c"], check=True)
    return directory / "fake"


@pytest.fixture
def world(directory, build, fake):
    world = World(directory, build, fake)
    with FakeBroker(directory / "sock"):
        yield world


def test_asked_once(world):
    assert [world.starts() for _ in range(3)] == [1, 0, 0]
    assert world.file().stat().st_mode & 0o777 == 0o600
    assert world.folder.stat().st_mode & 0o777 == 0o700
    assert world.starts("--exact") == 0


def test_verbose_tells(world):
    command = [world.rssb, "run", "-v", "--", world.qemu, *NET]
    said = [subprocess.run(command, env=world.env, stdin=subprocess.DEVNULL, text=True,
                           capture_output=True, check=True).stderr for _ in range(2)]  # fmt: skip
    assert "QEMU 10.7 for x86_64 answers" in said[0]
    assert "QEMU 10.7 for x86_64 is known from an earlier run" in said[1]


def test_where_the_user_says(world):
    world.env["XDG_CACHE_HOME"] = str(world.dir / "xdg")
    assert [world.starts(), world.starts()] == [1, 0]
    assert len(list((world.dir / "xdg" / FOLDER).iterdir())) == 1
    assert not world.folder.exists()


def touch(path):
    os.utime(path, (1, 1))


def replace(path):
    """By the same bytes with the same times, as a package may."""
    new = path.with_name("new")
    shutil.copy2(path, new)
    new.rename(path)


@pytest.mark.parametrize("change", [touch, replace])
@pytest.mark.parametrize("what", ["qemu", "module"])
def test_asked_again_after_a_change(world, change, what):
    assert [world.starts(), world.starts()] == [1, 0]
    change(getattr(world, what))
    assert [world.starts(), world.starts()] == [1, 0]


@pytest.mark.parametrize("name", ["LD_LIBRARY_PATH", "QEMU_MODULE_DIR"])
def test_asked_again_in_another_environment(world, name):
    assert [world.starts(), world.starts()] == [1, 0]
    world.env[name] = str(world.dir)
    assert [world.starts(), world.starts()] == [1, 0]


def test_asked_again_for_another_driver(world):
    """What was known stays known."""
    assert world.starts() == 1
    rng = ["-device", "virtio-rng-pci"]
    assert [world.starts(arguments=rng), world.starts(arguments=rng), world.starts()] == [1, 0, 0]


def test_by_the_path(world):
    """As execvp() finds it: what cannot be executed is passed over."""
    first = world.dir / "first"
    first.mkdir()
    world.env["PATH"] = f"{first}:{world.qemu.parent}:{world.env['PATH']}"
    name = world.qemu.name
    assert [world.starts(qemu=name), world.starts(qemu=name), world.starts()] == [1, 0, 0]
    (first / name).write_text("no program")
    assert world.starts(qemu=name) == 0
    (first / name).unlink()
    shutil.copy(world.qemu, first / name)
    assert world.starts(qemu=name) == 1


@pytest.mark.parametrize("how", ["exec", ""])
def test_a_script_is_not_remembered(world, how):
    script = world.dir / "kvm"
    script.write_text(f'#!/bin/sh\n{how} {world.qemu} "$@"\n')
    script.chmod(0o755)
    assert [world.starts(qemu=script), world.starts(qemu=script)] == [1, 1]
    assert not world.folder.exists()


def damaged(content):
    middle = len(content) // 2
    yield b""
    yield content[:10]
    yield content[:-1]
    yield content + b" "
    yield content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
    yield content.replace(b"rssb ", b"rssb 9", 1)
    yield b"\0" * len(content)
    yield b"x" * (1 << 21)


def test_damage_is_replaced(world):
    assert world.starts() == 1
    file = world.file()
    for content in damaged(file.read_bytes()):
        file.write_bytes(content)
        assert [world.starts(), world.starts()] == [1, 0], content[:80]


def as_link(path):
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))


def as_foreign(path):
    os.chown(path, 65534, 65534)


def as_open(path):
    path.chmod(path.stat().st_mode | 0o022)


# A home may be a symlink: root made it.
SPOILED = [("home", as_foreign), ("home", as_open)] + [
    (what, spoil) for what in ("cache", "folder", "file")
    for spoil in (as_link, as_foreign, as_open)
]  # fmt: skip


@pytest.mark.parametrize(("what", "spoil"), SPOILED)
def test_where_others_may_write_nothing_is_read(world, what, spoil):
    assert [world.starts(), world.starts()] == [1, 0]
    path = {"home": world.home, "cache": world.folder.parent, "folder": world.folder,
            "file": world.file()}[what]  # fmt: skip
    inode = world.file().stat().st_ino
    spoil(path)
    assert world.starts() == 1
    assert world.starts() == (0 if what == "file" else 1)
    if what == "file":  # replaced, not written to
        file = world.folder / path.name
        assert file.stat().st_ino != inode and not file.is_symlink()


def test_without_a_home(world):
    del world.env["HOME"]
    assert [world.starts(), world.starts()] == [1, 1]
    world.env["HOME"] = "home"
    assert [world.starts(cwd=world.dir), world.starts(cwd=world.dir)] == [1, 1]
    assert not world.folder.exists()


def test_a_full_disk(world):
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))

    assert [world.starts(preexec_fn=limit), world.starts(preexec_fn=limit)] == [1, 1]
    assert not list(world.folder.iterdir())
    assert [world.starts(), world.starts()] == [1, 0]


def test_more_rights_than_the_caller(world, interposed):
    """As in a setuid program nothing is kept."""
    secure = interposed(SECURE)
    world.env.update({name: secure[name] for name in ("LD_PRELOAD", "ASAN_OPTIONS")})
    assert [world.starts(), world.starts()] == [1, 1]
    assert not world.folder.exists()
    del world.env["LD_PRELOAD"]
    assert [world.starts(), world.starts()] == [1, 0]
