"""What is installed for Python, as memoised steps compare it."""

import sys

import pytest
from flows import flow, step
from metaflow_core.engine.python_memory import python_code
from metaflow_core.python_facts import digest_of_facts, python_facts


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder of packages, before all others."""
    folder = tmp_path / "site-packages"
    (folder / "thing-1.2.dist-info").mkdir(parents=True)
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
    return folder


def test_every_package_has_its_version(site):
    facts = python_facts()
    assert facts["thing"] == "1.2"
    assert facts["Python"].startswith(sys.version.split()[0])
    (site / "thing-1.2.dist-info").rename(site / "thing-1.3.dist-info")
    assert python_facts()["thing"] == "1.3"
    assert digest_of_facts(facts) != digest_of_facts(python_facts())


def test_the_first_folder_counts(site, tmp_path, monkeypatch):
    (tmp_path / "later/site-packages/thing-0.9.dist-info").mkdir(parents=True)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / "later/site-packages")])
    assert python_facts()["thing"] == "1.2"


def test_one_version_from_a_repository_is_many(site):
    told = site / "thing-1.2.dist-info/direct_url.json"
    found = set()
    for commit in ("a", "b"):
        told.write_text(f'{{"commit_id": "{commit}"}}', encoding="utf-8")
        found.add(python_facts()["thing"])
    assert len(found) == 2
    assert all(version.startswith("1.2 ") for version in found)


def test_code_is_the_function_and_all_python_files():
    spec = flow(
        step("start", "a", language="python", function="steps.py:one", has_function=True),
        step("a", "end", language="python", function="steps.py:two", has_function=True),
        step("end"),
    )
    files = {"steps.py": "d1", "flow.R": "d2", "sub/helper.py": "d3"}
    before = python_code(spec, files).steps
    assert set(before) == {"start", "a"}
    assert before["start"] != before["a"]
    assert python_code(spec, {**files, "flow.R": "other"}).steps == before
    assert python_code(spec, {**files, "sub/helper.py": "other"}).steps.keys() == before.keys()
    assert not set(python_code(spec, {**files, "sub/helper.py": "other"}).steps.values()) & set(before.values())


def test_a_task_that_ran_beside_other_packages_is_doubted(site):
    code = python_code(flow(step("start")), {})
    assert code.doubt({"python": digest_of_facts(python_facts())}) is None
    assert "other packages" in code.doubt({"python": digest_of_facts({"Python": "2.7"})})
    assert "other packages" in code.doubt({})
