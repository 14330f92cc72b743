import pytest
from flow_strategies import any_flows, broken_flows, valid_flows
from flows import SHAPES, decorator, flow, of_shape, step
from hypothesis import given, settings
from metaflow_core.errors import InvalidFlow
from metaflow_core.graph.lint import problems, require_valid
from metaflow_core.graph.render import FORMATS, render


def codes(spec):
    return [(problem.code, problem.step) for problem in problems(spec)]


def only(spec):
    """The single problem of a flow."""
    found = problems(spec)
    assert len(found) == 1, found
    assert found[0].message and found[0].hint
    return found[0]


def linear(*extra, **fields):
    """start -> a -> end, where `fields` go to step a."""
    return flow(step("start", "a"), step("a", "end", **fields), step("end"), *extra)


@pytest.mark.parametrize("entry", SHAPES, ids=lambda entry: entry["name"])
def test_shapes_of_the_cross_tests_have_no_problems(entry):
    assert problems(of_shape(entry)) == []


class TestTransitions:
    def test_no_steps_is_the_only_problem_of_an_empty_flow(self):
        assert codes(flow()) == [("no_steps", None)]

    def test_start_and_end_are_both_missed(self):
        assert codes(flow(step("a", "b"), step("b", "a"))) == [("no_start", None), ("no_end", None), ("cycle", "a")]

    def test_end_goes_nowhere(self):
        found = codes(flow(step("start", "end"), step("end", "start")))
        assert ("end_with_next", "end") in found

    @pytest.mark.parametrize("fields", [{"foreach": "xs"}, {"switch": {"condition": "ok", "cases": {}}}])
    def test_end_does_not_split(self, fields):
        assert ("end_with_next", "end") in codes(flow(step("start", "end"), step("end", **fields)))

    def test_a_step_without_next(self):
        problem = only(
            flow(step("start", ["a", "b"]), step("a"), step("b", "join"), step("join", "end", join=True), step("end"))
        )
        assert (problem.code, problem.step) == ("no_next", "a")
        assert problem.message == "step 'a' does not say where it goes next"

    def test_a_misspelled_next_step_is_told_once_with_the_near_name(self):
        problem = only(flow(step("start", "fitt"), step("fit", "end"), step("end")))
        assert problem.message == "step 'start' goes to 'fitt', which does not exist"
        assert problem.hint == "Did you mean 'fit'?"

    def test_an_unknown_next_step_without_a_near_name(self):
        found = problems(flow(step("start", "zzz"), step("end")))
        assert [problem.code for problem in found] == ["unknown_next", "unreachable"]
        assert "start" in found[0].hint

    def test_the_same_target_twice(self):
        assert only(flow(step("start", ["a", "a"]), step("a", "end"), step("end"))).code == "next_twice"

    def test_foreach_goes_to_one_step(self):
        found = codes(
            flow(
                step("start", ["a", "b"], foreach="xs"),
                step("a", "join"),
                step("b", "join"),
                step("join", "end", join=True),
                step("end"),
            )
        )
        assert found == [("foreach_with_branch", "start")]

    def test_foreach_is_no_switch(self):
        found = codes(flow(step("start", {"yes": "a", "no": "end"}, foreach="xs"), step("a", "end"), step("end")))
        assert found == [("foreach_with_switch", "start")]

    def test_switch_without_cases(self):
        spec = flow({"name": "start", "next": ["end"], "switch": {"condition": "ok", "cases": {}}}, step("end"))
        assert ("switch_without_cases", "start") in codes(spec)

    def test_switch_and_next_disagree(self):
        spec = flow(
            {"name": "start", "next": ["end"], "switch": {"condition": "ok", "cases": {"yes": "a", "no": "end"}}},
            step("a", "end"),
            step("end"),
        )
        assert codes(spec) == [("switch_next_mismatch", "start")]

    def test_max_iterations_belongs_to_a_recursion(self):
        cases = {"condition": "ok", "cases": {"yes": "end"}, "max_iterations": 3}
        assert only(linear(switch=cases)).code == "max_iterations_without_recursion"
        cases["cases"] = {"yes": "end", "no": "a"}
        recursive = flow(step("start", "a"), step("a", ["end", "a"], switch=cases), step("end"))
        assert problems(recursive) == []
        assert recursive.step("a").switch.to_dict() == cases
        cases["max_iterations"] = 0
        assert (
            only(flow(step("start", "a"), step("a", ["end", "a"], switch=cases), step("end"))).code
            == "bad_max_iterations"
        )

    @pytest.mark.parametrize(
        ("fields", "code"),
        [
            ({"on_error": "ignore"}, "bad_on_error"),
            ({"min_success": 95}, "bad_min_success"),
            ({"on_error": "stop", "min_success": 0.5}, "min_success_with_stop"),
        ],
    )
    def test_partial_success_of_a_foreach(self, fields, code):
        def spec(**more):
            return flow(
                step("start", "a", foreach="xs", **more), step("a", "join"), step("join", "end", join=True), step("end")
            )

        assert only(spec(**fields)).code == code
        for good in (
            {"on_error": "continue"},
            {"min_success": 0.95},
            {"on_error": "stop"},
            {"on_error": "continue", "min_success": 0},
        ):
            assert problems(spec(**good)) == []
            assert good.items() <= spec(**good).step("start").to_dict().items()

    def test_partial_success_without_a_foreach(self):
        assert only(linear(on_error="continue")).code == "partial_success_without_foreach"

    def test_nothing_goes_back_to_start(self):
        found = codes(flow(step("start", "end"), step("a", "start"), step("end")))
        assert ("start_with_incoming", "start") in found


