"""Memoised steps with a real datastore and tasks that are Python functions; what R notes: tests/testthat."""

import os
import time

import pytest
from flows import decorator, flow, step
from metaflow_core.engine import memory as memory_module
from metaflow_core.engine.outdated import outdated_steps
from metaflow_core.store.memos import MemoStore
from scripted_backend import Engine, events, fail, pack, succeed

CACHED = {"decorators": [decorator("cache")]}
SPLIT = flow(
    step("start", "fit", foreach="grid", **CACHED),
    step("fit", "join", **CACHED),
    step("join", "end", join=True, **CACHED),
    step("end"),
)


class Workspace:
    """A flow, the code of its steps, and what each of its tasks looks at."""

    def __init__(self, folder, spec=SPLIT, notes=None, pieces=None):
        self.engine = Engine(folder / "store", spec.to_dict())
        self.notes = notes or {}
        self.pieces = {"steps/start": "start", "steps/fit": "fit", "steps/join": "join", **(pieces or {})}
        self.system = {"R": "4.4.1"}
        self.libraries = [str(folder / "library")]
        self.facts = {}
        self.values = {}
        self.count = 3
        self.ran = []
        self.more = {}
        self.install("dplyr", "1.0")

    def install(self, package, version, **fields):
        folder = os.path.join(self.libraries[0], package)
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, "DESCRIPTION"), "w", encoding="utf-8") as file:
            file.write(
                "".join(
                    f"{name}: {value}\n" for name, value in {"Package": package, "Version": version, **fields}.items()
                )
            )

    def request(self, **more):
        staging = os.path.join(os.path.dirname(self.engine.root), "staging")
        os.makedirs(staging, exist_ok=True)
        packed = pack({name: value.encode() for name, value in self.values.items()}, "parameters")
        described = []
        with open(os.path.join(staging, "fingerprint"), "wb") as file:
            for name, content in self.pieces.items():
                described.append({"name": name, "size": len(content.encode()), **self.facts.get(name, {})})
                if not self.facts.get(name, {}).get("problem"):
                    file.write(content.encode())
        with open(os.path.join(staging, "parameters"), "wb") as file:
            file.write(packed["files"]["parameters"])
        names = [name[8:] for name in self.pieces if name.startswith("globals/")]
        fingerprint = {
            "file": "fingerprint",
            "pieces": described,
            "system": self.system,
            "attached": [],
            "rng": [],
            "plain": [name for name in names if "." not in name],
            "libraries": self.libraries,
        }
        return {"fingerprint": fingerprint, "values": packed["artifacts"], "staging": staging, "seed": 1, **more}

    def behave(self, order):
        self.ran.append(order["position"])
        notes = self.notes.get(order["step"], [])
        seen = {name: ref.rsplit(" ", 1)[1] for name, ref in (order.get("artifacts") or {}).items()}
        told = repr(
            (
                self.pieces.get(f"steps/{order['step']}"),
                [seen.get(note[5:]) for note in notes if note.startswith("self:")],
            )
        )
        result = succeed(order, count=self.count)
        result.update(pack({f"of_{order['step']}": told.encode()}))
        if "foreach" in order:
            elements = [f"element {index}".encode() for index in range(self.count)]
            result["foreach"] = {"count": self.count, "file": "splits", "sizes": list(map(len, elements))}
            result["files"]["splits"] = b"".join(elements)
        result["carried"] = {}
        if order.get("trace"):
            result["trace"] = {"notes": notes, "packages": {"dplyr": "1.0"}, **self.more}
        return result

    def run(self, behave=None, **more):
        self.ran = []
        loop = self.engine.run(behave or self.behave, **self.request(**more))
        assert loop.status == "completed"
        return loop

    def positions(self, **more):
        self.run(**more)
        return sorted(self.ran)

    def outdated(self, **more):
        return outdated_steps(
            self.engine.open(), self.engine.settings, {"spec": self.engine.spec, **self.request(**more)}
        )

    def why(self, run, position):
        return self.engine.records(run)[position]["memo"]["why"]


