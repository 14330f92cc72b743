"""R and Python are of one version: the R package carries this very core inside."""

import re
from pathlib import Path

import metaflow_core

ROOT = Path(__file__).resolve().parents[2]


def first_match(pattern, path):
    return re.search(pattern, (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE).group(1)


def test_description_and_core_have_the_same_version():
    assert first_match(r"^Version: (.+)$", "DESCRIPTION") == metaflow_core.__version__


def test_news_begins_with_this_version():
    assert first_match(r"\A# metaflow (\S+)", "NEWS.md") == metaflow_core.__version__


def test_the_r_package_carries_this_core():
    assert (ROOT / "inst" / "python").resolve() == ROOT / "python"
