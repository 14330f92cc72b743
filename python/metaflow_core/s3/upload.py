"""Files and bytes to objects: small ones in one request each, large ones in parts, all side by side."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import os
import tempfile
from collections.abc import Callable, Iterable
from typing import Any, BinaryIO, NamedTuple

from ..errors import MetaflowError, StoreConflict, StoreError
from . import frames
from .bucket import Bucket
from .connection import error_code, error_status, translated
from .head import PART_BYTES, envelope, part_sums, token
from .parallel import Batch

__all__ = ["Upload", "put_all"]

_MOST_PARTS = 9_000  # S3 takes 10,000


class Upload(NamedTuple):
    """`source` is the path of a file or bytes; `sha256` of the content spares a pass over it. `compress`: where it
    pays. `metadata` is the user's own. `only_new`: StoreConflict, and no change, when the key is there."""

    key: str
    source: Any
    sha256: str | None = None
    compress: bool = False
    content_type: str | None = None
    metadata: dict[str, str] = {}  # noqa: RUF012 - never changed
    only_new: bool = False


def put_all(bucket: Bucket, uploads: Iterable[Upload], done: Callable[[Upload], None] = lambda upload: None) -> None:
    """Write them all, replacing what is there; `done` is told of each."""
    batch = Batch()
    writing: set[_Writer] = set()

    def feed(upload: Upload) -> Callable[[], None]:
        def begin() -> None:
            writer = _Writer(bucket, upload, batch, ended)
            writing.add(writer)
            writer.begin()

        return begin

    def ended(writer: _Writer, upload: Upload) -> None:
        writing.discard(writer)
        done(upload)

    try:
        batch.run(feed(upload) for upload in uploads)
    except BaseException:
        for writer in writing:
            writer.abandon()
        raise