class TestStructure:
    def test_unreachable(self):
        problem = only(linear(step("lost", "end")))
        assert (problem.code, problem.step) == ("unreachable", "lost")
        assert problem.message == "step 'lost' cannot be reached from 'start'"

    def test_no_path_to_end(self):
        spec = flow(step("start", {"yes": "a", "no": "end"}), step("a", {"again": "a"}), step("end"))
        assert codes(spec) == [("no_path_to_end", "a")]

    def test_a_loop_is_told_once_as_a_path(self):
        problem = only(flow(step("start", "a"), step("a", "b"), step("b", {"again": "a", "done": "end"}), step("end")))
        assert (problem.code, problem.step) == ("cycle", "a")
        assert problem.message == "the steps run in a circle: a -> b -> a"

    def test_a_step_that_goes_to_itself_without_a_condition(self):
        found = problems(flow(step("start", "a"), step("a", ["a", "end"]), step("end")))
        assert [problem.code for problem in found] == ["cycle"]
        assert found[0].message.endswith("a -> a")

    def test_a_switch_may_go_to_itself(self):
        assert problems(flow(step("start", {"again": "start", "done": "end"}), step("end"))) == []

    def test_cases_of_a_switch_may_meet_without_a_join(self):
        spec = flow(
            step("start", {"yes": "a", "no": "b"}), step("a", "c"), step("b", "c"), step("c", "end"), step("end")
        )
        assert problems(spec) == []

    def test_branches_meet_without_a_join(self):
        problem = only(flow(step("start", ["a", "b"]), step("a", "c"), step("b", "c"), step("c", "end"), step("end")))
        assert (problem.code, problem.step) == ("missing_join", "c")
        assert problem.message == "step 'c' is reached from 'a', 'b', which run side by side, but it is not a join"
        assert problem.hint == 'Write step(step = "c", join = TRUE, r_function = function(self, inputs) ...).'

    def test_branches_meet_in_end(self):
        problem = only(flow(step("start", ["a", "b"]), step("a", "end"), step("b", "end"), step("end")))
        assert (problem.code, problem.step) == ("missing_join", "end")

    def test_foreach_runs_into_end(self):
        problem = only(flow(step("start", "a", foreach="xs"), step("a", "end"), step("end")))
        assert (problem.code, problem.step) == ("split_not_joined", "start")
        assert problem.message == "the foreach of step 'start' reaches 'end' without a join"

    def test_each_open_split_at_the_end_is_named(self):
        spec = flow(step("start", "a", foreach="xs"), step("a", "b", foreach="ys"), step("b", "end"), step("end"))
        assert codes(spec) == [("split_not_joined", "start"), ("split_not_joined", "a")]

    def test_join_without_split(self):
        problem = only(linear(join=True))
        assert (problem.code, problem.step) == ("join_without_split", "a")

    def test_join_of_two_splits(self):
        problem = only(
            flow(
                step("start", ["a", "b"]),
                step("a", ["c", "d"]),
                step("c", "join"),
                step("d", "join"),
                step("b", "join"),
                step("join", "end", join=True),
                step("end"),
            )
        )
        assert (problem.code, problem.step) == ("join_of_two_splits", "join")
        assert "'c' (in a branch of 'a')" in problem.message
        assert "'b' (in a branch of 'start')" in problem.message

    def test_join_of_a_split_and_of_none(self):
        spec = flow(
            step("start", {"one": "a", "many": "b"}),
            step("a", "join"),
            step("b", "c", foreach="xs"),
            step("c", "join"),
            step("join", "end", join=True),
            step("end"),
        )
        problem = only(spec)
        assert problem.code == "join_of_two_splits"
        assert "'a' (in no split)" in problem.message

    def test_branches_end_in_different_joins(self):
        spec = flow(
            step("start", ["a", "b"]),
            step("a", "j1"),
            step("b", "j2"),
            step("j1", "j3", join=True),
            step("j2", "j3", join=True),
            step("j3", "end"),
            step("end"),
        )
        problem = only(spec)
        assert (problem.code, problem.step) == ("split_joined_twice", "start")
        assert "'j1', 'j2'" in problem.message

    def test_foreach_needs_a_body(self):
        problem = only(flow(step("start", "join", foreach="xs"), step("join", "end", join=True), step("end")))
        assert (problem.code, problem.step) == ("foreach_without_body", "start")

    def test_a_branch_may_be_empty(self):
        spec = flow(step("start", ["a", "join"]), step("a", "join"), step("join", "end", join=True), step("end"))
        assert problems(spec) == []

    def test_a_join_does_not_split_again(self):
        spec = flow(
            step("start", ["a", "b"]),
            step("a", "join"),
            step("b", "join"),
            step("join", ["c", "d"], join=True),
            step("c", "last"),
            step("d", "last"),
            step("last", "end", join=True),
            step("end"),
        )
        assert codes(spec) == [("join_and_split", "join")]

    def test_end_is_no_join(self):
        spec = flow(step("start", ["a", "b"]), step("a", "end"), step("b", "end"), step("end", join=True))
        assert codes(spec) == [("end_is_join", "end")]

    def test_start_is_no_join(self):
        assert codes(flow(step("start", "end", join=True), step("end"))) == [("join_without_split", "start")]

    def test_one_mistake_is_not_told_again_downstream(self):
        spec = flow(
            step("start", ["a", "b"]),
            step("a", "c"),
            step("b", "c"),
            step("c", "d"),
            step("d", "e", foreach="xs"),
            step("e", "f"),
            step("f", "end", join=True),
            step("end"),
        )
        assert codes(spec) == [("missing_join", "c")]