ALL = ["end", "fit[0]", "fit[1]", "fit[2]", "join", "start"]
NOTES = {"fit": ["input", "self:of_start"], "join": ["inputs:of_fit"]}


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path, notes=NOTES)


def test_what_did_the_same_is_not_run_again(workspace):
    assert workspace.positions() == ALL
    loop = workspace.run()
    assert workspace.ran == ["end"]
    assert loop.scheduler.cloned == 5
    first, second = (workspace.engine.records(run) for run in "12")
    assert workspace.engine.artifacts("1") == workspace.engine.artifacts("2")
    for position in set(ALL) - {"end"}:
        assert second[position]["cached"] is True
        assert second[position]["origin"] == f"TestFlow/1/{first[position]['step']}/{first[position]['task']}/0"
    assert [event["by_step"] for event in events(loop, "cloned")] == [{"start": 1, "fit": 3, "join": 1}]
    assert all(event["cached"] for event in events(loop, "cloned"))


def test_a_clone_points_at_the_task_that_ran(workspace):
    workspace.run()
    workspace.run()
    workspace.run()
    assert workspace.engine.records("3")["join"]["origin"].startswith("TestFlow/1/")


def test_code_that_the_task_has_not_used_does_not_count(workspace):
    workspace.pieces["globals/other"] = "1"
    workspace.run()
    workspace.pieces["globals/other"] = "2"
    assert workspace.positions() == ["end"]


@pytest.mark.parametrize(
    ("change", "kind", "what"),
    [
        ({"steps/fit": "other"}, "code", ["the function of the step"]),
        ({"globals/helper": "other"}, "code", ["helper"]),
        ({"classes": "other"}, "code", ["classes or methods"]),
        ({"other": "other"}, "code", ["what was captured beside it"]),
    ],
)
def test_code_that_it_has_used_does(workspace, change, kind, what):
    workspace.pieces.update({"globals/helper": "h", "classes": "c", "other": "o"})
    workspace.notes = {**NOTES, "fit": [*NOTES["fit"], "global:helper"]}
    workspace.run()
    workspace.pieces.update(change)
    ran = workspace.positions()
    assert {"fit[0]", "fit[1]", "fit[2]"} <= set(ran)
    assert workspace.why("2", "fit[1]")[kind] == what
    assert workspace.why("2", "fit[1]")["than"].startswith("TestFlow/1/fit")


def test_results_that_came_out_the_same_stop_the_change(workspace):
    workspace.run()
    workspace.pieces["globals/unused"] = "new"
    workspace.facts["steps/fit"] = {"words": ["unused"]}
    # The tasks of fit run again, since they may have seen the new name, but leave what they left.
    assert workspace.positions() == ["end", "fit[0]", "fit[1]", "fit[2]"]


# -- names that come and go


def added(workspace, name, **facts):
    workspace.run()
    workspace.pieces[f"globals/{name}"] = "new"
    workspace.facts.update(facts)
    return set(workspace.positions()) > {"end"}


def test_a_new_name_that_nobody_looks_up_changes_nothing(workspace):
    assert not added(workspace, "newcomer")


def test_a_new_name_that_may_be_a_method_counts(workspace):
    assert added(workspace, "print.thing")
    assert workspace.why("2", "start")["code"] == ["print.thing (new or removed)"]


def test_a_new_name_that_the_code_mentions_counts(workspace):
    workspace.facts = {"steps/start": {"words": ["newcomer"]}}
    assert added(workspace, "newcomer")


def test_a_new_name_counts_where_names_are_looked_up_that_nobody_knows(workspace):
    workspace.facts = {"steps/start": {"dynamic": True}}
    assert added(workspace, "newcomer")


@pytest.mark.parametrize(
    ("name", "words", "again"), [("gone", [], False), ("gone", ["gone"], True), ("print.gone", [], True)]
)
def test_a_name_that_is_gone(workspace, name, words, again):
    workspace.pieces[f"globals/{name}"] = "old"
    workspace.facts = {"steps/start": {"words": words}}
    workspace.run()
    del workspace.pieces[f"globals/{name}"]
    workspace.facts = {}
    assert (set(workspace.positions()) > {"end"}) == again


