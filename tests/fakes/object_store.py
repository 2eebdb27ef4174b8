"""An S3 server on this machine: moto's, which answers as the real one does. For lakes that do not lie in a folder."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import fsspec
import pytest

BUCKET = "lakes"
PATIENCE_S = 60


@contextmanager
def object_store() -> Iterator[str]:
    """The URL of a bucket; boto, here and in processes that are started meanwhile, finds it through the environment."""
    port = _free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    told = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nothing",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    with pytest.MonkeyPatch.context() as patched:
        for name, value in told.items():
            patched.setenv(name, value)
        try:
            deadline = time.monotonic() + PATIENCE_S
            while socket.socket().connect_ex(("127.0.0.1", port)):
                assert time.monotonic() < deadline and server.poll() is None, "the S3 server does not start"
                time.sleep(0.1)
            # Another server may have had the port and this thread's connections before.
            fsspec.filesystem("s3", skip_instance_cache=True).mkdir(BUCKET)
            yield f"s3://{BUCKET}"
        finally:
            server.terminate()
            server.wait()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port