class TestNames:
    @pytest.mark.parametrize("name", ["", "1st", "my step", "a-b", "_a", "ä", "a" * 101, "next", "TRUE", "a\n"])
    def test_bad_step_names(self, name):
        spec = flow(step("start", name), step(name, "end"), step("end"))
        assert codes(spec) == [("bad_step_name", name)]

    def test_a_repaired_name_is_offered(self):
        spec = flow(step("start", "fit model!"), step("fit model!", "end"), step("end"))
        assert only(spec).hint == "Call it 'fit_model', for example."

    def test_bad_flow_name(self):
        problem = only(flow(step("start", "end"), step("end"), name="my.flow"))
        assert (problem.code, problem.step) == ("bad_flow_name", None)
        assert problem.hint == "Call it 'my_flow', for example."

    def test_duplicate_steps(self):
        problem = only(linear(step("a", "end")))
        assert (problem.code, problem.message) == ("duplicate_step", "step 'a' is defined 2 times")

    def test_steps_that_differ_by_case(self):
        spec = flow(step("start", "fit"), step("fit", "Fit"), step("Fit", "end"), step("end"))
        assert codes(spec) == [("step_names_differ_by_case", "Fit")]

    def test_an_artifact_may_have_a_dot_in_its_name(self):
        spec = flow(step("start", "a", foreach="my.grid"), step("a", "b"), step("b", "end", join=True), step("end"))
        assert codes(spec) == []

    @pytest.mark.parametrize("name", ["input", "index", "foreach_stack", "next_step", "_x", "a-b", ".2x", "if"])
    def test_reserved_artifacts(self, name):
        spec = flow(step("start", "a", foreach=name), step("a", "b"), step("b", "end", join=True), step("end"))
        assert codes(spec) == [("bad_artifact_name", "start")]
        condition = flow(
            {"name": "start", "next": ["end"], "switch": {"condition": name, "cases": {"yes": "end"}}}, step("end")
        )
        assert codes(condition) == [("bad_artifact_name", "start")]


