"""An S3 of this machine, by moto, for as long as a test runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

BUCKET = "counterpoise"


@contextmanager
def served() -> Iterator[dict[str, str]]:
    """Serve an empty bucket; yields the variables of the environment that lead there."""
    server = pytest.importorskip("moto.server", reason="an S3 to test with: counterpoise[dev-cluster]")
    import boto3

    started = server.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    started.start()
    try:
        host, port = started.get_host_and_port()
        variables = {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_ACCESS_KEY_ID": "somebody",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        with pytest.MonkeyPatch.context() as patch:
            for name, value in variables.items():
                patch.setenv(name, value)
            boto3.client("s3").create_bucket(Bucket=BUCKET)
        yield variables
    finally:
        started.stop()
