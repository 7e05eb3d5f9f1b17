# SPDX-License-Identifier: MIT
"""What the tests with guests share."""
import pytest

import bpf_stats
from world import Broker, World


@pytest.fixture(scope="module")
def world():
    with World() as world, bpf_stats.enabled():
        yield world


@pytest.fixture(scope="module")
def broker(world, build):
    return Broker(world, build)


@pytest.fixture(scope="module")
def tap(world):
    return world.tap()