class TestFunctions:
    def test_join_takes_inputs(self):
        spec = flow(
            step("start", "a", foreach="xs"),
            step("a", "b"),
            step("b", "end", join=True, has_function=True, arity=1),
            step("end"),
        )
        problem = only(spec)
        assert problem.message == "step 'b' is a join, its function must take self and inputs, not one argument"
        assert problem.hint == "Write function(self, inputs) ..."

    def test_a_function_may_take_nothing(self):
        assert problems(linear(has_function=True, arity=0)) == []

    @pytest.mark.parametrize("arity", [2, 3])
    def test_other_steps_take_self(self, arity):
        assert only(linear(has_function=True, arity=arity)).code == "wrong_arity"

    def test_an_unknown_arity_is_fine(self):
        assert problems(linear(has_function=True, arity=None)) == []

    def test_language(self):
        assert only(linear(language="julia")).code == "unknown_language"

    def test_decorators_made_of_r_functions_are_for_steps_in_r(self):
        own = {"name": "timed", "args": {}, "user": True}
        assert problems(linear(decorators=[own])) == []
        python = {"language": "python", "function": "steps.py:a", "has_function": True, "decorators": [own]}
        assert only(linear(**python)).code == "decorator_of_another_language"


class TestParameters:
    def check(self, *parameters, **fields):
        return only(flow(step("start", "end", **fields), step("end"), parameters=list(parameters)))

    @pytest.mark.parametrize("name", ["", "input", "2x", "learning rate", "a.b", "function", "_x"])
    def test_names(self, name):
        assert self.check({"name": name}).code == "bad_parameter_name"

    @pytest.mark.parametrize("name", ["user", "tag", "run_id", "seed", "lambda", "help"])
    def test_names_of_options_are_fine(self, name):
        assert problems(flow(step("start", "end"), step("end"), parameters=[{"name": name}])) == []

    def test_twice(self):
        assert self.check({"name": "x"}, {"name": "x"}).code == "duplicate_parameter"

    def test_case(self):
        assert self.check({"name": "alpha"}, {"name": "Alpha"}).code == "parameter_names_differ_by_case"

    def test_unknown_type(self):
        problem = self.check({"name": "x", "type": "integer"})
        assert problem.code == "unknown_parameter_type"

    def test_required_with_default(self):
        assert (
            self.check({"name": "x", "required": True, "default": 3, "has_default": True}).code
            == "required_with_default"
        )

    def test_bad_default(self):
        problem = self.check({"name": "x", "type": "int", "default": "three"})
        assert problem.code == "bad_default"
        assert problem.message == "the default of parameter 'x' must be a whole number, not \"three\""

    def test_separator(self):
        assert self.check({"name": "x", "type": "str", "separator": ""}).code == "empty_separator"

    def test_flag(self):
        assert self.check({"name": "x", "type": "str", "is_flag": True}).code == "flag_not_bool"

    def test_catch_does_not_overwrite(self):
        problem = self.check({"name": "x"}, decorators=[decorator("catch", var="x")])
        assert (problem.code, problem.step) == ("parameter_assigned", "start")


