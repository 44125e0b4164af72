"""A bucket of an S3-compatible server: moto's, which keeps objects in memory and checks every signature."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import botocore.session

from .caches import free_port, pip_index, serving
from .command import ROOT

SERVER = "moto[server]==5.2.5"
NAME = "flights"
# Moto's way to begin: so many requests are taken from anyone, and every later one has to be signed.
UNSIGNED = 4
POLICY = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}'


class Bucket:
    """The bucket, and the credentials that it may be used with."""

    def __init__(self, endpoint: str) -> None:
        """Make it, with a user who has a first pair of keys."""
        self.endpoint = endpoint
        self.keys = {"AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "nothing"}
        iam = self.client("iam")
        iam.create_user(UserName=NAME)
        made = iam.create_access_key(UserName=NAME)["AccessKey"]
        iam.put_user_policy(UserName=NAME, PolicyName="all", PolicyDocument=POLICY)
        self.client("s3").create_bucket(Bucket=NAME)
        self.take(made)

    def client(self, service: str) -> Any:
        """Return a client of the server, with the credentials that it takes."""
        return botocore.session.get_session().create_client(
            service,
            region_name="us-east-1",
            endpoint_url=self.endpoint,
            aws_access_key_id=self.keys["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.keys["AWS_SECRET_ACCESS_KEY"],
        )

    def take(self, made: dict[str, str]) -> None:
        """Use these credentials from now on."""
        self.keys = {
            "AWS_ACCESS_KEY_ID": made["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": made["SecretAccessKey"],
        }

    def rotate(self) -> None:
        """Have new keys, and the server take those before no more."""
        before = self.keys["AWS_ACCESS_KEY_ID"]
        self.take(self.client("iam").create_access_key(UserName=NAME)["AccessKey"])
        self.client("iam").delete_access_key(UserName=NAME, AccessKeyId=before)

    def objects(self) -> list[str]:
        """Return the keys of its objects."""
        found = self.client("s3").list_objects_v2(Bucket=NAME)
        return [item["Key"] for item in found.get("Contents", ())]


@contextmanager
def bucket(address: str) -> Iterator[Bucket]:
    """Serve a bucket at an address of this machine as long as the block lasts."""
    port, index = free_port(address), pip_index()
    settings = {"INITIAL_NO_AUTH_ACTION_COUNT": str(UNSIGNED), "UV_SYSTEM_CERTS": "1"}
    if index:
        settings["UV_DEFAULT_INDEX"] = index
    command = [
        str(ROOT / ".venv/bin/uv"), "--quiet", "tool", "run", "--from", SERVER,
        "moto_server", "--host", address, "--port", str(port),
    ]  # fmt: skip
    with serving(command, address, port, settings):
        yield Bucket(f"http://{address}:{port}")
