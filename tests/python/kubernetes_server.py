"""A Kubernetes API server of one file, which the official client, and kubectl, take for a real one.

It keeps state: Jobs and Pods with resource versions, label selectors, pages and watches; its Job controller makes the
pods of plain and Indexed Jobs and counts them; its scheduler gives them nodes with so many cores; its kubelets run
the command of the container, as a process of this machine or with podman (`run_container`), and say how it ended:
Completed, Error, OOMKilled (over its memory limit), DeadlineExceeded. Manifests are checked against the official
schemas.

    with KubernetesServer(image=folder_with_programs) as server:
        server.write_kubeconfig(path)
        server.fail("POST", "/jobs", status=429, times=2)     # answers an error
        server.fail("POST", "/jobs", lose=True)               # does it, and loses the answer
        server.evict(pod); server.preempt(pod); server.lose_node("node-1")
"""

from __future__ import annotations

import contextlib
import copy
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlparse

KINDS = {"jobs": ("Job", "batch/v1"), "pods": ("Pod", "v1"), "nodes": ("Node", "v1")}
INDEX = "batch.kubernetes.io/job-completion-index"
MARK = "STAND_IN_POD"
ENDED = ("Succeeded", "Failed")


def now():
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


class Problem(Exception):
    def __init__(self, status, reason, message):
        super().__init__(message)
        self.status, self.reason = status, reason