class _Writer:
    """One object. `begin`, `_continue` and `_came` run in the batch's thread, the others in threads of the pool."""

    def __init__(self, bucket: Bucket, upload: Upload, batch: Batch, done: Callable[[_Writer, Upload], None]) -> None:
        self._bucket, self._upload, self._batch, self._done = bucket, upload, batch, done
        self._url = bucket.url(upload.key)
        self._packed: str | None = None
        self._metadata: dict[str, str] = {}
        self._parts: list[dict[str, Any]] = []
        self._digests: list[bytes] = []
        self._part_bytes = PART_BYTES
        self._id = ""
        self._left = 0

    def begin(self) -> None:
        self._batch.add(self._first, self._continue)

    def _first(self) -> int:
        """Bytes that are still to be sent in parts; 0 when the object is complete."""
        upload = self._upload
        with self._edge(), self._open() as file:
            size = file.seek(0, io.SEEK_END)
            file.seek(0)
            encoding = "zstd" if upload.compress and frames.pays(file, size) else ""
            content_size, digest = size, upload.sha256
            if encoding:
                digest = digest or _digests(file, size)[0]
                size, data = self._compress(file, size)
            else:
                data = file.read() if size <= PART_BYTES else None
        if data is not None:
            digest = digest or hashlib.sha256(data).hexdigest()
            self._metadata = {**upload.metadata, **envelope(digest, content_size, encoding)}
            self._put(data)
            self._drop()
            return 0
        if upload.only_new and self._bucket.head(upload.key) is not None:
            raise self._conflict()
        self._part_bytes = max(PART_BYTES, -(-size // (_MOST_PARTS << 20)) << 20)  # whole MiB
        with self._edge(), self._open() as file:
            whole, self._digests = _digests(file, self._part_bytes, with_whole=digest is None)
        sums = part_sums(self._digests) if self._part_bytes == PART_BYTES else b""
        self._metadata = {**upload.metadata, **envelope(digest or whole, content_size, encoding, sums=sums)}
        self._id = self._create()
        return size

    def _put(self, data: bytes) -> None:
        upload = self._upload
        if not upload.only_new:
            self._bucket.put(upload.key, data, self._metadata, content_type=upload.content_type)
            return
        metadata = {**self._metadata, **token()}
        if self._bucket.put(upload.key, data, metadata, {"IfNoneMatch": "*"}, upload.content_type) is None:
            raise self._conflict()

    def _conflict(self) -> StoreConflict:
        return StoreConflict(
            f"the object {self._url} is there already", hint="Use another key, or overwrite it.",
            data={"url": self._url},
        )

    def _compress(self, file: BinaryIO, size: int) -> tuple[int, bytes | None]:
        """(size of the packed file, its bytes when they are few)"""
        if size <= PART_BYTES:
            out = io.BytesIO()
            frames.compress(file, out.write)
            return out.tell(), out.getvalue()
        handle, self._packed = tempfile.mkstemp(prefix="metaflow-zstd-")
        with open(handle, "wb", buffering=0) as packed:
            frames.compress(file, packed.write)
            size = packed.tell()
        if size > PART_BYTES:
            return size, None
        with open(self._packed, "rb") as packed:
            return size, packed.read()

    def _create(self) -> str:
        more = {"ContentType": self._upload.content_type} if self._upload.content_type else {}
        return self._bucket.connection.call(self._url, lambda client, tries: client.create_multipart_upload(
            Bucket=self._bucket.name, Key=self._upload.key, Metadata=self._metadata, ChecksumAlgorithm="SHA256", **more
        ))["UploadId"]

    def _continue(self, size: int) -> None:
        if not size:
            self._done(self, self._upload)
            return
        part_bytes = self._part_bytes
        starts = range(0, size, part_bytes)
        self._left = len(starts)
        for number, start in enumerate(starts, 1):
            self._batch.add(
                lambda number=number, start=start: self._part(number, start, min(part_bytes, size - start)), self._came
            )

    def _part(self, number: int, start: int, size: int) -> dict[str, Any]:
        with self._edge(), self._open() as file:
            file.seek(start)
            data = file.read(size)
            if len(data) != size:
                raise StoreError(f"{self._upload.source} changed while it was sent to {self._url}")
        digest = base64.b64encode(self._digests[number - 1]).decode("ascii")
        answer = self._bucket.connection.call(self._url, lambda client, tries: client.upload_part(
            Bucket=self._bucket.name, Key=self._upload.key, UploadId=self._id, PartNumber=number, Body=data,
            ChecksumSHA256=digest,
        ))
        return {"PartNumber": number, "ETag": answer["ETag"], "ChecksumSHA256": digest}

    def _came(self, part: dict[str, Any]) -> None:
        self._parts.append(part)
        self._left -= 1
        if not self._left:
            self._batch.add(self._complete, self._continue)

    def _complete(self) -> int:
        only_if = {"IfNoneMatch": "*"} if self._upload.only_new else {}
        parts = sorted(self._parts, key=lambda part: part["PartNumber"])

        def action(client: Any, tries: int) -> None:
            try:
                client.complete_multipart_upload(
                    Bucket=self._bucket.name, Key=self._upload.key, UploadId=self._id, MultipartUpload={"Parts": parts},
                    **only_if,
                )
            except Exception as problem:
                if error_status(problem) == 412 and not (tries and self._is_there()):
                    raise self._conflict() from problem
                if error_status(problem) == 412:
                    return
                # It was completed before, and the answer was lost.
                if not (tries and error_code(problem) == "NoSuchUpload" and self._is_there()):
                    raise

        self._bucket.connection.call(self._url, action)
        self._drop()
        return 0

    def _is_there(self) -> bool:
        head = self._bucket.head(self._upload.key)
        return head is not None and head.sha256 in self._metadata.values()

    def _open(self) -> Any:
        source = self._packed or self._upload.source
        if isinstance(source, (bytes, bytearray, memoryview)):
            return io.BytesIO(source)
        return open(source, "rb", buffering=0)  # noqa: SIM115 - closed by whoever asked

    @contextlib.contextmanager
    def _edge(self) -> Any:
        try:
            yield
        except FileNotFoundError as problem:
            raise StoreError(f"{problem.filename} cannot be stored: there is no such file") from problem
        except OSError as problem:
            raise translated(problem, self._url, self._bucket.connection.endpoint_url) from problem

    def abandon(self) -> None:
        """It will not be completed: what was sent of it is given up."""
        self._drop()
        if self._id:
            with contextlib.suppress(MetaflowError):  # sweep() finds it again
                self._bucket.abort_upload(self._upload.key, self._id)

    def _drop(self) -> None:
        if self._packed is not None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._packed)


def _digests(file: BinaryIO, part_bytes: int, with_whole: bool = True) -> tuple[str, list[bytes]]:
    """(sha256 of all, those of its parts), in one pass. The file is at its beginning afterwards."""
    whole, parts, seen = hashlib.sha256(), [], 0
    part = hashlib.sha256()
    for piece in iter(lambda: file.read(1 << 20), b""):
        if with_whole:
            whole.update(piece)
        part.update(piece)
        seen += len(piece)
        if seen >= part_bytes:
            parts.append(part.digest())
            part, seen = hashlib.sha256(), 0
    if seen:
        parts.append(part.digest())
    file.seek(0)
    return whole.hexdigest(), parts
