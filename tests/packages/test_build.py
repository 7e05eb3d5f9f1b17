# SPDX-License-Identifier: MIT
"""What `make` and `make install` leave behind, in a copy of the tree somewhere else.

It must never build into, or install from, the tree that is being tested.
"""
import os
import re

from copied_tree import flags, make, output_of
from paths import ROOT
import pytest

# Installed, below the prefix.
INSTALLED = {
    "sbin/rss-broker",
    "bin/rssb",
    "lib/librssb.so.0",
    "lib/librssb.so",
    "lib/librssb.a",
    "lib/rss-broker/librssb-qemu.so",
    "lib/pkgconfig/rssb.pc",
    "include/rssb.h",
    "etc/rss-broker/emulator.conf",
    "etc/apparmor.d/usr.sbin.rss-broker",
    "etc/apparmor.d/abstractions/rss-broker-client",
    "etc/apparmor.d/abstractions/rss-broker-emulator",
    "etc/apparmor.d/abstractions/rss-broker-libvirtd",
    "share/rss-broker/selinux/rss_broker.te",
    "share/rss-broker/selinux/rss_broker.if",
    "share/rss-broker/selinux/rss_broker.fc",
    "share/bash-completion/completions/rssb",
    "share/bash-completion/completions/rss-broker",
    "share/zsh/site-functions/_rssb",
    "share/zsh/site-functions/_rss-broker",
    "share/fish/vendor_completions.d/rssb.fish",
    "share/fish/vendor_completions.d/rss-broker.fish",
}

CLIENT_C = """
#include <errno.h>
#include <rssb.h>

int main(void)
{
	struct rssb *broker = 0;
	int r = rssb_connect(&broker, "/nonexistent/sock");

	rssb_close(broker);
	return r == -ENOENT ? 0 : 1;
}
"""


def test_objects_are_reproducible(tree, build):
    """The same bytes from another directory: an object is known by its hash."""
    objects = sorted((tree / "build" / "bpf").glob("*.bpf.o"))
    assert objects
    for built in objects:
        assert built.read_bytes() == (build / "bpf" / built.name).read_bytes(), built.name


def test_second_make_does_nothing(tree):
    assert make(tree, "--no-print-directory", "all") == ""


def outside_build(tree):
    return {path.relative_to(tree) for path in tree.rglob("*")
            if path.relative_to(tree).parts[0] not in ("build", ".git")}  # fmt: skip


def test_nothing_is_made_outside_build(tree, prefix):
    assert prefix.exists()
    assert outside_build(tree) - outside_build(ROOT) == set()


def test_install_puts_everything_in_its_place(prefix):
    files = {str(path.relative_to(prefix)) for path in prefix.rglob("*") if not path.is_dir()}
    assert INSTALLED <= files


def test_man_pages_are_installed(prefix):
    """Uncompressed, in their sections, and by every name."""
    pages = {path.name: path for path in (prefix / "share/man").rglob("*.*") if path.is_file()}
    for source in (ROOT / "docs" / "man").glob("*.scd"):
        about = source.read_text().split("# NAME\n\n")[1].split(" - ")[0].split(", ")
        number = source.stem.rsplit(".")[1]
        for name in about:
            page = pages.pop(f"{name}.{number}")
            assert page.parent.name == f"man{number}"
            assert page.read_text().startswith('.\\"')
    assert not pages


@pytest.mark.parametrize("program", ["sbin/rss-broker", "bin/rssb", "lib/librssb.so.0"])
def test_hardening(prefix, program):
    read = output_of("readelf", "-hldW", prefix / program)
    assert re.search(r"Type:\s+DYN", read), "position independent"
    assert "GNU_RELRO" in read
    assert re.search(r"FLAGS.*\bNOW\b", read), "bound at start"
    assert re.search(r"GNU_STACK\s.*\sRW\s", read), "stack not executable"
    assert "__stack_chk_fail" in output_of("nm", "-D", prefix / program)


@pytest.mark.parametrize("path", ["librssb.so.0", "rss-broker/librssb-qemu.so"])
def test_library_needs_libc_alone(prefix, path):
    read = output_of("readelf", "-dW", prefix / "lib" / path)
    needed = re.findall(r"\(NEEDED\).*\[(.*)\]", read)
    assert [name for name in needed if not name.startswith(("libc.so", "ld-linux"))] == []
    assert f"[{path.split('/')[-1]}]" in read, "the soname"


def test_what_qemu_gets_defines_two_functions_alone(prefix):
    """Whatever else were visible would take the place of QEMU's own."""
    library = prefix / "lib/rss-broker/librssb-qemu.so"
    lines = output_of("nm", "-D", "--defined-only", library).splitlines()
    assert sorted(line.split()[-1] for line in lines) == ["ioctl", "syscall"]


def test_the_settings_of_emulators_are_kept(tree, tmp_path):
    """By every further make install: they are the administrator's."""
    install = ["-s", "install", f"DESTDIR={tmp_path}", "PREFIX=/usr"]
    make(tree, *install)
    conf = tmp_path / "etc/rss-broker/emulator.conf"
    assert re.findall(r"^[^#\n].*", conf.read_text(), re.MULTILINE) == ["stats=no"]
    conf.write_text("stats=yes\n")
    make(tree, *install)
    assert conf.read_text() == "stats=yes\n"


def test_library_exports_versioned_rssb_symbols_alone(prefix):
    lines = output_of("nm", "-D", "--defined-only", prefix / "lib/librssb.so.0").splitlines()
    symbols = [line.split()[-1] for line in lines if line.split()[-2] != "A"]
    assert symbols
    assert [symbol for symbol in symbols if not re.match(r"rssb_\w+@@RSSB_", symbol)] == []


@pytest.mark.parametrize("static", [False, True])
def test_a_client_builds_against_what_is_installed(prefix, tmp_path, static):
    source, program = tmp_path / "client.c", tmp_path / "client"
    source.write_text(CLIENT_C)
    more = ["-static"] if static else []
    output_of("cc", "-Wall", "-Werror", source, "-o", program, *flags(prefix), *more)
    output_of(program, env={**os.environ, "LD_LIBRARY_PATH": str(prefix / "lib")})
