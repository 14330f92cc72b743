"""One bucket: single requests, each checked and repeated as needed. Keys are whole object keys."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from ..errors import NotFound
from .connection import Connection, error_code, error_status
from .head import Head, envelope, head_of, token
from .retry import Damaged

__all__ = ["Bucket", "Listed", "checksum", "read_body"]

_DELETE_MANY = 1000  # what one request may name
_COPY_BYTES = 5 << 30  # what one request may copy
_COPY_PART_BYTES = 1 << 30


class Listed(NamedTuple):
    key: str
    stored_size: int
    modified_at: float
    etag: str


class Bucket:
    def __init__(self, connection: Connection, name: str) -> None:
        self.connection = connection
        self.name = name

    def url(self, key: str) -> str:
        return f"s3://{self.name}/{key}"

    # -- reading

    def head(self, key: str) -> Head | None:
        """None when the key is missing."""

        def action(client: Any, tries: int) -> Head | None:
            try:
                return head_of(client.head_object(Bucket=self.name, Key=key), self.url(key))
            except Exception as problem:
                if error_status(problem) == 404:
                    return None
                raise

        return self.connection.call(self.url(key), action)

    def get_range(self, key: str, offset: int, size: int, etag: str | None = None) -> tuple[bytes, Head]:
        """At most `size` (not 0) bytes of the stored object. InvalidRange when it ends before `offset`, NotFound.

        With `etag` only of that version of it: then Damaged when it is another by now.
        """

        def action(client: Any, tries: int) -> tuple[bytes, Head]:
            wanted = {"Range": f"bytes={offset}-{offset + size - 1}", **({"IfMatch": etag} if etag else {})}
            try:
                response = client.get_object(Bucket=self.name, Key=key, **wanted)
            except Exception as problem:
                if error_status(problem) == 412:
                    raise Damaged("it was replaced while it was read") from problem
                raise
            head = head_of(response, self.url(key))
            data = read_body(response, min(size, max(0, head.stored_size - offset)))
            if offset == 0 and len(data) == head.stored_size and not head.encoding:
                check_content(data, head)
            if not head.is_right(data, offset):
                raise Damaged("its sha256 is another one")
            return data, head

        return self.connection.call(self.url(key), action)

    # -- writing

    def put(
        self, key: str, data: bytes, metadata: Mapping[str, str], only_if: Mapping[str, str] | None = None,
        content_type: str | None = None,
    ) -> str | None:
        """The ETag of what was written; None when the condition `only_if` did not hold and nothing was.

        `metadata` of a conditional write has a token of its own, by which a success whose answer was lost is known.
        """
        more: dict[str, Any] = dict(only_if or {})
        if content_type:
            more["ContentType"] = content_type

        def action(client: Any, tries: int) -> str | None:
            try:
                answer = client.put_object(
                    Bucket=self.name, Key=key, Body=data, Metadata=dict(metadata), ChecksumSHA256=checksum(data), **more
                )
                return answer["ETag"]
            except Exception as problem:
                # A missing key cannot match an ETag: some servers call that 404.
                gone = error_status(problem) == 404 and error_code(problem) != "NoSuchBucket"
                if only_if is None or not (gone or error_status(problem) == 412):
                    raise
                # Before the first answer was lost this request may have won.
                return self._own(key, metadata) if tries else None

        return self.connection.call(self.url(key), action)

    def put_new(self, key: str, data: bytes) -> str | None:
        """Write a key that must be missing; its ETag, or None when it is there."""
        return self.put(key, data, _tokened(data), {"IfNoneMatch": "*"})

    def put_over(self, key: str, data: bytes, etag: str) -> str | None:
        """Replace exactly that version of a key; the new ETag, or None when it is another or missing by now."""
        return self.put(key, data, _tokened(data), {"IfMatch": etag})

    def _own(self, key: str, metadata: Mapping[str, str]) -> str | None:
        head = self.head(key)
        return head.etag if head is not None and head.token and head.token in metadata.values() else None

    def touch(self, key: str) -> bool:
        """Make the object young by copying it onto itself; False when it is missing."""
        head = self.head(key)
        if head is None:
            return False
        metadata = {**envelope(head.sha256, head.size, head.encoding, head.token, head.sums), **head.metadata}
        # Equal metadata would be refused as no change.
        about = {"Metadata": {**metadata, "metaflow-touched": os.urandom(6).hex()}, "ContentType": head.content_type}
        source = {"Bucket": self.name, "Key": key}

        def action(client: Any, tries: int) -> bool:
            try:
                if head.stored_size < _COPY_BYTES:
                    client.copy_object(
                        Bucket=self.name, Key=key, CopySource=source, CopySourceIfMatch=head.etag,
                        MetadataDirective="REPLACE", **about,
                    )
                else:
                    self._copy_in_parts(client, key, source, head, about)
            except Exception as problem:
                if error_status(problem) == 404:
                    return False
                if error_status(problem) == 412:
                    return True  # somebody has replaced it just now, so it is young
                raise
            return True

        return self.connection.call(self.url(key), action)

    def _copy_in_parts(self, client: Any, key: str, source: Any, head: Head, about: Mapping[str, Any]) -> None:
        place = {"Bucket": self.name, "Key": key}
        place["UploadId"] = client.create_multipart_upload(**place, **about)["UploadId"]
        parts = []
        for number, start in enumerate(range(0, head.stored_size, _COPY_PART_BYTES), 1):
            end = min(start + _COPY_PART_BYTES, head.stored_size) - 1
            done = client.upload_part_copy(
                **place, PartNumber=number, CopySource=source, CopySourceRange=f"bytes={start}-{end}",
                CopySourceIfMatch=head.etag,
            )
            parts.append({"PartNumber": number, "ETag": done["CopyPartResult"]["ETag"]})
        client.complete_multipart_upload(**place, MultipartUpload={"Parts": parts})

    # -- listing and deleting

    def list(self, prefix: str, one_level: bool = False) -> Iterator[Listed | str]:
        """Keys that begin with `prefix`; with `one_level` those without another "/" after it, and then the folders
        there as texts that end in "/"."""
        wanted: dict[str, Any] = {"Bucket": self.name, "Prefix": prefix, **({"Delimiter": "/"} if one_level else {})}
        while True:
            page = self.connection.call(self.url(prefix), lambda client, tries: client.list_objects_v2(**wanted))  # noqa: B023
            for item in page.get("Contents") or ():
                yield Listed(item["Key"], item["Size"], item["LastModified"].timestamp(), item.get("ETag", ""))
            for item in page.get("CommonPrefixes") or ():
                yield item["Prefix"]
            if not page.get("IsTruncated"):
                return
            wanted["ContinuationToken"] = page["NextContinuationToken"]

    def delete(self, keys: Iterable[str]) -> None:
        """Missing ones are fine."""
        todo = list(keys)
        for start in range(0, len(todo), _DELETE_MANY):
            self._delete(todo[start : start + _DELETE_MANY])

    def _delete(self, keys: list[str]) -> None:
        what = self.url(keys[0])
        if len(keys) == 1:
            self.connection.call(what, lambda client, tries: client.delete_object(Bucket=self.name, Key=keys[0]))
            return

        def action(client: Any, tries: int) -> None:
            answer = client.delete_objects(
                Bucket=self.name, Delete={"Objects": [{"Key": key} for key in keys], "Quiet": True}
            )
            for error in answer.get("Errors") or ():
                if error.get("Code") != "NoSuchKey":
                    raise _refused(error, "DeleteObjects")

        self.connection.call(what, action)

    def abort_uploads(self, prefix: str, older_than: float) -> int:
        """Forget uploads below a prefix that began before that time (seconds since 1970) and never ended; how many."""
        page = self.connection.call(
            self.url(prefix), lambda client, tries: client.list_multipart_uploads(Bucket=self.name, Prefix=prefix)
        )
        old = [item for item in page.get("Uploads") or () if item["Initiated"].timestamp() < older_than]
        for item in old:
            self.abort_upload(item["Key"], item["UploadId"])
        return len(old)

    def abort_upload(self, key: str, upload: str) -> None:
        def action(client: Any, tries: int) -> None:
            try:
                client.abort_multipart_upload(Bucket=self.name, Key=key, UploadId=upload)
            except Exception as problem:
                if error_status(problem) != 404:
                    raise

        self.connection.call(self.url(key), action)

    def missing(self, key: str) -> NotFound:
        return NotFound(f"the object {self.url(key)} does not exist", data={"url": self.url(key)})


def checksum(data: bytes) -> str:
    """The sha256 as S3 wants it; the server refuses a body that has another one."""
    return base64.b64encode(hashlib.sha256(data).digest()).decode("ascii")


def check_content(data: bytes, head: Head) -> None:
    if head.sha256 and hashlib.sha256(data).hexdigest() != head.sha256:
        raise Damaged("its sha256 is another one")


def read_body(response: Mapping[str, Any], size: int) -> bytes:
    """Exactly `size` bytes, the body of an answer; Damaged when it is shorter or longer."""
    body = response["Body"]
    try:
        data = body.read()
    finally:
        body.close()
    if len(data) != size:
        raise Damaged(f"{len(data)} bytes came instead of {size}")
    return data


def _tokened(data: bytes) -> dict[str, str]:
    return {**envelope(hashlib.sha256(data).hexdigest(), len(data)), **token()}


def _refused(error: Mapping[str, Any], operation: str) -> Exception:
    from botocore.exceptions import ClientError

    status = {"AccessDenied": 403}.get(error.get("Code", ""), 500)
    return ClientError({"Error": dict(error), "ResponseMetadata": {"HTTPStatusCode": status}}, operation)
