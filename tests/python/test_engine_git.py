"""The commit of a folder, as git itself tells it."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from metaflow_core.engine.git import git_state

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


def git(folder, *words):
    names = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", "-C", str(folder), *names, *words], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / "repository"
    (folder / "sub").mkdir(parents=True)
    git(folder, "init", "-q")
    return folder


def test_no_repository_and_no_commit_have_none(tmp_path, repository):
    assert git_state(str(tmp_path)) is None
    assert git_state(str(repository)) is None


def test_the_commit_is_that_of_git(repository, tmp_path):
    git(repository, "commit", "-q", "--allow-empty", "-m", "one")
    commit = git(repository, "rev-parse", "HEAD")
    assert git_state(str(repository)) == {"commit": commit}
    assert git_state(str(repository / "sub")) == {"commit": commit}
    git(repository, "pack-refs", "--all")
    assert git_state(str(repository)) == {"commit": commit}
    git(repository, "worktree", "add", "-q", "-b", "other", str(tmp_path / "tree"))
    git(tmp_path / "tree", "commit", "-q", "--allow-empty", "-m", "two")
    assert git_state(str(tmp_path / "tree")) == {"commit": git(tmp_path / "tree", "rev-parse", "HEAD")}
    git(repository, "checkout", "-q", "--detach")
    assert git_state(str(repository)) == {"commit": commit}
