"""S3: many files at once against one after the other, and the client's way to an artifact that is on this machine.

Loopback alone hides the difference that parallel requests make, so the fault proxy stands between client and server
and makes a network: 20 ms before each request, 16 MiB/s for each connection. The limit beside them is what one raw
HTTP stream of the server gives on this machine, without the proxy.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from timing import RUNS, Folder, Row, alternate

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "python"))
sys.path.insert(0, str(ROOT / "python"))

HOW = "make bench ROWS=s3"
LATENCY_SECONDS = 0.020
BYTES_PER_SECOND = 16 << 20
LARGE = (8, 64 << 20, ">= 4 x sequential boto3")
SMALL = (2000, 20 << 10, ">= 4 x sequential boto3")
MIB = 1 << 20


def rows() -> list[Row]:
    from seaweed import SeaweedServer, credentials

    server = SeaweedServer()
    os.environ.update(credentials())
    try:
        with Folder() as folder, _network(server.port) as endpoint:
            limit = _raw_stream(server)
            found = [
                *_files("8 x 64 MiB", *LARGE, folder.path, endpoint),
                *_files("2,000 x 20 KiB", *SMALL, folder.path, endpoint),
            ]
            found.append(Row("one raw HTTP stream of the server, no proxy (the limit)", limit, "MiB/s", repeat=HOW))
            found.append(_open_artifact(server, folder))
        return found
    finally:
        server.stop()


@contextmanager
def _network(port: int) -> Iterator[str]:
    """The proxy as a process of its own, so that it does not share the client's interpreter."""
    command = [
        sys.executable, str(ROOT / "tests/python/fault_proxy.py"), str(port), f"--latency-seconds={LATENCY_SECONDS}",
        f"--bytes-per-second={BYTES_PER_SECOND}",
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as proxy:
        yield proxy.stdout.readline().strip()
        proxy.stdin.close()


def _files(title: str, count: int, size: int, goal: str, folder: str, endpoint: str) -> list[Row]:
    from metaflow_core import S3
    from metaflow_core.settings import load_settings
    from seaweed import BUCKET

    source = os.path.join(folder, "source")
    os.makedirs(source)
    paths = []
    for number in range(count):
        paths.append(os.path.join(source, f"{size}-{number}"))
        with open(paths[-1], "wb") as file:
            file.write(os.urandom(size))
    settings = load_settings(arguments={"s3_endpoint_url": endpoint})
    client = _boto3(endpoint)
    some = paths[: max(2, count // 20)]  # one after the other takes its time: a part of them tells
    items = [(os.path.basename(path), path) for path in paths]

    def put() -> float:
        with S3(f"s3://{BUCKET}/many", settings=settings, tmproot=folder) as s3:
            return _seconds(lambda: s3.put_files(items))

    def put_one() -> float:
        return _seconds(lambda: [client.upload_file(path, BUCKET, f"one/{os.path.basename(path)}") for path in some])

    def get() -> float:
        with S3(f"s3://{BUCKET}/many", settings=settings, tmproot=folder) as s3:
            got: list = []
            seconds = _seconds(lambda: got.extend(s3.get_many([key for key, _ in items])))
            step = max(1, count // 50)
            for path, each in zip(paths[::step], got[::step]):
                assert Path(path).read_bytes() == Path(each.path).read_bytes()
            return seconds

    def get_one() -> float:
        return _seconds(
            lambda: [client.download_file(BUCKET, f"one/{os.path.basename(path)}", f"{path}.back") for path in some]
        )

    measured = alternate(put, put_one, get, get_one)
    shutil.rmtree(source)
    total = count * size / MIB
    rates = [[part / seconds for seconds in each] for part, each in zip([total, total * len(some) / count] * 2, measured)]
    name = f"{title}, 20 ms and 16 MiB/s a connection"
    return [
        Row(f"S3 {verb}, {name}", ours, "MiB/s", theirs, "boto3, one after the other", goal, HOW)
        for verb, ours, theirs in (("put", *rates[:2]), ("get", *rates[2:]))
    ]


def _boto3(endpoint: str):
    import boto3
    from boto3.s3.transfer import TransferConfig

    client = boto3.client("s3", endpoint_url=endpoint)
    plain = TransferConfig(use_threads=False, multipart_threshold=1 << 40)

    class Plain:
        def upload_file(self, path, bucket, key):
            client.upload_file(path, bucket, key, Config=plain)

        def download_file(self, bucket, key, path):
            client.download_file(bucket, key, path, Config=plain)

    return Plain()


def _raw_stream(server) -> list[float]:
    """MiB/s of one plain GET of 256 MiB, by a signed address."""
    import boto3
    from seaweed import BUCKET

    client = boto3.client("s3", endpoint_url=server.endpoint)
    client.put_object(Bucket=BUCKET, Key="raw", Body=os.urandom(256 * MIB))
    url = client.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": "raw"})

    def stream() -> float:
        with urllib.request.urlopen(url) as answer:
            return _seconds(lambda: [None for _ in iter(lambda: answer.read(MIB), b"")])

    return [256 / seconds for seconds in alternate(stream)[0]]


_OPEN = """
library(metaflow)
invisible(flow_client$new("Hello")$runs)
began <- Sys.time()
value <- run_client$new("Hello/1")$artifact("x")
cat("RESULT", as.numeric(Sys.time() - began, units = "secs"), "\\n")
"""


def _open_artifact(server, folder: Folder) -> Row:
    """From a session that has started and knows its datastore to the value of an artifact."""
    from seaweed import BUCKET

    where = {
        "METAFLOW_DATASTORE": "s3", "METAFLOW_DATASTORE_ROOT": f"s3://{BUCKET}/bench",
        "METAFLOW_S3_ENDPOINT_URL": server.endpoint, "METAFLOW_CACHE_FOLDER": f"{folder.path}/cache",
        "METAFLOW_PYTHON": sys.executable,  # the one that has boto3
    }
    folder.flow("s3_hello", "run", **where)
    found = []
    for number in range(RUNS + 1):
        _, shown = folder.run("Rscript", "-e", _OPEN, **where)
        if number:
            found.append(float(shown.split("RESULT")[1].split()[0]) * 1000)
    return Row("client: open an artifact in S3, warm cache, over start-up", found, "ms", [], "", "<= 50 ms", HOW)


def _seconds(action) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


