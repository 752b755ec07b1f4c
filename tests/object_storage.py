"""An S3-compatible server on this machine, for tests of object storage."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator

import pytest

BUCKET = "season"


@contextlib.contextmanager
def s3_server() -> Iterator[str]:
    """A server with one bucket; the environment names it, here and in processes that are started meanwhile."""
    pytest.importorskip("s3fs")
    server = pytest.importorskip("moto.server").ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "made")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        forget_stores()
        import boto3

        boto3.client("s3").create_bucket(Bucket=BUCKET)
        try:
            yield f"s3://{BUCKET}"
        finally:
            server.stop()
            forget_stores()


def forget_stores() -> None:
    """Connections remember the server that was there before."""
    from vernal.common import storage

    storage._filesystem.cache_clear()