class TestDecorators:
    def check(self, *decorators, next="end", **fields):
        return only(flow(step("start", next, decorators=list(decorators), **fields), step("end")))

    def test_unknown(self):
        problem = self.check(decorator("retri"))
        assert problem.message == "step 'start': unknown decorator 'retri'"
        assert problem.hint == "Did you mean 'retry'?"

    def test_a_decorator_of_the_users_is_told_by_its_mark(self):
        own = {"name": "audit", "args": {"level": "info"}, "user": True}
        spec = linear(decorators=[own])
        assert problems(spec) == []
        assert spec.step("a").to_dict()["decorators"] == [own]

    def test_modules_beside_the_decorators_are_none(self):
        assert self.check(decorator("policy")).code == "unknown_decorator"

    def test_unknown_argument(self):
        problem = self.check(decorator("retry", time=3))
        assert problem.message == "step 'start': retry has no argument 'time'"
        assert problem.hint == "Did you mean 'times'?"

    @pytest.mark.parametrize(
        "args", [{"times": "3"}, {"times": 1.5}, {"times": -1}, {"times": True}, {"times": [1, 2]}]
    )
    def test_badly_typed_argument(self, args):
        problem = self.check(decorator("retry", **args))
        assert problem.code == "bad_decorator_argument"
        assert "'times' must be a whole number, at least 0, not " in problem.message

    def test_all_bad_arguments_are_told(self):
        spec = flow(step("start", "end", decorators=[decorator("retry", times="x", minute=1)]), step("end"))
        assert [code for code, _ in codes(spec)] == ["bad_decorator_argument"] * 2

    def test_duplicate_also_by_alias(self):
        problem = self.check(decorator("environment", A="1"), decorator("environment_variables", B="1"))
        assert problem.code == "duplicate_decorator"

    def test_conflict(self):
        problem = self.check(decorator("batch"), decorator("titus"))
        assert problem.message == "step 'start': batch and titus cannot be used together"

    def test_resources_go_with_a_cluster(self):
        decorators = [decorator("batch"), decorator("resources", cpu=2)]
        assert problems(flow(step("start", "end", decorators=decorators), step("end"))) == []

    def test_catch_is_not_for_foreach(self):
        spec = flow(
            step("start", "a", foreach="xs", decorators=[decorator("catch")]),
            step("a", "b"),
            step("b", "end", join=True),
            step("end"),
        )
        problem = only(spec)
        assert problem.message == "step 'start' has a foreach, so it cannot have the decorator catch"

    def test_catch_is_not_for_a_switch(self):
        assert self.check(decorator("catch"), next={"yes": "end"}).code == "decorator_not_on_transition"

    def test_step_decorator_on_the_flow(self):
        problem = only(flow(step("start", "end"), step("end"), decorators=[decorator("retry")]))
        assert (problem.code, problem.step) == ("misplaced_decorator", None)

    def test_catch_needs_a_good_artifact_name(self):
        assert "is reserved" in self.check(decorator("catch", var="input")).message


def test_problems_are_told_all_at_once_in_the_order_of_the_steps():
    spec = flow(
        step("start", ["a", "b"], line=3),
        step("a", "endd", line=5),
        step("b", "c", join=True, line=7),
        step("c", "end", decorators=[decorator("nothing_like_it")], line=9),
        step("end"),
        parameters=[{"name": "input"}],
    )
    found = problems(spec)
    assert [(problem.code, problem.line) for problem in found] == [
        ("bad_parameter_name", None),
        ("unknown_next", 5),
        ("unknown_decorator", 9),
    ]


def test_the_error_reads_well_and_carries_the_problems():
    spec = flow(
        step("start", "fitt", line=3),
        step("fit", "end", decorators=[decorator("retry", times="x")]),
        step("end"),
        script="flow.R",
    )
    with pytest.raises(InvalidFlow) as raised:
        require_valid(spec)
    assert raised.value.message == "\n".join(
        [
            "flow 'TestFlow' has 2 problems:",
            "  1. flow.R:3: step 'start' goes to 'fitt', which does not exist",
            "     Did you mean 'fit'?",
            "  2. step 'fit': retry: 'times' must be a whole number, at least 0, not \"x\"",
            "     How many times a failed task is tried again.",
        ]
    )
    assert [problem["code"] for problem in raised.value.data] == ["unknown_next", "bad_decorator_argument"]


@settings(max_examples=150)
@given(any_flows() | broken_flows())
def test_lint_and_drawings_survive_every_flow(spec):
    assert all(problem.message and isinstance(problem.hint, str) for problem in problems(spec))
    for format in FORMATS:
        assert isinstance(render(spec, format, ascii=True), str)


@settings(max_examples=150)
@given(valid_flows())
def test_valid_flows_have_no_problems(spec):
    assert problems(spec) == []
