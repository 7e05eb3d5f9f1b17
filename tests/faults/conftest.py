# SPDX-License-Identifier: MIT
"""Fixtures that the fault suite shares with the tests of the broker."""
import importlib.util
import sys
from pathlib import Path

INTEGRATION = Path(__file__).resolve().parents[1] / "integration"
sys.path.insert(0, str(INTEGRATION))

_spec = importlib.util.spec_from_file_location("integration_conftest", INTEGRATION / "conftest.py")
_theirs = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_theirs)

interposed = _theirs.interposed
memory_cgroup = _theirs.memory_cgroup
