"""Files of users in S3, many at once: `metaflow_core.S3`, and `mf_s3()` in R.

    with S3("s3://bucket/prefix") as s3:
        s3.put_many([("a", b"1"), ("b", "two")])
        [each.text for each in s3.get_many(["a", "b"])]

Keys are relative to the root; without a root they are whole addresses, s3://bucket/key. What is downloaded is a file in
a temporary folder, which goes with `close()`. Every file written here carries its sha256, which is checked whenever it
is read here; of a range only the length can be checked, or its parts where they are known.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from ..errors import InvalidRange, NotFound, UnknownOption
from .address import S3Address, is_s3_address, parse_address
from .bucket import Bucket, Listed
from .connection import Connection, translated
from .download import fetch_files
from .head import PART_BYTES, Head
from .parallel import in_parallel
from .upload import Upload, put_all

__all__ = ["S3", "S3Object"]

_WHOLE = "whole"


class S3Object:
    """One file in S3: what is known of it, and its content, which is downloaded when it is first asked for.

    `exists` is False for one that was asked for with `missing_ok` and is not there; then `size` is None.
    """

    def __init__(self, s3: S3, key: str, url: str, head: Head | Listed | None, path: str | None = None) -> None:
        self._s3, self._path = s3, path
        self.key, self.url, self.exists = key, url, head is not None
        is_head = isinstance(head, Head)
        self.size: int | None = head.size if is_head else head.stored_size if head is not None else None
        self.modified_at = head.modified_at if head is not None else None
        self.content_type = head.content_type if is_head else None
        self.metadata: dict[str, str] = dict(head.metadata) if is_head else {}

    def __repr__(self) -> str:
        return f"S3Object({self.url!r}, size={self.size})"

    @property
    def downloaded(self) -> bool:
        return self._path is not None

    @property
    def path(self) -> str:
        """A local file with the content."""
        if self._path is None:
            self._path = self._s3.download([self.url])[0]
        return self._path

    def keep(self, path: str) -> None:
        """It was downloaded to this file."""
        self._path = path

    @property
    def blob(self) -> bytes:
        with open(self.path, "rb") as file:
            return file.read()

    @property
    def text(self) -> str:
        """As UTF-8."""
        return self.blob.decode("utf-8")

    def to_dict(self) -> dict[str, Any]:
        return {
            "key": self.key, "url": self.url, "exists": self.exists, "size": self.size, "path": self._path,
            "modified_at": self.modified_at, "content_type": self.content_type, "metadata": self.metadata,
        }


class _Place(NamedTuple):
    key: str
    bucket: str
    name: str

    @property
    def url(self) -> str:
        return f"s3://{self.bucket}/{self.name}"


class S3:
    """`root`: s3://bucket/prefix. `run`: "Flow/12" or (flow, run), for files that belong to a run; they are kept below
    METAFLOW_S3_ROOT, by default beside an S3 datastore. Neither: keys are addresses.

    Errors: NotFound, AccessDenied, InvalidRange, DiskFull, StoreError.
    """

    def __init__(
        self, root: str | None = None, run: str | Sequence[str] | None = None, settings: Any = None,
        tmproot: str | None = None,
    ) -> None:
        if settings is None:
            from ..settings import load_settings

            settings = load_settings()
        if root is not None and run is not None:
            raise UnknownOption("S3 has a root or a run, not both", hint="Leave one of them out.")
        if run is not None:
            root = _run_root(settings, run)
        self.root: S3Address | None = None if root is None else parse_address(root)
        self._connection = Connection(settings.s3_endpoint_url)
        self._tmproot = tmproot
        self._folder: str | None = None
        self._count = 0

    def __enter__(self) -> S3:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Remove what was downloaded."""
        folder, self._folder = getattr(self, "_folder", None), None
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)

    # -- reading

    def get(self, key: str, range: tuple[int, int] | None = None, missing_ok: bool = False) -> S3Object:  # noqa: A002
        """`range`: (offset, size) in bytes, of the file itself even when it is kept compressed."""
        return self.get_many([key if range is None else (key, *range)], missing_ok)[0]

    def get_many(self, keys: Iterable[str | tuple[str, int, int]], missing_ok: bool = False) -> list[S3Object]:
        """In the order of `keys`; each is a key, or (key, offset, size). The first that is missing is an error, unless
        `missing_ok`: then its object says so."""
        asked = [
            (self._place(key), None) if isinstance(key, str) else (self._place(key[0]), tuple(key[1:])) for key in keys
        ]
        for place, part in asked:
            if part is not None and (part[0] < 0 or part[1] < 1):
                raise InvalidRange(f"{part} is no range of {place.url}", hint="A range is (offset, size) in bytes.")
        ranged = list(dict.fromkeys((place, part) for place, part in asked if part is not None))
        parts = dict(in_parallel(self._get_part, ranged))
        # What is compressed has no ranges, and what is small is checked as a whole.
        whole = [place for place, part in asked if part is None or parts[place, part] == _WHOLE]
        files = self._fetch(whole)
        found = []
        for place, part in asked:
            got = parts[place, part] if part is not None else _WHOLE
            head, path = files[place.url] if got == _WHOLE else got
            if head is None and not missing_ok:
                raise self._missing(place)
            if got == _WHOLE and part is not None and head is not None:
                path = self._cut(path, head, part, place.url)
            found.append(S3Object(self, place.key, place.url, head, path))
        return found

    def get_recursive(self, prefixes: Iterable[str]) -> list[S3Object]:
        """Every file below the prefixes, downloaded."""
        found = self.list_recursive(prefixes)
        for each, path in zip(found, self.download([each.url for each in found])):
            each.keep(path)
        return found

    def get_all(self) -> list[S3Object]:
        """Every file below the root, downloaded."""
        if self.root is None:
            raise UnknownOption("get_all() needs a root", hint="Give S3 a root or a run.")
        return self.get_recursive([""])

    def download(self, urls: Sequence[str]) -> list[str]:
        """Local files with the content of these addresses, in their order."""
        places = [_split(url, url) for url in urls]
        files = self._fetch(places)
        for place in places:
            if files[place.url][0] is None:
                raise self._missing(place)
        return [files[place.url][1] for place in places]

    # -- writing

    def put(self, key: str, value: bytes | str, overwrite: bool = True, **about: Any) -> str:
        """The address of what was written. `about`: content_type, metadata."""
        return self.put_many([(key, value)], overwrite, **about)[0][1]

    def put_many(
        self, items: Iterable[tuple[str, bytes | str]], overwrite: bool = True,
        content_type: str | None = None, metadata: dict[str, str] | None = None,
    ) -> list[tuple[str, str]]:
        """(key, address) of each. Without `overwrite` a file that is there is an error, and stays as it is."""
        uploads = [
            (self._place(key), value.encode("utf-8") if isinstance(value, str) else bytes(value))
            for key, value in items
        ]
        return self._put(uploads, overwrite, content_type, metadata)

    def put_files(
        self, items: Iterable[tuple[str, str]], overwrite: bool = True,
        content_type: str | None = None, metadata: dict[str, str] | None = None,
    ) -> list[tuple[str, str]]:
        """The same for (key, path of a local file)."""
        uploads = [(self._place(key), os.path.expanduser(path)) for key, path in items]
        for _, path in uploads:
            if not os.path.isfile(path):
                raise NotFound(f"there is no file '{path}' to put", data={"path": path})
        return self._put(uploads, overwrite, content_type, metadata)

    # -- looking

    def list_paths(self, prefixes: Iterable[str] | None = None) -> list[S3Object]:
        """What is directly below the prefixes (default: the root): files, and folders with `exists` False and a key
        that ends in "/"."""
        return [each for prefix in self._prefixes(prefixes) for each in self._list(prefix, one_level=True)]

    def list_recursive(self, prefixes: Iterable[str] | None = None) -> list[S3Object]:
        """Every file below the prefixes (default: the root), not downloaded."""
        return [each for prefix in self._prefixes(prefixes) for each in self._list(prefix, one_level=False)]

    def info(self, key: str, missing_ok: bool = False) -> S3Object:
        return self.info_many([key], missing_ok)[0]

    def info_many(self, keys: Iterable[str], missing_ok: bool = False) -> list[S3Object]:
        """Size, time, type and metadata, without the content."""
        places = [self._place(key) for key in keys]
        heads = dict(in_parallel(lambda place: self._bucket(place).head(place.name), list(dict.fromkeys(places))))
        for place in places:
            if heads[place] is None and not missing_ok:
                raise self._missing(place)
        return [S3Object(self, place.key, place.url, heads[place]) for place in places]

    # -- how

    def _place(self, key: str) -> _Place:
        if not isinstance(key, str) or not key:
            raise UnknownOption(f"{key!r} is not the key of a file in S3", hint="Use a text that is not empty.")
        if is_s3_address(key):
            return _split(key, key)
        if self.root is None:
            raise UnknownOption(
                f"'{key}' is not an address, and there is no root that it could be below",
                hint="Write s3://BUCKET/KEY, or give S3 a root or a run.",
            )
        return _Place(key, self.root.bucket, self.root.key(key))

    def _bucket(self, place: _Place) -> Bucket:
        return Bucket(self._connection, place.bucket)

    def _fetch(self, places: Iterable[_Place]) -> dict[str, tuple[Head | None, str | None]]:
        """{address: (head, path of the file)}, both None for what is missing."""
        wanted: dict[str, dict[str, str]] = {}
        for place in places:
            wanted.setdefault(place.bucket, {}).setdefault(place.name, self._new_path())
        found: dict[str, tuple[Head | None, str | None]] = {}
        for name, paths in wanted.items():
            for key, head in fetch_files(Bucket(self._connection, name), paths.items()).items():
                found[f"s3://{name}/{key}"] = head, None if head is None else paths[key]
        return found

    def _get_part(self, item: tuple[_Place, Any]) -> Any:
        """(head, path) of a file with the range, (None, None) when it is missing, or _WHOLE: all of it is needed."""
        place, (offset, size) = item
        bucket = self._bucket(place)
        try:
            data, head = bucket.get_range(place.name, offset, size)
        except NotFound:
            return None, None
        except InvalidRange:
            head = bucket.head(place.name)
            if head is None or not head.encoding:
                raise
            return _WHOLE
        if head.encoding or (head.sha256 and head.stored_size <= PART_BYTES and len(data) < head.stored_size):
            return _WHOLE
        path = self._new_path()
        _write(path, data, place.url)
        return head, path

    def _cut(self, path: str, head: Head, part: tuple[int, int], url: str) -> str:
        offset, size = part
        if offset >= head.size:
            raise InvalidRange(
                f"{url} has {head.size} bytes, and none from {offset} on", hint="Ask info() for its size."
            )
        with open(path, "rb") as file:
            file.seek(offset)
            data = file.read(size)
        target = self._new_path()
        _write(target, data, url)
        return target

    def _put(
        self, uploads: list[tuple[_Place, Any]], overwrite: bool, content_type: str | None,
        metadata: dict[str, str] | None,
    ) -> list[tuple[str, str]]:
        for name in dict.fromkeys(place.bucket for place, _ in uploads):
            put_all(Bucket(self._connection, name), (
                Upload(place.name, source, None, False, content_type, metadata or {}, only_new=not overwrite)
                for place, source in uploads if place.bucket == name
            ))
        return [(place.key, place.url) for place, _ in uploads]

    def _prefixes(self, prefixes: Iterable[str] | None) -> list[str]:
        if prefixes is None and self.root is None:
            raise UnknownOption("what is to be listed?", hint="Name a prefix, or give S3 a root or a run.")
        return [""] if prefixes is None else [prefixes] if isinstance(prefixes, str) else list(prefixes)

    def _list(self, prefix: str, one_level: bool) -> list[S3Object]:
        """A prefix is a folder, not a beginning of names."""
        if prefix and is_s3_address(prefix):
            base, below = parse_address(prefix), ""
        else:
            base, below = self._root_for(prefix), prefix.strip("/")
        start = base.key(below)
        start = f"{start}/" if start else ""
        top = S3Address(base.bucket, "") if self.root is None or is_s3_address(prefix) else self.root
        found = []
        for item in Bucket(self._connection, base.bucket).list(start, one_level):
            name = item if isinstance(item, str) else item.key
            url = f"s3://{base.bucket}/{name}"
            own = url if top is not self.root else name[len(top.prefix) + 1 if top.prefix else 0 :]
            if isinstance(item, str) or not name.endswith("/"):
                found.append(S3Object(self, own, url, None if isinstance(item, str) else item))
        return found

    def _root_for(self, prefix: str) -> S3Address:
        if self.root is None:
            raise UnknownOption(f"'{prefix}' is not an address", hint="Write s3://BUCKET/PREFIX, or give S3 a root.")
        return self.root

    def _missing(self, place: _Place) -> NotFound:
        return self._bucket(place).missing(place.name)

    def _new_path(self) -> str:
        if self._folder is None:
            self._folder = tempfile.mkdtemp(prefix="metaflow-s3-", dir=self._tmproot)
        self._count += 1
        return os.path.join(self._folder, str(self._count))


def _split(key: str, url: str) -> _Place:
    bucket, _, name = url.partition("://")[2].partition("/")
    if not name:
        raise UnknownOption(f"'{url}' names a bucket and no file", hint="Write s3://BUCKET/KEY.")
    return _Place(key, bucket, name)


def _write(path: str, data: bytes, url: str) -> None:
    try:
        with open(path, "wb") as file:
            file.write(data)
    except OSError as problem:
        with contextlib.suppress(OSError):
            os.unlink(path)
        problem.filename = problem.filename or path
        raise translated(problem, url) from problem


def _run_root(settings: Any, run: str | Sequence[str]) -> str:
    parts = run.split("/") if isinstance(run, str) else list(run)
    if len(parts) < 2 or not all(parts[:2]):
        raise UnknownOption(f"{run!r} does not name a run", hint="Write Flow/12.")
    if not settings.s3_root:
        raise UnknownOption(
            "files of runs need a place in S3",
            hint="Set METAFLOW_S3_ROOT to s3://BUCKET/PREFIX, or use an S3 datastore.",
        )
    return f"{settings.s3_root}/{parts[0]}/{parts[1]}"