# -- inputs


def test_parameters_count_for_the_tasks_that_read_them(tmp_path):
    workspace = Workspace(tmp_path, notes={"start": [], "fit": ["self:alpha"], "join": []})
    workspace.values = {"alpha": "1", "beta": "1"}
    workspace.run()
    workspace.values = {"alpha": "1", "beta": "2"}
    assert workspace.positions() == ["end"]
    workspace.values = {"alpha": "2", "beta": "2"}
    assert workspace.positions() == ["end", "fit[0]", "fit[1]", "fit[2]"]
    assert workspace.why("3", "fit[0]")["inputs"] == ["alpha"]
    workspace.values = {"alpha": "1", "beta": "3"}
    assert workspace.positions() == ["end"], "a run before the last is remembered, too"


def test_new_elements_of_a_foreach_run_and_old_ones_do_not(workspace):
    workspace.run()
    workspace.count = 5
    workspace.pieces["steps/start"] = "more"
    workspace.notes = {"fit": ["input"], "join": ["inputs:of_fit"]}
    workspace.run()  # what fit had read has changed: all run
    workspace.count = 7
    workspace.pieces["steps/start"] = "even more"
    assert workspace.positions() == ["end", "fit[5]", "fit[6]", "join", "start"]
    assert workspace.why("3", "join")["inputs"] == ["the number of inputs", "of_fit of the inputs"]


def test_what_was_looked_for_and_not_found_counts(tmp_path):
    spec = flow(step("start", "a"), step("a", "end", **CACHED), step("end"))
    workspace = Workspace(tmp_path, spec, notes={"a": ["self:late"]})
    assert workspace.positions() == ["a", "end", "start"]
    assert workspace.positions() == ["end", "start"]

    def leave_late(order):
        result = workspace.behave(order)
        if order["step"] == "start":
            result.update(pack({"late": b"here"}))
        return result

    workspace.run(leave_late)
    assert sorted(workspace.ran) == ["a", "end", "start"]


def test_the_place_in_a_foreach_counts_only_for_who_asks(tmp_path):
    by_place = Workspace(tmp_path, notes={"fit": ["index"]})
    by_place.run(seed=1)
    # Another seed for every task; the seed is part of what is compared.
    assert len(by_place.positions(seed=2)) == 6
    assert "seed" in by_place.why("2", "fit[0]")


def test_facts_about_the_run(tmp_path):
    workspace = Workspace(
        tmp_path, notes={"start": ["current:tags"], "fit": ["current:retry_count"], "join": ["current:run_id"]}
    )
    workspace.run(tags=["a"])
    assert workspace.positions(tags=["a"]) == ["end", "join"]
    assert (
        workspace.engine.records("1")["join"]["memo"]["forgotten"]
        == 'it read current("run_id"), which is another one in each task'
    )
    assert workspace.positions(tags=["b"]) == ["end", "join", "start"]
    assert workspace.why("3", "start")["inputs"] == ['current("tags")']


# -- on, expire, seed, packages


def on(*what, **more):
    arguments = (
        {"decorators": [decorator("cache", on=list(what), **more)]}
        if what
        else {"decorators": [decorator("cache", **more)]}
    )
    return flow(step("start", "end", **arguments), step("end"))


@pytest.mark.parametrize("left_out", ["code", "inputs", "packages", "seed"])
def test_what_is_not_in_on_does_not_count(tmp_path, left_out):
    kinds = {"code", "inputs", "packages", "seed"}
    for number, kind in enumerate(sorted(kinds)):
        workspace = Workspace(tmp_path / str(number), on(*(kinds - {left_out})), notes={"start": ["self:alpha"]})
        workspace.values = {"alpha": "1"}
        assert workspace.positions() == ["end", "start"]
        if kind == "code":
            workspace.pieces["steps/start"] = "new"
        elif kind == "inputs":
            workspace.values = {"alpha": "2"}
        elif kind == "packages":
            workspace.install("dplyr", "1.1")
        ran = workspace.positions(seed=2 if kind == "seed" else 1)
        assert ran == (["end"] if kind == left_out else ["end", "start"])
        if kind != left_out:
            assert kind in workspace.why("2", "start")


