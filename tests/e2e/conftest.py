# SPDX-License-Identifier: MIT
"""What the tests with guests share."""
import os
import random

import pytest

import bpf_stats
from world import Broker, World


@pytest.fixture
def rng():
    """Another run every time; RSSB_SEED repeats one."""
    seed = int(os.environ.get("RSSB_SEED") or random.SystemRandom().getrandbits(32))
    print(f"RSSB_SEED={seed}")
    return random.Random(seed)


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