class KubernetesServer:
    """`image`: a folder of programs, all that is on the PATH of a container besides the system's. `environment`: what
    the image sets. `nodes`: their cores. `delay_seconds`: how long a pod takes to start."""

    def __init__(
        self, image, environment=None, nodes=None, namespaces=("default", "team"), delay_seconds=0.0, run_container=None
    ):
        self.image = image
        self.environment = environment or {}
        self.nodes = dict(nodes or {"node-1": 8, "node-2": 8})
        self.namespaces = set(namespaces)
        self.delay_seconds = delay_seconds
        self.run_container = run_container
        self.requests = []
        self.faults = []
        self.objects = {kind: {} for kind in KINDS}
        self.events = []
        self.processes = {}
        self.lock = threading.Condition(threading.RLock())
        self.version = 0
        self.stopped = False
        self.folder = tempfile.mkdtemp(prefix="kubernetes-server-")
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"server_state": self}))
        self.http.daemon_threads = True
        self.address = f"http://127.0.0.1:{self.http.server_address[1]}"

    def __enter__(self):
        threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *problem):
        with self.lock:
            self.stopped = True
            for uid in list(self.processes):
                self.kill(uid)
            self.lock.notify_all()
        self.http.shutdown()
        self.http.server_close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def write_kubeconfig(self, path, namespace="default"):
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "stand-in",
            "clusters": [{"name": "stand-in", "cluster": {"server": self.address}}],
            "users": [{"name": "tester", "user": {"token": "t"}}],
            "contexts": [
                {"name": "stand-in", "context": {"cluster": "stand-in", "user": "tester", "namespace": namespace}}
            ],
        }
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            json.dump(config, file)
        return str(path)

    # -- what tests do to it

    def fail(self, method, path, status=None, lose=False, seconds=0.0, times=1, reason=None):
        """The next `times` requests of this kind fail: with a status before they are performed; performed and never
        answered (`lose`); or answered late (`seconds`)."""
        self.faults.append(
            {
                "method": method,
                "path": path,
                "status": status,
                "lose": lose,
                "seconds": seconds,
                "left": times,
                "reason": reason,
            }
        )

    def pods(self, **labels):
        with self.lock:
            return [copy.deepcopy(pod) for pod in self.objects["pods"].values() if matches(pod, labels)]

    def jobs(self):
        with self.lock:
            return [copy.deepcopy(job) for job in self.objects["jobs"].values()]

    def evict(self, pod, message="The node was low on resource: memory."):
        self.end(pod, {"reason": "Evicted", "message": message, "conditions": [disruption("TerminationByKubelet")]})

    def preempt(self, pod):
        self.end(pod, {"conditions": [disruption("PreemptionByScheduler")]}, exit_code=143)

    def lose_node(self, node):
        """Its kubelet is silent: the control plane gives its pods up; the processes are gone with the machine."""
        self.nodes.pop(node)
        for pod in self.pods():
            if pod["spec"].get("nodeName") == node and pod["status"]["phase"] not in ENDED:
                self.end(pod, {"conditions": [disruption("DeletionByTaintManager")]})

    def end(self, pod, status, exit_code=None):
        """Fails a pod from outside."""
        uid = pod["metadata"]["uid"]
        with self.lock:
            self.finish(uid, "Failed", status, exit_code)
            self.kill(uid)

    # -- the store

    def stamp(self, kind, event, item):
        self.version += 1
        item["metadata"]["resourceVersion"] = str(self.version)
        self.events.append((self.version, kind, event, copy.deepcopy(item)))
        self.lock.notify_all()

    def find(self, kind, namespace, name):
        item = self.objects[kind].get((namespace, name))
        if item is None:
            raise Problem(404, "NotFound", f'{kind} "{name}" not found')
        return item

    def create(self, kind, namespace, item):
        if namespace not in self.namespaces:
            raise Problem(404, "NotFound", f'namespaces "{namespace}" not found')
        name = item["metadata"].get("name")
        if (namespace, name) in self.objects[kind]:
            raise Problem(409, "AlreadyExists", f'{kind}.batch "{name}" already exists')
        item["metadata"].update(namespace=namespace, uid=secrets.token_hex(16), creationTimestamp=now())
        self.objects[kind][namespace, name] = item
        self.stamp(kind, "ADDED", item)
        return item

    def delete(self, kind, namespace, name):
        with self.lock:
            item = self.find(kind, namespace, name)
            item["metadata"]["deletionTimestamp"] = now()
            self.stamp(kind, "MODIFIED", item)
            if kind == "jobs":
                self.remove(kind, item)
                for pod in self.owned(item):
                    self.delete("pods", namespace, pod["metadata"]["name"])
            else:
                threading.Thread(target=self.terminate, args=(item,), daemon=True).start()
            return item

    def remove(self, kind, item):
        metadata = item["metadata"]
        if self.objects[kind].pop((metadata["namespace"], metadata["name"]), None) is not None:
            self.stamp(kind, "DELETED", item)

    def owned(self, job):
        uid = job["metadata"]["uid"]
        return [pod for pod in self.objects["pods"].values() if pod["metadata"]["ownerReferences"][0]["uid"] == uid]

    # -- the Job controller

    def create_job(self, namespace, item):
        import kubernetes_validate

        try:
            kubernetes_validate.validate(item, "1.34", strict=True)
        except kubernetes_validate.ValidationError as problem:
            raise Problem(422, "Invalid", f"Job is invalid: {problem}") from None
        name = item["metadata"].get("name") or ""
        if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", name):
            raise Problem(422, "Invalid", f'Job.batch "{name}" is invalid: metadata.name: must be a DNS label')
        job = self.create("jobs", namespace, item)
        job["status"] = {"active": 0, "succeeded": 0, "failed": 0, "startTime": now()}
        self.reconcile(job)
        return job

    def reconcile(self, job):
        spec, status = job["spec"], job["status"]
        if any(condition["type"] in ("Complete", "Failed") for condition in status.get("conditions", ())):
            return
        pods = self.owned(job)
        indexed = spec.get("completionMode") == "Indexed"
        total = spec.get("completions", 1)
        by_phase = {
            phase: {index_of(p) for p in pods if p["status"]["phase"] == phase} for phase in ("Succeeded", "Failed")
        }
        gone = set(job.setdefault("_gone", []))
        done, failed = by_phase["Succeeded"], (by_phase["Failed"] | gone) - by_phase["Succeeded"]
        active = [p for p in pods if p["status"]["phase"] not in ENDED]
        for index in range(total):
            if len(active) >= spec.get("parallelism", 1):
                break
            if index not in done | failed | {index_of(p) for p in active}:
                active.append(self.create_pod(job, index, indexed))
        status.update(active=len(active), succeeded=len(done), failed=len(failed))
        if indexed:
            status.update(completedIndexes=ranges(done), failedIndexes=ranges(failed))
        if len(done) + len(failed) == total:
            status["conditions"] = [
                {"type": "Failed", "status": "True", "reason": "FailedIndexes" if indexed else "BackoffLimitExceeded"}
                if failed
                else {"type": "Complete", "status": "True"}
            ]
        self.stamp("jobs", "MODIFIED", job)

    def create_pod(self, job, index, indexed):
        metadata, template = job["metadata"], copy.deepcopy(job["spec"]["template"])
        name = f"{metadata['name']}-{f'{index}-' if indexed else ''}{secrets.token_hex(3)[:5]}"
        labels = {
            **(template["metadata"].get("labels") or {}),
            "batch.kubernetes.io/job-name": metadata["name"],
            "job-name": metadata["name"],
        }
        annotations = dict(template["metadata"].get("annotations") or {})
        if indexed:
            annotations[INDEX] = str(index)
            template["spec"]["containers"][0].setdefault("env", []).append(
                {"name": "JOB_COMPLETION_INDEX", "value": str(index)}
            )
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "spec": template["spec"],
            "status": {"phase": "Pending", "conditions": []},
            "metadata": {
                "name": name,
                "labels": labels,
                "annotations": annotations,
                "ownerReferences": [
                    {"apiVersion": "batch/v1", "kind": "Job", "name": metadata["name"], "uid": metadata["uid"]}
                ],
            },
        }
        self.create("pods", metadata["namespace"], pod)
        threading.Thread(target=self.kubelet, args=(pod,), daemon=True).start()
        return pod

    def job_of(self, pod):
        owner = pod["metadata"]["ownerReferences"][0]
        return self.objects["jobs"].get((pod["metadata"]["namespace"], owner["name"]))

    # -- scheduler and kubelets

    def kubelet(self, pod):
        if not self.place(pod):
            return
        time.sleep(self.delay_seconds)
        container = pod["spec"]["containers"][0]
        if container["image"].startswith("missing/"):
            self.wait_for_image(pod, container)
            return
        uid = pod["metadata"]["uid"]
        with self.lock:
            if self.stopped or pod["status"]["phase"] in ENDED or "deletionTimestamp" in pod["metadata"]:
                return
            log = open(os.path.join(self.folder, uid), "wb")  # noqa: SIM115 - the process has it
            try:
                process = (self.run_container or self.start_process)(
                    pod, container, self.variables(pod, container), log
                )
            except OSError as problem:
                ended = {"exitCode": 127, "reason": "StartError", "message": str(problem)}
                self.finish(uid, "Failed", {}, None, ended)
                return
            self.processes[uid] = process
            pod["status"].update(phase="Running", startTime=now())
            pod["status"]["containerStatuses"] = [container_status(pod, {"running": {"startedAt": now()}})]
            self.stamp("pods", "MODIFIED", pod)
        self.follow(pod, container, process)

    def place(self, pod):
        """Waits for a node with as many free cores as the pod requests."""
        wanted = cores(pod)
        while True:
            with self.lock:
                if self.stopped or "deletionTimestamp" in pod["metadata"] or pod["status"]["phase"] in ENDED:
                    return False
                selector = pod["spec"].get("nodeSelector") or {}
                for node, capacity in self.nodes.items():
                    running = [
                        p
                        for p in self.objects["pods"].values()
                        if p["spec"].get("nodeName") == node and p["status"]["phase"] not in ENDED
                    ]
                    if not set(selector) - {"kubernetes.io/os"} and sum(map(cores, running)) + wanted <= capacity:
                        pod["spec"]["nodeName"] = node
                        pod["status"]["conditions"] = [{"type": "PodScheduled", "status": "True"}]
                        self.stamp("pods", "MODIFIED", pod)
                        return True
                if not pod["status"]["conditions"]:
                    message = f"0/{len(self.nodes)} nodes are available: {len(self.nodes)} Insufficient cpu."
                    pod["status"]["conditions"] = [
                        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
                    ]
                    self.stamp("pods", "MODIFIED", pod)
                self.lock.wait(0.2)

    def wait_for_image(self, pod, container):
        for reason, message in (
            ("ErrImagePull", f'failed to pull image "{container["image"]}": not found'),
            ("ImagePullBackOff", "Back-off pulling image: not found"),
        ):
            with self.lock:
                pod["status"]["containerStatuses"] = [
                    container_status(pod, {"waiting": {"reason": reason, "message": message}})
                ]
                self.stamp("pods", "MODIFIED", pod)

    def variables(self, pod, container):
        """The environment of a container has nothing of this machine's."""
        env = {"PATH": f"{self.image}:/usr/local/bin:/usr/bin:/bin", "HOME": self.folder, **self.environment}
        fields = {"metadata.name": pod["metadata"]["name"], "metadata.namespace": pod["metadata"]["namespace"]}
        for item in container.get("env") or ():
            source = (item.get("valueFrom") or {}).get("fieldRef") or {}
            env[item["name"]] = fields[source["fieldPath"]] if source else item.get("value") or ""
        return env

    def start_process(self, pod, container, env, log):
        mark = {MARK: pod["metadata"]["uid"]}
        words = [*(container.get("command") or []), *(container.get("args") or [])]
        return subprocess.Popen(
            words,
            env={**env, **mark},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=self.folder,
            start_new_session=True,
        )

    def follow(self, pod, container, process):
        uid, began = pod["metadata"]["uid"], time.monotonic()
        deadline = pod["spec"].get("activeDeadlineSeconds")
        limit = size_bytes(((container.get("resources") or {}).get("limits") or {}).get("memory"))
        while True:
            try:
                code = process.wait(0.1)
                break
            except subprocess.TimeoutExpired:
                pass
            if deadline is not None and time.monotonic() - began > deadline:
                self.end(
                    pod,
                    {
                        "reason": "DeadlineExceeded",
                        "message": "Pod was active on the node longer than the specified deadline",
                    },
                )
            elif limit and memory_bytes(uid) > limit:
                with self.lock:
                    self.finish(uid, "Failed", {}, None, {"exitCode": 137, "reason": "OOMKilled"})
                    self.kill(uid)
        code = 128 - code if code < 0 else code
        with self.lock:
            self.kill(uid)
            self.finish(uid, "Failed" if code else "Succeeded", {}, code)

    def finish(self, uid, phase, status, exit_code=None, ended=None):
        pod = next((pod for pod in self.objects["pods"].values() if pod["metadata"]["uid"] == uid), None)
        if pod is None or pod["status"]["phase"] in ENDED:
            return
        if exit_code is not None:
            ended = {"exitCode": exit_code, "reason": "Error" if exit_code else "Completed"}
        if ended:
            pod["status"]["containerStatuses"] = [container_status(pod, {"terminated": {**ended, "finishedAt": now()}})]
        conditions = pod["status"].get("conditions", []) + status.get("conditions", [])
        pod["status"].update({**status, "phase": phase, "conditions": conditions})
        self.stamp("pods", "MODIFIED", pod)
        job = self.job_of(pod)
        if job is not None:
            self.reconcile(job)

    def terminate(self, pod):
        """SIGTERM, and SIGKILL when the grace is over."""
        uid = pod["metadata"]["uid"]
        process = self.processes.get(uid)
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)
        with self.lock:
            self.kill(uid)
            job = self.job_of(pod)
            if job is not None and pod["status"]["phase"] != "Succeeded":
                job.setdefault("_gone", []).append(index_of(pod))
            self.remove("pods", pod)
            if job is not None:
                self.reconcile(job)

    def kill(self, uid):
        process = self.processes.get(uid)
        if process is not None and process.poll() is None:
            process.kill()
        for pid in marked(uid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


# -- small facts


def disruption(reason):
    return {"type": "DisruptionTarget", "status": "True", "reason": reason}


def container_status(pod, state):
    container = pod["spec"]["containers"][0]
    facts = {"image": container["image"], "imageID": "", "ready": "running" in state, "restartCount": 0}
    return {"name": container["name"], **facts, "state": state}


def index_of(pod):
    return int((pod["metadata"].get("annotations") or {}).get(INDEX) or 0)


def ranges(numbers):
    text, numbers = [], sorted(numbers)
    while numbers:
        last = first = numbers.pop(0)
        while numbers and numbers[0] == last + 1:
            last = numbers.pop(0)
        text.append(str(first) if first == last else f"{first}-{last}")
    return ",".join(text)


def cores(pod):
    request = (pod["spec"]["containers"][0].get("resources") or {}).get("requests") or {}
    return float(request.get("cpu") or 0)


def size_bytes(text):
    units = {"K": 1e3, "M": 1e6, "G": 1e9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}
    found = re.fullmatch(r"([0-9.e+]+)([A-Za-z]*)", text or "")
    return float(found[1]) * units.get(found[2], 1) if found else 0


def marked(uid):
    """Processes of a pod, whatever became of their parents and sessions."""
    mark = f"{MARK}={uid}".encode()
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/environ", "rb") as file:
                    if mark in file.read().split(b"\0"):
                        yield int(name)
            except OSError:
                continue


def memory_bytes(uid):
    total = 0
    for pid in marked(uid):
        try:
            with open(f"/proc/{pid}/statm") as file:
                total += int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except (OSError, IndexError):
            continue
    return total


def matches(item, labels):
    have = item["metadata"].get("labels") or {}
    return all(have.get(name) == value for name, value in labels.items())


def parse_selector(text):
    return dict(part.split("=", 1) for part in text.replace("==", "=").split(",") if part) if text else {}


def shown(item):
    return {name: value for name, value in item.items() if not name.startswith("_")}


class Handler(BaseHTTPRequestHandler):
    server_state: KubernetesServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *words):
        pass

    def do_GET(self):
        self.serve("GET")

    def do_POST(self):
        self.serve("POST")

    def do_DELETE(self):
        self.serve("DELETE")

    def serve(self, method):
        state, url = self.server_state, urlparse(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        with state.lock:
            state.requests.append((method, url.path))
            fault = next(
                (f for f in state.faults if f["left"] and f["method"] == method and re.search(f["path"], url.path)),
                None,
            )
            if fault:
                fault["left"] -= 1
        if fault and fault["seconds"]:
            time.sleep(fault["seconds"])
        if fault and fault["status"]:
            self.problem(fault["status"], fault["reason"] or "Fault", "injected by the test")
            return
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        try:
            if query.get("watch") in ("true", "1", "True"):
                self.watch(url.path, query)
                return
            answer = self.perform(method, unquote(url.path), query, json.loads(body) if body else None)
        except Problem as problem:
            self.problem(problem.status, problem.reason, str(problem))
            return
        if fault and fault["lose"]:
            self.close_connection = True
            self.connection.close()
            return
        self.answer(200, answer)

    def perform(self, method, path, query, body):
        state = self.server_state
        if path == "/version":
            return {"major": "1", "minor": "34", "gitVersion": "v1.34.0"}
        found = re.fullmatch(
            r"/(?:api/v1|apis/batch/v1)(?:/namespaces/([^/]+))?/(jobs|pods|nodes)(?:/([^/]+))?(?:/(log))?", path
        )
        if not found:
            raise Problem(404, "NotFound", "the server could not find the requested resource")
        namespace, kind, name, part = found.groups()
        with state.lock:
            if part == "log":
                return self.log(state.find(kind, namespace, name), query)
            if method == "GET" and name:
                return shown(copy.deepcopy(state.find(kind, namespace, name)))
            if method == "GET":
                return self.page(kind, namespace, query)
            if method == "POST" and kind == "jobs":
                return shown(copy.deepcopy(state.create_job(namespace, body)))
            if method == "DELETE" and name:
                return shown(copy.deepcopy(state.delete(kind, namespace, name)))
        raise Problem(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")

    def page(self, kind, namespace, query):
        state, labels = self.server_state, parse_selector(query.get("labelSelector"))
        items = [
            item
            for (ns, _), item in sorted(state.objects[kind].items())
            if namespace in (None, ns) and matches(item, labels)
        ]
        first = int(query.get("continue") or 0)
        last = first + int(query["limit"]) if "limit" in query else len(items)
        metadata = {"resourceVersion": str(state.version)}
        if last < len(items):
            metadata["continue"] = str(last)
        name, version = KINDS[kind]
        return {
            "kind": f"{name}List",
            "apiVersion": version,
            "metadata": metadata,
            "items": [shown(copy.deepcopy(i)) for i in items[first:last]],
        }

    def log(self, pod, query):
        path = os.path.join(self.server_state.folder, pod["metadata"]["uid"])
        if not os.path.exists(path):
            raise Problem(400, "BadRequest", "container is waiting to start")
        with open(path, "rb") as file:
            lines = file.read().splitlines(keepends=True)
        return b"".join(lines[-int(query.get("tailLines") or len(lines) or 1) :])

    def watch(self, path, query):
        state, (namespace, kind) = self.server_state, re.search(r"(?:namespaces/([^/]+)/)?(jobs|pods)$", path).groups()
        labels, seen = parse_selector(query.get("labelSelector")), int(query.get("resourceVersion") or 0)
        until = time.monotonic() + float(query.get("timeoutSeconds") or 30)
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        while time.monotonic() < until and not state.stopped:
            with state.lock:
                fresh = [
                    e
                    for e in state.events
                    if e[0] > seen and e[1] == kind and namespace in (None, e[3]["metadata"]["namespace"])
                ]
                if not fresh:
                    state.lock.wait(0.2)
            for version, _, event, item in fresh:
                seen = version
                if matches(item, labels):
                    self.wfile.write(json.dumps({"type": event, "object": shown(item)}).encode() + b"\n")
                    self.wfile.flush()

    def problem(self, status, reason, message):
        self.answer(
            status,
            {
                "kind": "Status",
                "apiVersion": "v1",
                "status": "Failure",
                "message": message,
                "reason": reason,
                "code": status,
            },
        )

    def answer(self, status, content):
        plain = isinstance(content, bytes)
        data = content if plain else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain" if plain else "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
