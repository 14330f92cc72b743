"""Files of users in S3, for R (R/bucket.R). Contents cross as paths of local files."""

from __future__ import annotations

from itertools import count
from typing import Any

from ..s3.client import S3
from .sessions import settings_of

__all__ = ["METHODS"]

Row = dict[str, Any]
_clients: dict[int, S3] = {}
_numbers = count(1)


def start(settings: Row, root: str | None = None, run: str | None = None, folder: str | None = None) -> Row:
    """`folder`: below it what is downloaded is kept."""
    client = S3(root, run, settings_of(settings), folder)
    number = next(_numbers)
    _clients[number] = client
    return {"id": number, "root": None if client.root is None else str(client.root)}


def get_many(id: int, keys: list[Any], missing_ok: bool = False) -> list[Row]:  # noqa: A002
    """Each of `keys` is a key or [key, offset, size]."""
    wanted = [key if isinstance(key, str) else (key[0], int(key[1]), int(key[2])) for key in keys]
    return _rows(_clients[id].get_many(wanted, missing_ok))


def get_recursive(id: int, prefixes: list[str]) -> list[Row]:  # noqa: A002
    return _rows(_clients[id].get_recursive(prefixes))


def get_all(id: int) -> list[Row]:  # noqa: A002
    return _rows(_clients[id].get_all())


def download(id: int, url: str) -> str:  # noqa: A002
    return _clients[id].download([url])[0]


def put_files(id: int, keys: list[str], paths: list[str], overwrite: bool, **about: Any) -> list[str]:  # noqa: A002
    return [url for _, url in _clients[id].put_files(list(zip(keys, paths)), overwrite, **about)]


def list_paths(id: int, prefixes: list[str] | None = None) -> list[Row]:  # noqa: A002
    return _rows(_clients[id].list_paths(prefixes))


def list_recursive(id: int, prefixes: list[str] | None = None) -> list[Row]:  # noqa: A002
    return _rows(_clients[id].list_recursive(prefixes))


def info_many(id: int, keys: list[str], missing_ok: bool = False) -> list[Row]:  # noqa: A002
    return _rows(_clients[id].info_many(keys, missing_ok))


def close(id: int) -> None:  # noqa: A002
    client = _clients.pop(id, None)
    if client is not None:
        client.close()


def _rows(objects: list[Any]) -> list[Row]:
    return [each.to_dict() for each in objects]


METHODS = {
    "start": start, "get_many": get_many, "get_recursive": get_recursive, "get_all": get_all, "download": download,
    "put_files": put_files, "list_paths": list_paths, "list_recursive": list_recursive, "info_many": info_many,
    "close": close,
}
