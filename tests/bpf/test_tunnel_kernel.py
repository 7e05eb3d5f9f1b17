# SPDX-License-Identifier: MIT
"""rss-tunnel and the tunnel devices of a kernel that has all of them.

test_tunnel_devices.c, the very program, in a guest with Debian 12's kernel (tests/setup/guest.sh)
and this machine's `ip`: nothing of it may be skipped there.
"""
import re
import shutil
import subprocess
from pathlib import Path

import guest
import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
DEBIAN = ROOT / "build" / "guest" / "debian"
MODULES = "tun cls_bpf sch_ingress ip_gre ip6_gre ipip sit ip6_tunnel vxlan geneve fou".split()
INIT = """#!/bin/busybox sh
# shellcheck shell=dash
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
while read -r module; do
	insmod "/modules/$module" || echo "init: no module $module"
done </modules/order
/sbin/ip link set lo up
echo
RSSB_BUILD=/build CMOCKA_MESSAGE_OUTPUT=TAP /test 2>&1
poweroff -f
"""


def modules_in_order(names):
    """The files of modules and of what they depend on, each behind what it needs."""
    files = {path.stem.replace("-", "_"): path for path in (DEBIAN / "lib/modules").rglob("*.ko")}
    order = []

    def add(name):
        path = files.get(name.replace("-", "_"))
        if path is None or path in order:  # or it is in the kernel itself
            return
        depends = re.search(rb"\0depends=([^\0]*)\0", b"\0" + path.read_bytes())
        for needed in filter(None, depends[1].decode().split(",") if depends else []):
            add(needed)
        order.append(path)

    for name in names:
        add(name)
    return order


def add_program(root, path, to):
    """A program, and the libraries that it is linked with, where it looks for them."""
    (root / to).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(path, root / to)
    linked = subprocess.run(["ldd", path], stdout=-1, check=True).stdout.decode()
    for library in re.findall(r"(/\S+) \(0x", linked):
        target = root / library.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, target)


@pytest.fixture(scope="module")
def initrd(build, tmp_path_factory):
    root = tmp_path_factory.mktemp("tunnels") / "root"
    for folder in ("dev", "proc", "sys", "bin", "modules", "build/bpf"):
        (root / folder).mkdir(parents=True)
    (root / "init").write_text(INIT)
    (root / "init").chmod(0o755)
    shutil.copy(DEBIAN / "bin/busybox", root / "bin/busybox")
    add_program(root, Path(shutil.which("ip")).resolve(), "sbin/ip")
    add_program(root, build / "tests/bpf/test_tunnel_devices", "test")
    shutil.copy(build / "bpf/rss-tunnel.bpf.o", root / "build/bpf")
    order = modules_in_order(MODULES)
    for path in order:
        shutil.copy(path, root / "modules")
    (root / "modules/order").write_text("".join(f"{path.name}\n" for path in order))
    with open(root.parent / "initrd", "wb") as file:
        names = subprocess.run(["find", "."], cwd=root, stdout=-1, check=True).stdout
        subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], cwd=root, input=names, stdout=file,
                       check=True)  # fmt: skip
    return root.parent / "initrd"


def test_every_device(qemu, initrd):
    done = subprocess.run(
        [qemu, "-accel", guest.ACCEL, "-cpu", "max", "-m", "512", "-nodefaults", "-nographic",
         "-no-reboot", "-kernel", ROOT / "build/guest/vmlinuz", "-initrd", initrd,
         "-append", "console=ttyS0 quiet panic=-1", "-serial", "stdio"],
        stdin=subprocess.DEVNULL, stdout=-1, stderr=-2, timeout=500, check=False,
    )  # fmt: skip
    said = done.stdout.decode(errors="replace")
    print(said)
    planned = re.search(r"^1\.\.(\d+)", said, re.MULTILINE)
    assert planned and int(planned[1]) >= 18
    results = re.findall(r"^(ok|not ok) \d+ (.*?)\r?$", said, re.MULTILINE)
    assert len(results) == int(planned[1])
    assert [name for result, name in results if result != "ok"] == []
