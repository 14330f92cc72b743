"""Where steps run: what the flow says, what the command line asks for, and what is set up here."""

import pytest
from metaflow_core.contracts.backend import BackendType
from metaflow_core.contracts.decorator import StepPolicy
from metaflow_core.engine.admission import Admission
from metaflow_core.engine.clusters import check_clusters, placed
from metaflow_core.engine.start import with_decorators
from metaflow_core.errors import BackendError, SettingsError, UnknownOption
from metaflow_core.graph.flow import FlowSpec
from metaflow_core.registry import plugins
from metaflow_core.settings import load_settings


@pytest.fixture(autouse=True)
def there(monkeypatch):
    """A backend that is set up, beside those that are not."""
    registry = plugins("backends")
    registry.names()
    kind = BackendType("there", "Is set up.", lambda settings, policies: None, lambda context: None)
    monkeypatch.setitem(registry._plugins, "there", kind)


def place(policy, asked=()):
    found = placed(load_settings(), {"a": policy}, asked)["a"]
    return found.backend, found.away


def test_a_step_goes_where_it_says():
    assert place(StepPolicy()) == ("local", None)
    assert place(StepPolicy(backend="there")) == ("there", None)


@pytest.mark.parametrize("backend", ["kubernetes", "titus", "aws_batch"])
def test_what_is_not_set_up_here_runs_here_and_why_is_said(backend):
    name, away = place(StepPolicy(backend=backend, backend_args={"image": "r"}))
    assert name == "local"
    assert "METAFLOW_BATCH_JOB_QUEUE" in away if backend == "aws_batch" else "does not exist" in away


def test_a_queue_that_a_step_names_itself_is_enough():
    pytest.importorskip("boto3", reason="boto3 is not installed")
    named = StepPolicy(backend="aws_batch", backend_args={"queue": "q"})
    assert place(named, asked=["batch"]) == ("aws_batch", None)
    with pytest.raises(BackendError, match="nothing can run with 'aws_batch'"):
        place(StepPolicy(backend="slurm", backend_args={"queue": "q"}, max_attempts=2, retry_with="batch"))


def test_the_command_line_wants_what_it_asks_for():
    with pytest.raises(BackendError, match="nothing can run with 'kubernetes'"):
        place(StepPolicy(backend="kubernetes"), asked=["kubernetes"])
    with pytest.raises(BackendError, match="nothing can run with 'aws_batch'"):
        place(StepPolicy(max_attempts=2, delays_seconds=(0,), retry_with="batch"))


def test_titus_is_the_cluster_of_the_house(monkeypatch):
    titus = StepPolicy(backend="titus")
    assert place(titus, asked=["there"]) == ("there", None)
    monkeypatch.setenv("METAFLOW_TITUS_BACKEND", "there")
    assert place(titus) == ("there", None)
    monkeypatch.setenv("METAFLOW_TITUS_BACKEND", "local")
    assert place(titus) == ("local", None)
    monkeypatch.setenv("METAFLOW_TITUS_BACKEND", "batch")
    assert "METAFLOW_BATCH_JOB_QUEUE" in place(titus)[1]
    monkeypatch.setenv("METAFLOW_TITUS_BACKEND", "kubernets")
    with pytest.raises(UnknownOption, match="Did you mean 'kubernetes'"):
        place(titus)
    monkeypatch.setenv("METAFLOW_TITUS_BACKEND", "titus")
    with pytest.raises(SettingsError, match="not itself"):
        place(titus)


def test_a_cluster_of_the_house_that_lacks_something_is_no_fault_of_the_flow(tmp_path, monkeypatch):
    (tmp_path / "config").write_text("{}")
    monkeypatch.setenv("METAFLOW_KUBERNETES_KUBECONFIG", str(tmp_path / "config"))
    assert place(StepPolicy(backend="titus")) == ("local", "step 'a' has no container image to run in on Kubernetes")
    # Who names Kubernetes means it.
    assert place(StepPolicy(backend="kubernetes")) == ("kubernetes", None)


def test_a_retry_elsewhere_does_not_take_the_arguments_of_the_first_place_along():
    seen = {}
    kind = BackendType("there", "Is set up.", lambda settings, policies: seen.update(policies), lambda context: None)
    plugins("backends")._plugins["there"] = kind
    policy = StepPolicy(backend="kubernetes", backend_args={"image": "r"}, max_attempts=2, retry_with="there")
    with pytest.raises(BackendError):
        check_clusters(load_settings(), {"a": policy, "b": StepPolicy(backend="there", backend_args={"x": 1})})
    check_clusters(load_settings(), {"a": StepPolicy(max_attempts=2, retry_with="there", backend_args={"image": "r"})})
    assert (seen["a"].backend, dict(seen["a"].backend_args)) == ("there", {})


def test_what_a_step_says_wins_over_the_command_line():
    steps = [
        {"name": "start", "next": ["end"], "decorators": [{"name": "titus", "args": {"cpu": 4}}]},
        {"name": "end", "next": []},
    ]
    spec = with_decorators(FlowSpec.from_dict({"name": "F", "steps": steps}), [{"name": "slurm", "args": {}}])
    assert [[d.name for d in step.decorators] for step in spec.steps] == [["titus"], ["slurm"]]


def test_one_line_says_what_was_asked_for_and_what_there_is():
    said = Admission(2, 2.0, 8000.0).excess("a", StepPolicy(cpu=4, memory_mb=60000, gpu=1, away="no cluster is there"))
    assert said == (
        "step 'a' asks a cluster for 4 cores and 60000 MB of memory and 1 GPU, but no cluster is there: "
        "it runs on this machine, which has 2 cores and 8000 MB of memory"
    )
    said = Admission(2, 2.0, 8000.0).excess("a", StepPolicy(away="no cluster is there"))
    assert said.startswith("step 'a' is meant for a cluster, but no cluster is there: it runs on this machine")
