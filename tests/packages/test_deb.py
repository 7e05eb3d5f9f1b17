# SPDX-License-Identifier: MIT
"""The Debian packages: built here, judged by lintian, installed on a clean Debian and removed.

Both releases, a real systemd and a running VM's steering are for make deb-check.
"""
import contextlib
import gzip
import re
import subprocess

from chroot import Chroot
import copied_tree
import debian
from paths import ROOT
import pytest

PACKAGING = ROOT / "docs" / "packaging" / "debian"
# What only a package has, or has elsewhere.
OF_PACKAGES = re.compile(r"usr/share/(doc|lintian)/.*")
NEWER = "99.0-1"
PROFILE = "/etc/apparmor.d/usr.sbin.rss-broker"
SOCKET = "/run/rss-broker/rss-broker.sock"


@pytest.fixture(scope="module")
def built(tree):
    return debian.build(tree)


@pytest.fixture(scope="module")
def unpacked(built, tmp_path_factory):
    """{package: where its files are}"""
    to = tmp_path_factory.mktemp("unpacked")
    return {package: built.unpacked(package, to) for package in debian.PACKAGES}


@pytest.fixture(scope="module")
def installed(tree, tmp_path_factory):
    """What make install lays out in the same places."""
    directory = tmp_path_factory.mktemp("installed")
    places = re.search(r"^PLACES := (.*?[^\\])$", (PACKAGING / "rules").read_text(), re.M | re.S)
    triplet = debian.output_of("dpkg-architecture", "-qDEB_HOST_MULTIARCH").strip()
    units = debian.output_of("pkg-config", "--variable=systemdsystemunitdir", "systemd").strip()
    words = places[1].replace("\\\n", "").replace("$(DEB_HOST_MULTIARCH)", triplet)
    words = words.replace("$(UNITDIR)", units).split()
    copied_tree.make(tree, "-s", "install", f"DESTDIR={directory}", *words)
    return directory


@pytest.fixture(scope="module")
def chroot():
    with Chroot(debian.release()) as chroot:
        yield chroot


# --- what is in them ------------------------------------------------------------------


def test_lintian(built):
    judged = subprocess.run([*debian.LINTIAN, built.changes()], capture_output=True, text=True,
                            timeout=500, check=False)  # fmt: skip
    assert (judged.returncode, judged.stdout) == (0, ""), judged.stdout + judged.stderr


def test_overrides_have_reasons():
    for path in PACKAGING.rglob("*lintian-overrides"):
        above = ""
        for line in path.read_text().splitlines():
            assert line.startswith("#") or above.startswith("#"), (path.name, line)
            above = line


def test_nothing_is_lost_and_nothing_is_there_twice(installed, unpacked):
    """The union of the packages is what make install lays out; man pages are compressed."""
    every = [path for root in unpacked.values() for path in debian.files(root)]
    assert sorted(every) == sorted(set(every)), "in two packages"
    ours = {path.removesuffix(".gz") for path in every if not OF_PACKAGES.fullmatch(path)}
    assert ours == debian.files(installed)


def test_texts_are_those_that_were_installed(installed, unpacked):
    """Units, profiles, completions, scripts, pages."""
    same = 0
    for root in unpacked.values():
        for path in debian.files(root):
            original = installed / path.removesuffix(".gz")
            if original.is_file() and not original.is_symlink():
                data = original.read_bytes()
                if not data.startswith((b"\x7fELF", b"!<arch>")):
                    packed = (root / path).read_bytes()
                    assert data == (gzip.decompress(packed) if path.endswith(".gz") else packed)
                    same += 1
    assert same > 30


