import json
import subprocess
import sys

import pytest
from flow_strategies import any_json
from hypothesis import given, settings
from hypothesis import strategies as st
from metaflow_core.canonical import canonical_json
from metaflow_core.contracts.decorator import Argument, DecoratorType, StepPolicy, check_decorator
from metaflow_core.decorators.policy import effective
from metaflow_core.decorators.table import decorator_table
from metaflow_core.errors import InternalError, MetaflowError
from metaflow_core.graph.decorator import DecoratorSpec
from metaflow_core.registry import plugins

NAMES = plugins("decorators").builtin_names()
CLUSTERS = ("batch", "kubernetes", "slurm", "titus")


def policy(*decorators):
    """The policy of decorators given as (name, {args})."""
    return effective([DecoratorSpec(name, args) for name, args in decorators])


def complaints(name, **args):
    return [message for message, _ in plugins("decorators").get(name).complaints(args)]


def test_which_decorators_there_are():
    assert NAMES == [
        "batch",
        "cache",
        "catch",
        "environment_variables",
        "kubernetes",
        "resources",
        "retry",
        "slurm",
        "timeout",
        "titus",
    ]


@pytest.mark.parametrize("name", NAMES)
def test_each_keeps_the_contract_and_has_help(name):
    plugin = plugins("decorators").get(name)
    check_decorator(name, plugin)
    assert plugin.help
    assert all(argument.help for argument in plugin.args)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "timeout"])
def test_all_work_without_arguments(name):
    assert complaints(name) == []


class TestTable:
    def test_the_copy_for_r_is_up_to_date(self, repository):
        copy = json.loads((repository / "inst" / "decorators.json").read_text(encoding="utf-8"))
        assert copy == decorator_table(), (
            "run: PYTHONPATH=python python -m metaflow_core.decorators > inst/decorators.json"
        )

    def test_the_command_prints_the_copy(self, repository):
        printed = subprocess.run(
            [sys.executable, "-m", "metaflow_core.decorators"],
            check=True,
            capture_output=True,
            cwd=repository / "python",
        ).stdout
        assert printed == (repository / "inst" / "decorators.json").read_bytes()

    def test_the_format(self):
        table = decorator_table()
        assert table["retry"]["level"] == "step"
        assert table["environment_variables"]["aliases"] == ["environment"]
        times = table["retry"]["args"][0]
        assert times.pop("help")
        assert times == {
            "name": "times",
            "types": ["int"],
            "default": 3,
            "min": 0,
            "max": None,
            "vector": False,
            "choices": [],
        }
        assert canonical_json(table)


class TestRetry:
    def test_defaults(self):
        found = policy(("retry", {}))
        assert (found.max_attempts, found.delays_seconds) == (4, (120.0, 120.0, 120.0))

    def test_decorators_of_the_users_have_no_policy(self):
        from metaflow_core.decorators.policy import effective
        from metaflow_core.graph.decorator import DecoratorSpec

        # Even one with the name of ours, in a flow that an extension's decorator was made for.
        assert effective([DecoratorSpec("retry", {"times": 9}, user=True)]).max_attempts == 1

    def test_retry_for_some_causes_with_more_memory(self):
        found = policy(
            ("retry", {"times": 3, "on": ["oom", "crash"], "memory": [8000, 16000]}), ("resources", {"memory": 4000})
        )
        assert [found.retries(cause) for cause in ("oom", "crash", "error", "timeout")] == [True, True, False, False]
        assert [found.for_attempt(attempt).memory_mb for attempt in range(4)] == [4000, 8000, 16000, 16000]
        assert policy(("retry", {"on": "oom"})).retry_on == ("oom",)

    def test_retry_for_all_causes_with_the_same_memory(self):
        found = policy(("retry", {}), ("resources", {"memory": 4000}))
        assert found.retries("error")
        assert found.for_attempt(2) is found

    def test_a_retry_never_has_less_memory(self):
        assert policy(("retry", {"memory": 10}), ("resources", {"memory": 4000})).for_attempt(1).memory_mb == 4000

    def test_a_cause_that_nobody_knows(self):
        assert "one of 'error', 'timeout', 'oom'" in complaints("retry", on=["oom", "magic"])[0]

    def test_no_retry(self):
        assert policy(("retry", {"times": 0})).delays_seconds == ()

    def test_growing_pauses_the_last_one_lasts(self):
        found = policy(("retry", {"times": 4, "minutes_between_retries": [0, 0.5, 5]}))
        assert found.delays_seconds == (0.0, 30.0, 300.0, 300.0)

    def test_more_pauses_than_retries(self):
        assert policy(("retry", {"times": 1, "minutes_between_retries": [1, 2, 3]})).delays_seconds == (60.0,)

    def test_whole_numbers_may_be_doubles(self):
        assert policy(("retry", {"times": 2.0})).max_attempts == 3

    @pytest.mark.parametrize("pause", [-1, [1, -1], "2", True, [], [[1]], {"a": 1}, float("nan")])
    def test_bad_pauses(self, pause):
        assert complaints("retry", minutes_between_retries=pause)[0].startswith(
            "retry: 'minutes_between_retries' must be a number, at least 0, or several of them, not "
        )