def test_without_inputs_each_place_has_its_own_result(tmp_path):
    cached = {"decorators": [decorator("cache", on="code")]}
    spec = flow(
        step("start", "fit", foreach="grid"), step("fit", "join", **cached), step("join", "end", join=True), step("end")
    )
    workspace = Workspace(tmp_path, spec, notes={"fit": ["input"]})
    workspace.run()
    workspace.run()
    origins = [
        record["origin"].split("/")[3]
        for place, record in sorted(workspace.engine.records("2").items())
        if "fit" in place
    ]
    assert origins == ["2", "3", "4"]


def test_results_expire(tmp_path, monkeypatch):
    workspace = Workspace(tmp_path, on(expire="7d"))
    workspace.run()  # finished at second 2 of 1970, as the scripted backend says
    assert workspace.positions() == ["end", "start"]
    assert workspace.why("2", "start")["expired"] is True
    monkeypatch.setattr(memory_module.time, "time", lambda: 6 * 86400.0)
    assert workspace.positions() == ["end"]


def test_a_run_without_a_seed_has_the_same_one_each_time(workspace):
    seeds = [workspace.engine.open().runs.read_run("TestFlow", workspace.run(seed=None).run)["seed"] for _ in range(2)]
    assert seeds[0] == seeds[1]
    assert workspace.ran == ["end"]


def test_packages_that_the_code_only_names_count_with_all_they_need(workspace):
    workspace.install("tidy", "2.0", Imports="rlang (>= 1.0),\n    R6", Depends="R (>= 4.0)")
    workspace.install("rlang", "1.0")
    workspace.facts = {"steps/fit": {"packages": ["tidy"]}}
    workspace.run()
    assert workspace.positions() == ["end"]
    workspace.install("rlang", "1.1")
    assert "fit[0]" in workspace.positions()
    assert workspace.why("3", "fit[0]")["packages"] == ["rlang 1.0 -> 1.1"]


def test_an_installation_of_a_development_version_is_told_from_another(workspace):
    workspace.install("dplyr", "1.0.0.9000", Built="R 4.4.1; ; 2026-01-01 10:00:00 UTC; unix")
    workspace.more = {"packages": {"dplyr": "1.0.0.9000"}}
    workspace.run()
    assert workspace.positions() == ["end"]
    workspace.install("dplyr", "1.0.0.9000", Built="R 4.4.1; ; 2026-01-02 10:00:00 UTC; unix")
    assert len(workspace.positions()) == 6


def test_another_version_of_r_counts(workspace):
    workspace.run()
    workspace.system = {"R": "4.5.0"}
    assert len(workspace.positions()) == 6
    assert workspace.why("2", "start")["packages"] == ["R 4.4.1 -> 4.5.0"]


def test_how_a_step_is_set_up_counts_but_for_what_leaves_no_trace(tmp_path):
    def spec(*decorators):
        return flow(step("start", "end", decorators=[decorator("cache"), *decorators]), step("end"))

    workspace = Workspace(tmp_path, spec())
    workspace.run()
    harmless = spec(
        decorator("retry", times=1, minutes_between_retries=0),
        decorator("timeout", seconds=60),
        decorator("resources", cpu=2),
    )
    workspace.engine.spec = harmless.to_dict()
    assert workspace.positions() == ["end"]
    workspace.engine.spec = spec(decorator("environment_variables", A="1")).to_dict()
    assert workspace.positions() == ["end", "start"]
    assert workspace.why("3", "start") == {"settings": True}
    workspace.engine.spec = spec(decorator("environment_variables", A="2")).to_dict()
    assert workspace.positions() == ["end", "start"]


