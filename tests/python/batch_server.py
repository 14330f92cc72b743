"""AWS Batch by moto, mended where it is no Batch: jobs run, as processes of this machine.

moto's own Batch needs Docker, or pretends that every job succeeds. Here a job runs its command with the environment
that its container would have; an array job is its children and no job of its own; a job is ended by `terminate_job`,
by its time limit or by taking more memory than it reserved, and says so in AWS's words.

    with BatchServer(image=folder_with_programs) as server:
        server.fail("submitjob", times=2)              # the service is busy
        server.fail("submitjob", lose=True)            # it is done, but the answer is an error
        server.end(job, reason="Host EC2 (instance i-1) terminated.")
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from datetime import datetime

from kubernetes_server import MARK, marked, memory_bytes

QUEUE = "test-queue"
_HOLDER = {}


class BatchServer:
    """`slots`: how many jobs run at once; the others are RUNNABLE."""

    def __init__(self, image, environment=None, slots=8):
        self.image = image
        self.environment = environment or {}
        self.slots = threading.Semaphore(slots)
        self.folder = tempfile.mkdtemp(prefix="batch-server-")
        self.faults = []
        self.requests = []
        self.processes = {}
        self.lock = threading.RLock()
        self.stopped = False

    def __enter__(self):
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
        from werkzeug.serving import WSGIRequestHandler, make_server

        class Quiet(WSGIRequestHandler):
            def log(self, *words):
                pass

        mended()
        _HOLDER["server"] = self
        self.app = DomainDispatcherApplication(create_backend_app)
        self.http = make_server("127.0.0.1", 0, self.answer, threaded=True, request_handler=Quiet)
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        self.address = f"http://127.0.0.1:{self.http.server_port}"
        return self

    def __exit__(self, *problem):
        with self.lock:
            self.stopped = True  # no job starts from now on
        for job in list(self.processes):
            self.kill(job)
        self.http.shutdown()
        self.http.server_close()
        self.client("batch", reset=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def answer(self, environ, start_response):
        action = environ["PATH_INFO"].rpartition("/")[2]
        with self.lock:
            self.requests.append(action)
            fault = next((f for f in self.faults if f["left"] and f["action"] == action), None)
            if fault:
                fault["left"] -= 1
        if fault and fault["lose"]:
            for _ in self.app(environ, lambda *words: None):
                pass
        if fault:
            start_response(
                f"{fault['status']} X", [("Content-Type", "application/json"), ("x-amzn-errortype", fault["code"])]
            )
            return [b'{"message": "injected by the test"}']
        return self.app(environ, start_response)

    # -- what tests do to it

    def fail(self, action, status=500, code="ServerException", lose=False, times=1):
        """`action` is the last part of the address: submitjob, describejobs, listjobs, ..."""
        self.faults.append({"action": action, "status": status, "code": code, "lose": lose, "left": times})

    def client(self, name, reset=False):
        import boto3

        if reset:
            from moto.core.base_backend import BackendDict

            BackendDict.reset()
            return None
        return boto3.client(
            name, endpoint_url=self.address, region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b"
        )

    def make_queue(self, name=QUEUE):
        """A queue with an environment, as an administrator makes one; its name."""
        iam, batch = self.client("iam"), self.client("batch")
        role = iam.create_role(RoleName=f"of-{name}", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
        made = batch.create_compute_environment(
            computeEnvironmentName=f"env-{name}", type="UNMANAGED", state="ENABLED", serviceRole=role
        )
        order = [{"order": 1, "computeEnvironment": made["computeEnvironmentArn"]}]
        batch.create_job_queue(jobQueueName=name, state="ENABLED", priority=1, computeEnvironmentOrder=order)
        return name

    def jobs(self, queue=QUEUE):
        """Those that were submitted, without the children of arrays."""
        batch = self.client("batch")
        ids = [
            job["jobId"]
            for job in batch.list_jobs(jobQueue=queue, filters=[{"name": "JOB_NAME", "values": ["*"]}])[
                "jobSummaryList"
            ]
        ]
        return batch.describe_jobs(jobs=ids)["jobs"] if ids else []

    def running(self, step):
        with self.lock:
            return [job for job, process in self.processes.items() if process.poll() is None and job.step == step]

    def end(self, job, reason=None, container=None, code=None):
        """Fails a job from outside."""
        job.told = {"reason": reason, "container": container, "code": code}
        self.kill(job)

    # -- jobs

    def run(self, job):
        """The life of one job that is not an array; `job` is moto's."""
        job.status = "RUNNABLE"
        while not self.slots.acquire(timeout=0.1):
            if job.stop or self.stopped:
                job.finished(False, job.job_stopped_reason, None, None)
                return
        try:
            self.perform(job)
        finally:
            self.slots.release()

    def perform(self, job):
        if job.stop:
            job.finished(False, job.job_stopped_reason, None, None)
            return
        if job.image.startswith("missing/"):
            job.finished(False, "Task failed to start", f"CannotPullContainerError: {job.image} not found", None)
            return
        log = open(os.path.join(self.folder, job.job_id.replace(":", "-")), "wb")  # noqa: SIM115 - the process has it
        env = {
            "PATH": f"{self.image}:/usr/local/bin:/usr/bin:/bin",
            "HOME": self.folder,
            **self.environment,
            **job.variables(),
            MARK: job.job_id,
        }
        with self.lock:
            if self.stopped:
                log.close()
                return
            self.processes[job] = process = subprocess.Popen(
                job.words(),
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,
            )
            job.job_started_at = datetime.now()
            job.status = "RUNNING"
        log.close()
        self.follow(job, process)

    def follow(self, job, process):
        began, limit = time.monotonic(), (job.timeout or {}).get("attemptDurationSeconds")
        while True:
            try:
                code = process.wait(0.1)
                break
            except subprocess.TimeoutExpired:
                pass
            if job.stop:
                process.send_signal(signal.SIGTERM)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(5)
                self.kill(job)
            elif limit and time.monotonic() - began > limit:
                self.end(job, "Job attempt duration exceeded timeout")
            elif memory_bytes(job.job_id) > job.memory_mib() * 2**20:
                self.end(
                    job,
                    "Essential container in task exited",
                    "OutOfMemoryError: Container killed due to memory usage",
                    137,
                )
        self.kill(job)
        told = job.told or {
            "reason": job.job_stopped_reason,
            "container": None,
            "code": 128 - code if code < 0 else code,
        }
        job.finished(
            not told["code"] and not job.told and not job.stop, told["reason"], told["container"], told["code"]
        )

    def kill(self, job):
        process = self.processes.get(job)
        if process is not None and process.poll() is None:
            process.kill()
        for pid in marked(job.job_id):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def mended():
    """moto's Batch with jobs that run; done once for a process."""
    from moto.batch import models, responses
    from moto.batch.exceptions import ClientException

    if "done" in _HOLDER:
        return
    _HOLDER["done"] = True

    class RunningJob(models.Job):
        __module__ = "moto.batch.models"  # moto keeps its models by that name

        told = None
        container_reason = None

        def start_here(self):
            self.log_stream_name = self._stream_name
            self.backend._jobs[self.job_id] = self
            threading.Thread(target=_HOLDER["server"].run, args=(self,), daemon=True).start()

        @property
        def step(self):
            return (self.parent_tags or {}).get("metaflow.step")

        @property
        def image(self):
            return self.job_definition.container_properties["image"]

        def words(self):
            return self.container_overrides.get("command") or self.job_definition.container_properties["command"]

        def variables(self):
            given = {item["name"]: item["value"] for item in self.container_overrides.get("environment") or ()}
            index = self.array_properties.get("index")
            return {
                **given,
                "AWS_BATCH_JOB_ID": self.job_id,
                **({} if index is None else {"AWS_BATCH_JOB_ARRAY_INDEX": str(index)}),
            }

        def memory_mib(self):
            wanted = {
                item["type"]: item["value"] for item in self.container_overrides.get("resourceRequirements") or ()
            }
            return float(wanted["MEMORY"])

        def finished(self, success, reason, container, code):
            self.job_stopped_reason, self.container_reason, self.exit_code = reason, container, code
            self._mark_stopped(success=success)
            parent = self.parent_job
            if parent is not None and all(child.job_stopped for child in parent._child_jobs):
                parent._mark_stopped(success=all(child.status == "SUCCEEDED" for child in parent._child_jobs))

        def describe(self):
            found = super().describe()
            facts = {"exitCode": self.exit_code, "reason": self.container_reason}
            found["container"] = {
                **found.get("container", {}),
                **{name: value for name, value in facts.items() if value is not None},
            }
            if self.array_properties.get("index") is not None:
                found["arrayProperties"] = {"index": self.array_properties["index"]}
            return found

        def terminate(self, reason):
            super().terminate(reason)
            for child in self._child_jobs or ():
                child.terminate(reason)

    def submit_job(
        self,
        job_name,
        job_def_id,
        job_queue,
        array_properties,
        depends_on=None,
        container_overrides=None,
        eks_properties_override=None,
        timeout=None,
        parameters=None,
        tags=None,
    ):
        definition, queue = self.get_job_definition(job_def_id), self.get_job_queue(job_queue)
        if definition is None:
            raise ClientException(f"JobDefinition {job_def_id} does not exist")
        if queue is None:
            raise ClientException(f"JobQueue {job_queue} does not exist")

        def made(parent=None, index=None):
            job = RunningJob(
                job_name,
                definition,
                queue,
                self,
                self.logs_backend,
                dict(container_overrides or {}),
                None,
                depends_on,
                parameters,
                self._jobs,
                timeout,
                array_properties if parent is None else {"index": index},
                None if parent is None else f"{parent.job_id}:{index}",
                tags if parent is None else None,
            )
            job.parent_job, job.parent_tags = parent, tags
            if parent is not None:
                queue.jobs.remove(job)
            return job

        job = made()
        if "size" in array_properties:
            self._jobs[job.job_id] = job
            job._child_jobs = [made(job, index) for index in range(array_properties["size"])]
            job.status = "PENDING"
            for child in job._child_jobs:
                child.start_here()
        else:
            job.start_here()
        return job_name, job.job_id, job.arn

    models.BatchBackend.submit_job = submit_job
    responses.BatchResponse.batch_backend = property(
        lambda self: models.batch_backends[self.current_account][self.region]
    )
    models.JobStatus.status_transitions = staticmethod(lambda: [(None, "SUBMITTED")])