@pytest.mark.parametrize(
    "package, path",
    [
        ("rss-broker", "usr/sbin/rss-broker"),
        ("rss-broker", "usr/lib/sysusers.d/rss-broker.conf"),
        ("rss-broker", "usr/share/doc/rss-broker/docs/protocol.md"),
        ("rss-broker", "usr/share/doc/rss-broker/docs/examples/kubernetes/rss-broker.yaml"),
        ("rssb", "usr/bin/rssb"),
        ("rssb", "usr/libexec/rss-broker/qemu-system-x86_64"),
        ("rssb", "usr/lib/*/rss-broker/librssb-qemu.so"),
        ("rssb", "etc/rss-broker/emulator.conf"),
        ("librssb0", "usr/lib/*/librssb.so.0"),
        ("librssb-dev", "usr/include/rssb.h"),
        ("librssb-dev", "usr/lib/*/pkgconfig/rssb.pc"),
        ("librssb-dev", "usr/share/doc/librssb-dev/examples/steer.c"),
    ],
)
def test_where_things_are(unpacked, package, path):
    assert len(list(unpacked[package].glob(path))) == 1


def test_versions_agree(built):
    """Of the Makefile and of the packaging."""
    made = re.search(r"^VERSION := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[1]
    for deb in built.debs():
        assert debian.field(deb, "Version").rsplit("-", 1)[0] == made


def test_the_builder_has_its_say(built):
    """Its flags reach every compile, and no library is linked in vain."""
    lines = debian.compiles(built.log)
    assert len(lines) > 100
    for flag in ("-ffile-prefix-map=", "-D_FORTIFY_SOURCE=", "-fstack-protector-strong"):
        assert [line for line in lines if flag not in line] == []
    assert "dpkg-shlibdeps: warning" not in built.log


# --- on a clean Debian ----------------------------------------------------------------


@contextlib.contextmanager
def running_broker(chroot):
    broker = chroot.start(["rss-broker"])
    try:
        chroot.sh(f"until [ -S {SOCKET} ]; do sleep 0.1; done", timeout=120)
        yield
    finally:
        broker.kill()
        broker.wait()


def info_as(chroot, user):
    return chroot.run(["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", "rssb",
                       "info"], check=False)  # fmt: skip


def left(chroot):
    """All that has our name in it, and is not dpkg's or apt's own book."""
    found = chroot.sh("find / -xdev -path '*rss*'").splitlines()
    return [path for path in found if not path.startswith(("/debs", "/var/lib/dpkg/info"))]


def test_installed_upgraded_removed(chroot, built, tmp_path):
    """The life of the packages, beside a broker that runs."""
    assert left(chroot) == []
    chroot.put(built.debs(), "/debs")
    chroot.install(*(f"/debs/{deb.name}" for deb in built.debs()))
    assert chroot.sh("systemctl is-enabled rss-broker.socket") == "enabled\n"
    chroot.sh("useradd --groups rss-broker alice && useradd bob")
    with running_broker(chroot):
        done = info_as(chroot, "alice")
        assert done.returncode == 0 and "object       rss  qemu-rss-1" in done.stdout
        done = info_as(chroot, "bob")
        assert done.returncode == 1 and "not for this user" in done.stderr
        chroot.sh(f"echo '# mine' >>{PROFILE}")
        chroot.put([debian.as_version(deb, NEWER, tmp_path) for deb in built.debs()], "/newer")
        chroot.sh("dpkg -i /newer/*.deb && rm -r /newer")
        assert chroot.sh("dpkg-query -W -f '${Version}' rss-broker") == NEWER
        assert "# mine" in chroot.sh(f"cat {PROFILE}")
        assert info_as(chroot, "alice").returncode == 0
    chroot.sh(f"dpkg --remove {' '.join(debian.PACKAGES)}")
    assert PROFILE in left(chroot), "removed, not purged"
    chroot.sh(f"dpkg --purge {' '.join(debian.PACKAGES)}")
    assert left(chroot) == []


def test_objects_of_the_administrator_stay(chroot, built):
    """And what the broker left in /run goes."""
    mine = "/etc/rss-broker/objects/mine.bpf.o"
    chroot.sh(f"dpkg -i /debs/rss-broker_*.deb && touch {mine}")
    with running_broker(chroot):
        pass
    assert "/run/rss-broker" in chroot.sh("find /run -name '*rss*'").splitlines()
    chroot.sh("dpkg --purge rss-broker")
    assert chroot.sh("find /run -name '*rss*'") == ""
    assert [path for path in left(chroot) if "." in path] == [mine]