# -- what no task can take over


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"volatile": "it looked at runs through the client"}, "through the client"),
        ({"notes": ["self:x", "current:task_id"]}, "task_id"),
        ({"notes": ["global:con"]}, "the object 'con', which cannot be compared: it holds an external pointer"),
    ],
)
def test_a_task_that_cannot_be_repeated_is_forgotten(tmp_path, more, words):
    workspace = Workspace(tmp_path, on(), pieces={"globals/con": "c"})
    workspace.facts = {"globals/con": {"problem": "it holds an external pointer"}}
    workspace.more = more
    workspace.run()
    assert words in workspace.engine.records("1")["start"]["memo"]["forgotten"]
    assert workspace.positions() == ["end", "start"]


def test_code_that_cannot_be_compared_is_run_each_time(tmp_path):
    workspace = Workspace(tmp_path, on())
    workspace.facts = {"steps/start": {"problem": "it holds an external pointer"}}
    workspace.run()
    assert workspace.positions() == ["end", "start"]
    assert workspace.why("2", "start") == {"problem": "its code cannot be compared: it holds an external pointer"}


def test_a_worker_that_notes_nothing_is_not_trusted(tmp_path):
    workspace = Workspace(tmp_path, on())

    def silent(order):
        return {key: value for key, value in workspace.behave(order).items() if key != "trace"}

    workspace.run(silent)
    assert workspace.positions() == ["end", "start"]


def test_failed_and_caught_tasks_are_no_origin(tmp_path):
    spec = flow(
        step("start", "a"),
        step("a", "end", decorators=[decorator("cache"), decorator("catch", var="problem")]),
        step("end"),
    )
    workspace = Workspace(tmp_path, spec)
    workspace.run(lambda order: fail(order) if order["step"] == "a" else workspace.behave(order))
    assert workspace.positions() == ["a", "end", "start"]
    assert workspace.positions() == ["end", "start"]


def test_a_task_that_was_tried_twice_is_one(tmp_path):
    spec = flow(
        step("start", "end", decorators=[decorator("cache"), decorator("retry", times=1, minutes_between_retries=0)]),
        step("end"),
    )
    workspace = Workspace(tmp_path, spec)
    workspace.run(
        lambda order: fail(order) if order["step"] == "start" and order["attempt"] == 0 else workspace.behave(order)
    )
    workspace.run()
    assert workspace.engine.records("2")["start"]["origin"] == "TestFlow/1/start/1/1"


def test_tasks_of_a_failed_run_are_origins(workspace):
    loop = workspace.engine.run(
        lambda order: fail(order) if order["step"] == "end" else workspace.behave(order), **workspace.request()
    )
    assert loop.status == "failed"
    assert workspace.positions() == ["end"]


def test_only_tasks_of_the_namespace_are(workspace):
    workspace.run(namespace="user:other")
    workspace.engine.open().runs.change_tags("TestFlow", "1", lambda tags: {"shared"})
    assert workspace.positions(namespace="project:mine") == ALL
    assert workspace.why("2", "start")["namespace"] == "project:mine"
    assert workspace.positions(namespace="shared") == ["end"]


@pytest.mark.parametrize("what", ["run", "blob", "memo"])
def test_what_is_gone_is_done_again(workspace, what):
    workspace.run()
    store = workspace.engine.open()
    if what == "run":
        store.storage.delete_tree("flows/TestFlow/1")
    elif what == "memo":
        store.storage.delete_tree("flows/TestFlow/_memo")
    else:
        artifact = workspace.engine.records("1")["join"]["artifacts"]["of_join"]
        store.storage.delete(
            [f"blobs/{artifact.get('blob', artifact['digest'])[:2]}/{artifact.get('blob', artifact['digest'])}"]
        )
    ran = workspace.positions()
    assert ran == (["end", "join"] if what == "blob" else ALL)
    if what == "blob":
        assert workspace.why("2", "join")["gone"] is True


# -- together with everything else


def test_no_cache_runs_everything_and_remembers_it(workspace):
    workspace.run()
    assert workspace.positions(cache=False) == ALL
    assert workspace.engine.open().storage.exists
    workspace.run()
    assert workspace.engine.records("3")["start"]["origin"].startswith("TestFlow/2/"), "the newest one is taken"


def test_cache_for_every_step(tmp_path):
    workspace = Workspace(tmp_path, flow(step("start", "end"), step("end")))
    assert workspace.positions() == ["end", "start"]
    assert workspace.positions(cache=True) == ["end", "start"]
    assert workspace.positions(cache=True) == []


