"""The storage in S3, on two servers: SeaweedFS, which is held to everything, and moto, as far as it is right."""

import os

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from metaflow_core.contracts.storage import PutItem
from metaflow_core.errors import SettingsError
from metaflow_core.s3.bucket import checksum
from metaflow_core.storages.s3 import S3Storage
from seaweed import BUCKET, credentials
from suites.storage import StorageSuite

#: What moto 5.2 gets wrong, and SeaweedFS and Amazon do not. No test here asks moto for these; each is seen below, so
#: that a moto which has learned it says so.
WRONG_IN_MOTO = {
    "signature": "it accepts any secret",
    "checksum": "it keeps a body whose sha256 is not the one that was sent with it",
    "copy": "it ignores CopySourceIfMatch",
    "uploads": "every upload in parts began in November 2010",
}


@pytest.fixture(params=["seaweed", "moto"])
def s3_server(request):
    return request.getfixturevalue(f"{request.param}_server")


@pytest.fixture
def storage(s3_root, s3_server):
    return S3Storage(s3_root, s3_server.endpoint)


class TestS3Storage(StorageSuite):
    @pytest.fixture
    def storage(self, s3_root, s3_server):
        return S3Storage(s3_root, s3_server.endpoint)


def is_right(server, what):
    """Whether a server does what S3 does."""
    keys = credentials()
    client = boto3.client(
        "s3", endpoint_url=server.endpoint, region_name=keys["AWS_DEFAULT_REGION"],
        aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key="wrong" if what == "signature" else keys["AWS_SECRET_ACCESS_KEY"],
        config=Config(retries={"max_attempts": 0}),
    )
    try:
        if what == "signature":
            client.list_objects_v2(Bucket=BUCKET)
        elif what == "checksum":
            client.put_object(Bucket=BUCKET, Key="k", Body=b"x", ChecksumSHA256=checksum(b"y"))
        elif what == "copy":
            client.put_object(Bucket=BUCKET, Key="k", Body=b"x")
            source = {"Bucket": BUCKET, "Key": "k"}
            client.copy_object(Bucket=BUCKET, Key="copy", CopySource=source, CopySourceIfMatch='"another"')
        else:
            upload = client.create_multipart_upload(Bucket=BUCKET, Key="k")["UploadId"]
            (found,) = client.list_multipart_uploads(Bucket=BUCKET, Prefix="k")["Uploads"]
            client.abort_multipart_upload(Bucket=BUCKET, Key="k", UploadId=upload)
            return found["Initiated"].year > 2010
    except ClientError as refused:
        return refused.response["ResponseMetadata"]["HTTPStatusCode"] in (400, 403, 412)
    return False


@pytest.mark.parametrize("what", WRONG_IN_MOTO)
def test_what_a_server_gets_wrong_is_known(seaweed_server, moto_server, what):
    assert (is_right(seaweed_server, what), is_right(moto_server, what)) == (True, False), WRONG_IN_MOTO[what]


@pytest.mark.parametrize("s3_server", ["seaweed"], indirect=True)  # WRONG_IN_MOTO["uploads"]
def test_what_was_sent_in_parts_and_never_completed_is_swept(storage, s3_root):
    client, bucket = storage._bucket.connection.client, storage._bucket.name
    key = f"{s3_root.rpartition('/')[2]}/half"
    client.create_multipart_upload(Bucket=bucket, Key=key)
    assert storage.sweep(3600.0) == 0
    assert storage.sweep(-60.0) == 1
    assert storage.sweep(-60.0) == 0


def test_what_pays_is_compressed_and_nobody_sees_it(storage, tmp_path):
    even, noise = tmp_path / "even", tmp_path / "noise"
    even.write_bytes(b"0123456789" * 300_000)
    noise.write_bytes(os.urandom(3_000_000))
    for path in (even, noise):
        storage.put_file(str(path), path.name, move=False)
        assert storage.read(path.name) == path.read_bytes()
        assert storage.size(path.name) == storage.stat(path.name).size == 3_000_000
        assert storage.read_range(path.name, 2_999_990, 50) == path.read_bytes()[-10:]
    kept = {entry.key: entry.size for entry in storage.walk()}
    assert kept["even"] < 300_000 and kept["noise"] == 3_000_000
    storage.touch("even")
    assert storage.read("even") == even.read_bytes()


def test_large_objects_travel_in_parts(storage, tmp_path):
    large, back = tmp_path / "large", tmp_path / "back"
    large.write_bytes(os.urandom(20_000_000))
    storage.put_file(str(large), "large", move=False)
    storage.fetch_file("large", str(back))
    assert back.read_bytes() == storage.read("large") == large.read_bytes()
    assert storage.read_range("large", 8_388_600, 20) == large.read_bytes()[8_388_600:8_388_620]
    assert storage.touch("large") and storage.read("large") == large.read_bytes()


def test_many_files_at_once(storage, tmp_path):
    items = []
    for number in range(200):
        path = tmp_path / str(number)
        path.write_text(str(number))
        items.append(PutItem(str(path), f"n/{number}"))
    storage.put_many(iter(items))
    back = [(f"n/{number}", str(tmp_path / f"back-{number}")) for number in range(201)]
    assert sorted(storage.fetch_many(back)) == sorted(item.key for item in items)
    assert [(tmp_path / f"back-{number}").read_text() for number in range(200)] == [str(n) for n in range(200)]
    assert not (tmp_path / "back-200").exists()
    assert storage.size_many(["n/0", "n/199", "none"]) == {"n/0": 1, "n/199": 3}


def test_more_keys_than_one_listing_has(storage):
    # A page of a listing, and of a deletion, has 1,000 keys.
    storage.put_many(PutItem(__file__, f"d/{number:04d}") for number in range(1100))
    assert storage.list_files("d") == [f"d/{number:04d}" for number in range(1100)]
    assert len(list(storage.walk())) == 1100
    storage.delete_tree("d")
    assert list(storage.walk()) == []


def test_a_root_that_is_no_address():
    for root in ("", "/folder", "http://x/y", "s3://"):
        with pytest.raises(SettingsError):
            S3Storage(root)
    assert S3Storage("s3://bucket").root == "s3://bucket"
