"""moto's S3 server, in this process, with the bucket that SeaweedServer has."""

from __future__ import annotations

import logging

__all__ = ["MotoServer"]


class MotoServer:
    """A running server; `endpoint` is its address. Its data is in memory and ends with `stop()`."""

    def __init__(self) -> None:
        import boto3
        from moto.server import ThreadedMotoServer
        from seaweed import BUCKET, credentials

        logging.getLogger("werkzeug").setLevel(logging.WARNING)  # a line for each request otherwise
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._server.start()
        host, port = self._server.get_host_and_port()
        self.port, self.endpoint = port, f"http://{host}:{port}"
        keys = credentials()
        client = boto3.client(
            "s3", endpoint_url=self.endpoint, region_name=keys["AWS_DEFAULT_REGION"],
            aws_access_key_id=keys["AWS_ACCESS_KEY_ID"], aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
        )
        client.create_bucket(Bucket=BUCKET)

    def stop(self) -> None:
        self._server.stop()