def test_resume_takes_over_and_remembers(workspace):
    first = workspace.engine.run(
        lambda order: fail(order) if order["position"] == "fit[1]" else workspace.behave(order),
        slots=1,
        **workspace.request(),
    )
    assert first.status == "failed"
    workspace.ran = []
    again = workspace.engine.run(workspace.behave, resume={"run": None, "step": None}, **workspace.request())
    assert again.status == "completed"
    assert sorted(workspace.ran) == ["end", "fit[1]", "fit[2]", "join"]
    assert workspace.positions() == ["end"]


def test_a_step_that_is_to_be_done_again_is_not_taken_over(workspace):
    workspace.run()
    workspace.ran = []
    workspace.engine.run(workspace.behave, resume={"run": "1", "step": "fit"}, **workspace.request())
    assert sorted(workspace.ran) == ["end", "fit[0]", "fit[1]", "fit[2]"], "join sees the same inputs again"


def test_after_a_task_that_was_remembered_the_resumed_run_does_not_count(tmp_path):
    """What the origin did after its own task says nothing about what comes after another task at that place."""
    spec = flow(step("start", "a"), step("a", "end", **CACHED), step("end"))
    workspace = Workspace(tmp_path, spec, notes={"a": ["self:x"]})

    def behave(x, broken=""):
        def act(order):
            result = workspace.behave(order)
            if order["step"] == "start":
                result.update(pack({"x": x}))
            return fail(order) if order["step"] == broken else result

        return act

    workspace.run(behave(b"1"))
    workspace.engine.run(behave(b"2"), **workspace.request())
    workspace.ran = []
    loop = workspace.engine.run(behave(b"1"), resume={"run": "2", "step": "start"}, **workspace.request())
    assert loop.status == "completed"
    assert sorted(workspace.ran) == ["end", "start"]
    assert workspace.engine.records("3")["a"]["origin"].startswith("TestFlow/1/")


def test_what_a_run_did_of_a_step_is_one_file(tmp_path):
    workspace = Workspace(tmp_path, notes=NOTES)
    workspace.count = 300
    workspace.run(max_num_splits=20000)
    store = workspace.engine.open()
    memos = MemoStore(store.storage)
    (kind,) = memos.kinds("TestFlow", "fit")
    assert len(memos.listed("TestFlow", "fit", kind)) == 1
    assert workspace.positions(max_num_splits=20000) == ["end"]


# -- what would be done


def test_outdated_tells_before_what_the_run_does_then(workspace):
    assert [row["current"] for row in workspace.outdated()] == [0, None, None, None]
    workspace.run()
    rows = {row["step"]: row for row in workspace.outdated()}
    assert {name: (row["tasks"], row["current"]) for name, row in rows.items()} == {
        "start": (1, 1),
        "fit": (3, 3),
        "join": (1, 1),
        "end": (1, 0),
    }
    assert [row["memoised"] for row in rows.values()] == [True, True, True, False]
    workspace.pieces["steps/fit"] = "new"
    rows = {row["step"]: row for row in workspace.outdated()}
    assert (rows["fit"]["tasks"], rows["fit"]["current"], rows["join"]["current"]) == (3, 0, None)
    assert rows["fit"]["why"]["code"] == ["the function of the step"]
    assert workspace.engine.open().runs.list_runs("TestFlow") == ["1"], "nothing was written"


def test_memos_are_written_while_the_run_goes_on(workspace, monkeypatch):
    monkeypatch.setattr(memory_module, "WRITE_SECONDS", 0.0)
    loop, _ = workspace.engine.begin(workspace.behave, **workspace.request())
    until = time.monotonic() + 30
    while not loop.finished and time.monotonic() < until:
        loop.advance(0)
        if MemoStore(workspace.engine.open().storage).kinds("TestFlow", "fit"):
            break
    assert not loop.finished, "a scheduler that is killed now has remembered what it committed"
    loop.interrupt()
    assert "fit[0]" not in workspace.positions()
