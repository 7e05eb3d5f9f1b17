# SPDX-License-Identifier: MIT
"""What a reader of numbers has to know of the machine they come from."""
import os
import platform
import time
from pathlib import Path


def cpu_model():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def sysctl(name):
    try:
        return Path("/proc/sys", name.replace(".", "/")).read_text().strip()
    except OSError:
        return None


def release():
    info = platform.freedesktop_os_release()
    return info.get("PRETTY_NAME", "unknown")


def describe(command):
    return {
        "cpu": cpu_model(),
        "cpus": os.cpu_count(),
        "virtual": "hypervisor" in Path("/proc/cpuinfo").read_text(),
        "kernel": f"{platform.system()} {platform.release()}",
        "system": release(),
        "bpf_jit": sysctl("net.core.bpf_jit_enable"),
        "load_average": round(os.getloadavg()[0], 2),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "command": command,
    }
