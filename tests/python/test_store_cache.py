import os
import threading

import pytest
from metaflow_core.errors import Corrupted, StoreError
from metaflow_core.store import cache as cache_module
from metaflow_core.store.blobs import digest_of
from metaflow_core.store.cache import BlobCache
from suites.processes import in_processes


def contents(count, size=1000):
    data = [bytes([number]) * size for number in range(count)]
    return {digest_of(each): each for each in data}


def fetcher(known, asked=None):
    def fetch(wanted):
        came = []
        for digest, path in wanted:
            if asked is not None:
                asked.append(digest)
            if digest in known:
                with open(path, "wb") as file:
                    file.write(known[digest])
                came.append(digest)
        return came

    return fetch


def test_what_is_missing_is_fetched_once(tmp_path):
    known, asked = contents(3), []
    cache = BlobCache(str(tmp_path / "c"), 1e6)
    nobody = digest_of(b"nobody has this")
    assert cache.fill([*known, nobody, *known], fetcher(known, asked)) == [nobody]
    assert sorted(asked) == sorted([*known, nobody])
    for digest, data in known.items():
        with open(cache.find(digest), "rb") as file:
            assert file.read() == data
    assert cache.fill(known, lambda wanted: pytest.fail("asked again")) == []
    assert os.listdir(tmp_path / "c" / "incoming") == []


def test_what_is_damaged_is_never_kept(tmp_path):
    cache = BlobCache(str(tmp_path), 1e6)
    digest = digest_of(b"right")
    with pytest.raises(Corrupted) as caught:
        cache.fill([digest], fetcher({digest: b"wrong"}))
    assert digest in caught.value.message
    assert cache.find(digest) is None and os.listdir(tmp_path / "incoming") == []


def test_what_was_used_longest_ago_goes_first(tmp_path):
    known = contents(10)
    cache = BlobCache(str(tmp_path), 1e6)
    cache.fill(known, fetcher(known))
    for age, digest in enumerate(known):
        os.utime(cache.path(digest), (1000 + age, 1000 + age))
    digests = list(known)
    assert cache.find(digests[2])  # used now
    assert BlobCache(str(tmp_path), 5000).shrink() == 6000
    left = {digest for digest in known if os.path.exists(cache.path(digest))}
    assert left == {digests[2], *digests[7:]}


def test_one_blob_larger_than_all_is_there_while_it_is_wanted(tmp_path):
    known = contents(1, size=9000)
    cache = BlobCache(str(tmp_path), 5000)
    (digest,) = known
    assert cache.fill([digest], fetcher(known)) == []
    assert os.path.exists(cache.path(digest))


def test_who_has_a_copy_open_keeps_it(tmp_path):
    known = contents(2, size=4000)
    cache = BlobCache(str(tmp_path), 5000)
    first, second = known
    cache.fill([first], fetcher(known))
    os.utime(cache.path(first), (1, 1))
    with open(cache.path(first), "rb") as file:
        cache.fill([second], fetcher(known))
        cache.shrink()
        assert not os.path.exists(cache.path(first))
        assert file.read() == known[first]


def test_what_is_in_use_just_now_does_not_go(tmp_path):
    known = contents(4, size=4000)
    cache = BlobCache(str(tmp_path), 5000)
    assert cache.fill(known, fetcher(known)) == [] and cache.shrink() == 0
    first, *others = known
    os.utime(cache.path(first), (1, 1))
    assert cache.shrink() == 4000 and [os.path.exists(cache.path(other)) for other in others] == [True] * 3


def test_threads_and_objects_that_fill_and_shrink_together(tmp_path, monkeypatch):
    monkeypatch.setattr(cache_module, "_IN_USE_SECONDS", -1.0)
    known = contents(40)
    problems = []

    def work(seed):
        cache = BlobCache(str(tmp_path), 10_000)
        for number in range(200):
            digest = list(known)[(number * seed) % len(known)]
            try:
                assert cache.fill([digest], fetcher(known)) == []
                with open(cache.path(digest), "rb") as file:
                    assert file.read() == known[digest]
            except FileNotFoundError:
                continue  # removed between the two, to be asked for again
            except Exception as problem:  # noqa: BLE001
                problems.append(problem)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in (1, 3, 7, 11)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    cache = BlobCache(str(tmp_path / "file" / "c"), 1e6)
    with pytest.raises(StoreError) as caught:
        cache.fill([digest_of(b"x")], fetcher({}))
    assert str(tmp_path / "file") in caught.value.message and "METAFLOW_CACHE_FOLDER" in caught.value.hint


def test_a_staged_file_becomes_a_copy_at_no_cost(tmp_path):
    staged = tmp_path / "staged"
    staged.write_bytes(b"content")
    cache = BlobCache(str(tmp_path / "c"), 1e6)
    cache.adopt(str(staged), digest_of(b"content"))
    assert os.path.samefile(staged, cache.find(digest_of(b"content")))
    cache.adopt(str(tmp_path / "none"), digest_of(b"none"))
    assert cache.find(digest_of(b"none")) is None


def test_a_copy_that_was_damaged_on_this_disk_is_brought_anew(tmp_path):
    known = contents(2)
    BlobCache(str(tmp_path), 1e6).fill(known, fetcher(known))
    flipped, short = known
    cache = BlobCache(str(tmp_path), 1e6)
    with open(cache.path(flipped), "r+b") as file:
        file.write(bytes([known[flipped][0] ^ 1]))
    os.truncate(cache.path(short), 0)
    asked = []
    assert cache.fill(known, fetcher(known, asked)) == [] and sorted(asked) == sorted(known)
    for digest, data in known.items():
        with open(cache.find(digest), "rb") as file:
            assert file.read() == data


def test_processes_that_fill_and_shrink_together(tmp_path):
    said = in_processes(
        4,
        """
        import random
        from metaflow_core.store import cache as cache_module
        from metaflow_core.store.blobs import digest_of
        from metaflow_core.store.cache import BlobCache
        known = {digest_of(bytes([n]) * 1000): bytes([n]) * 1000 for n in range(40)}
        def fetch(wanted):
            for digest, path in wanted:
                with open(path, "wb") as file:
                    file.write(known[digest])
            return [digest for digest, _ in wanted]
        cache_module._IN_USE_SECONDS = -1.0
        cache, random_of_mine, seen = BlobCache(sys.argv[1], 10_000), random.Random(sys.argv[2]), 0
        for _ in range(300):
            digest = random_of_mine.choice(list(known))
            assert cache.fill([digest], fetch) == []
            try:
                with open(cache.path(digest), "rb") as file:
                    assert file.read() == known[digest]
                seen += 1
            except FileNotFoundError:  # another process has made room, and it is asked for again
                pass
        print(seen)
    """,
        tmp_path,
    )
    assert min(map(int, said)) > 0
    for path in tmp_path.glob("??/*"):
        os.utime(path, (1000, 1000))
    BlobCache(str(tmp_path), 10_000).shrink()
    assert sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()) <= 10_000
