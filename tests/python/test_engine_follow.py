"""Hashing a file while it is written."""

from __future__ import annotations

import hashlib
import os

import pytest
from metaflow_core.engine.follow import FollowedFile


@pytest.mark.parametrize("size", [0, 1, 1 << 20, (1 << 20) + 1, 5_000_000])
def test_the_digest_of_a_file_that_grows(tmp_path, size):
    data = os.urandom(size)
    path = tmp_path / "pack-1"
    follower = FollowedFile(str(path))
    with open(path, "wb") as file:
        for start in range(0, size, 300_000):
            file.write(data[start : start + 300_000])
            file.flush()
    assert follower.finish(size) == hashlib.sha256(data).hexdigest()


def test_a_file_that_is_shorter_than_said_has_no_digest(tmp_path):
    path = tmp_path / "pack-1"
    path.write_bytes(b"abc")
    assert FollowedFile(str(path)).finish(10) is None


def test_a_follower_that_nobody_wants_ends(tmp_path):
    follower = FollowedFile(str(tmp_path / "never"))
    follower.abandon()
    follower.join(10)
    assert not follower.is_alive()