class TestCatch:
    def test_with_and_without_an_artifact(self):
        assert (policy().catches, policy().catch_var) == (False, None)
        found = policy(("catch", {"var": "problem", "print_exception": False}))
        assert (found.catches, found.catch_var, found.print_exception) == (True, "problem", False)
        assert (policy(("catch", {})).catches, policy(("catch", {})).catch_var) == (True, None)

    def test_null_is_not_given(self):
        assert policy(("catch", {"var": None, "print_exception": None})).print_exception is True

    @pytest.mark.parametrize("var", ["input", "a.b", "", "_x", "function"])
    def test_the_artifact_needs_a_good_name(self, var):
        assert complaints("catch", var=var)[0].startswith(f"catch: the artifact name '{var}' ")


class TestTimeout:
    def test_durations_add_up(self):
        assert policy(("timeout", {"seconds": 1, "minutes": 2, "hours": 3})).timeout_seconds == 10921.0
        assert policy(("timeout", {"minutes": 0.5})).timeout_seconds == 30.0
        assert policy().timeout_seconds is None

    @pytest.mark.parametrize("args", [{}, {"seconds": 0}, {"minutes": None}])
    def test_no_duration(self, args):
        assert complaints("timeout", **args) == [
            "timeout: give a duration above zero, for example timeout(minutes = 5)"
        ]

    def test_negative(self):
        assert complaints("timeout", seconds=-1) == ["timeout: 'seconds' must be a number, at least 0, not -1"]


class TestResources:
    def test_nothing_asked_for(self):
        assert policy() == StepPolicy(cpu=0.0, memory_mb=0.0, gpu=0.0)
        assert policy(("batch", {"image": "r"})) == StepPolicy(backend="aws_batch", backend_args={"image": "r"})

    @pytest.mark.parametrize("name", ["resources", *CLUSTERS])
    def test_every_compute_decorator_reads_the_same(self, name):
        found = policy((name, {"cpu": 4, "memory": 60000, "gpu": 1}))
        assert (found.cpu, found.memory_mb, found.gpu) == (4.0, 60000.0, 1.0)

    def test_the_larger_wish_is_granted(self):
        found = policy(("titus", {"cpu": 4, "memory": 100}), ("resources", {"cpu": 2, "memory": 200}))
        assert (found.cpu, found.memory_mb) == (4.0, 200.0)

    def test_less_than_one_core_is_possible(self):
        assert policy(("resources", {"cpu": 0.5})).cpu == 0.5

    @pytest.mark.parametrize("name", CLUSTERS)
    def test_clusters_exclude_each_other(self, name):
        assert set(plugins("decorators").get(name).conflicts) == set(CLUSTERS) - {name}

    @pytest.mark.parametrize("args", [{"cpu": 0}, {"cpu": "4"}, {"memory": 0}, {"memory": "16G"}, {"gpu": -1}])
    def test_bad_sizes(self, args):
        assert len(complaints("resources", **args)) == 1

    def test_choices(self):
        assert complaints("kubernetes", image_pull_policy="Sometimes") == [
            "kubernetes: 'image_pull_policy' must be one of 'Always', 'IfNotPresent', 'Never', not \"Sometimes\""
        ]


