import pytest
from metaflow_core.nearest import did_you_mean, suggest

WORDS = ["retry", "resources", "timeout", "max_workers", "environment_variables", "memory"]


@pytest.mark.parametrize(
    ("word", "near"),
    [
        ("retri", "retry"),
        ("resorces", "resources"),
        ("RETRY", "retry"),
        ("max-workers", "max_workers"),
        ("max.workers", "max_workers"),
        ("environment", "environment_variables"),
        ("mem", "memory"),
        ("time_out", "timeout"),
        ("zzz", None),
        ("", None),
        ("e", None),
    ],
)
def test_suggest(word, near):
    assert suggest(word, WORDS) == near


def test_the_same_candidates_in_another_order_suggest_the_same():
    assert suggest("ab", ["abc", "abd"]) == suggest("ab", ["abd", "abc"])


def test_did_you_mean():
    assert did_you_mean("retri", WORDS) == "Did you mean 'retry'?"
    assert did_you_mean("zzz", ["b", "a"]) == "Known: a, b."
    assert did_you_mean("zzz", []) == ""
    assert did_you_mean("zzz", [f"name{number}" for number in range(50)]) == ""