class TestEnvironment:
    @pytest.mark.parametrize("name", ["environment_variables", "environment"])
    def test_both_names_and_both_ways_to_write_it(self, name):
        assert policy((name, {"A": "x", "vars": {"B": "y"}})).env == {"A": "x", "B": "y"}

    def test_values_become_text_as_in_r(self):
        found = policy(("environment", {"A": True, "B": 1, "C": 1.5, "D": 100000.0, "E": ""}))
        assert found.env == {"A": "TRUE", "B": "1", "C": "1.5", "D": "100000", "E": ""}

    def test_several_decorators_add_up(self):
        found = policy(("environment", {"A": "1", "B": "1"}), ("environment", {"B": "2"}))
        assert found.env == {"A": "1", "B": "2"}

    @pytest.mark.parametrize(
        "args",
        [
            {"1A": "x"},
            {"A B": "x"},
            {"A=": "x"},
            {"A": ["x"]},
            {"vars": "A=1"},
            {"vars": {"A": None}},
            {"A": "a\0b"},
            {"A": {"b": 1}},
        ],
    )
    def test_bad_variables(self, args):
        assert len(complaints("environment", **args)) == 1


class TestContract:
    @pytest.mark.parametrize(
        ("plugin", "complaint"),
        [
            ("text", "must be a DecoratorType"),
            (DecoratorType("other", "Help."), "calls itself 'other'"),
            (DecoratorType("mine", "Help.", level="task"), "unknown level 'task'"),
            (DecoratorType("mine", "Help.", not_on=("join",)), "unknown transition 'join'"),
            (DecoratorType("mine", "Help.", args=(Argument("a", ("integer",)),)), "unknown types"),
            (DecoratorType("mine", "Help.", args=(Argument("a", ()),)), "unknown types"),
            (DecoratorType("mine", "Help.", args=(Argument("a", ("int",), default="x"),)), "the default of 'a'"),
            (DecoratorType("mine", "Help.", args=(Argument("a", ("int",)), Argument("a", ("str",)))), "the same name"),
        ],
    )
    def test_what_breaks_it_is_told(self, plugin, complaint):
        with pytest.raises(InternalError, match=complaint):
            check_decorator("mine", plugin)

    def test_a_good_one_passes(self):
        check_decorator(
            "mine", DecoratorType("mine", "Help.", level="flow", args=(Argument("a", ("int",), default=1),))
        )


@settings(max_examples=300)
@given(st.sampled_from(NAMES), st.data())
def test_arguments_without_complaints_always_give_a_policy(name, data):
    plugin = plugins("decorators").get(name)
    known = [argument.name for argument in plugin.args]
    args = data.draw(
        st.dictionaries(
            st.sampled_from([*known, "other"]),
            st.integers(-1, 5) | st.text(max_size=3) | st.lists(st.integers(0, 3)) | any_json,
            max_size=4,
        )
    )
    if plugin.complaints(args):
        return
    found = policy((name, args))
    assert len(found.delays_seconds) == found.max_attempts - 1
    assert all(delay >= 0 for delay in found.delays_seconds)
    assert found.timeout_seconds is None or found.timeout_seconds > 0
    assert found.cpu >= 0 and found.memory_mb >= 0 and found.gpu >= 0
    assert all(isinstance(value, str) for value in found.env.values())


def test_an_unknown_decorator_has_no_policy():
    with pytest.raises(MetaflowError, match="unknown decorator 'retri'"):
        policy(("retri", {}))
