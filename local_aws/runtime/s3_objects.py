"""Objects in S3 as jobs read and write them."""

import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from boto3.s3.transfer import TransferConfig

# The host in https://bucket.s3.region.amazonaws.com/key and in
# https://s3.region.amazonaws.com/bucket/key (S3 User Guide, "Methods for accessing a
# bucket"); older addresses have a dash before the Region.
_HTTPS_HOST = re.compile(
    r"(?:(?P<bucket>.+)\.)?s3(?:[.-](?:dualstack\.)?[a-z0-9-]+)?\.amazonaws\.com(?:\.cn)?"
)

READ_BYTES = 2**20

# Parts of 8 MB, two on their way at a time: more only take memory on one machine.
TRANSFER = TransferConfig(max_concurrency=2)

LONGEST_FILE_NAME = 255  # bytes, on the usual file systems


def split_uri(uri: str) -> tuple[str, str]:
    """("bucket", "key or prefix") of s3://bucket/key or of S3's https form.

    Both are what SageMaker takes (pattern of S3Uri, botocore sagemaker service model).
    Raises ValueError for anything else.
    """
    scheme, _, rest = uri.partition("://")
    host, _, path = rest.partition("/")
    if scheme == "s3" and host:
        return host, path
    match = _HTTPS_HOST.fullmatch(host) if scheme == "https" else None
    if match is not None:
        bucket, _, key = (
            (match["bucket"], "", path) if match["bucket"] else (path.partition("/"))
        )
        if bucket:
            return bucket, unquote(key)
    raise ValueError(f'The S3 URI "{uri}" is not of the form s3://bucket/key.')


def join_uri(folder: str, name: str) -> tuple[str, str]:
    """("bucket", "key") of the object `name` under the S3 URI `folder`."""
    bucket, prefix = split_uri(folder)
    prefix = prefix.rstrip("/")
    return bucket, f"{prefix}/{name}" if prefix else name


def keys_under(s3: object, uri: str) -> Iterator[tuple[str, str]]:
    """(key, name) of each object whose key begins with the URI's prefix.

    The prefix is a string, not a folder: s3://b/train also matches s3://b/train2/x
    (S3DataSource, botocore sagemaker service model). `name` is the key relative to
    the folder that the prefix names, with its sub-folders. Objects that only mark a
    folder (their key ends in a slash) are passed over.
    """
    bucket, prefix = split_uri(uri)
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    for page in pages:
        for entry in page.get("Contents", []):
            key = entry["Key"]
            if not key.endswith("/"):
                yield key, _name(key, prefix)


def _name(key: str, prefix: str) -> str:
    if prefix and key.startswith(prefix.rstrip("/") + "/"):
        return key[len(prefix.rstrip("/")) + 1 :]
    return key[len(prefix.rpartition("/")[0]) :].lstrip("/")


def manifest(s3: object, uri: str) -> tuple[str, list[tuple[str, str]]]:
    """The bucket that a manifest names, and (key, name) of each object that it lists.

    A manifest is [{"prefix": "s3://bucket/folder/"}, "name", ...] (S3DataSource,
    botocore sagemaker service model). Raises ValueError for anything else.
    """
    bucket, key = split_uri(uri)
    with s3.get_object(Bucket=bucket, Key=key)["Body"] as body:
        content = body.read()
    try:
        first, *names = json.loads(content)
        bucket, prefix = split_uri(first["prefix"])
        return bucket, [(prefix + name, name) for name in names]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(
            f'The manifest "{uri}" is not of the form [{{"prefix": '
            f'"s3://bucket/folder/"}}, "name", ...]: {type(error).__name__}: {error}'
        ) from None


def fetch(s3: object, bucket: str, key: str, target: Path) -> None:
    """Write one object to a file.

    In one call: boto3's download_file asks for the size first and starts threads, which
    takes twice the time on one machine, of small objects and of large ones.
    """
    with s3.get_object(Bucket=bucket, Key=key)["Body"] as body, target.open("wb") as to:
        shutil.copyfileobj(body, to, READ_BYTES)


def download(
    s3: object, bucket: str, objects: Iterable[tuple[str, str]], folder: Path
) -> None:
    """Write objects, as `keys_under` names them, to `folder`, sub-folders kept.

    Raises ValueError for a key that would be written outside of the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for key, name in objects:
        parts = PurePosixPath(name).parts
        if (
            not parts
            or ".." in parts
            or PurePosixPath(name).is_absolute()
            or any(len(os.fsencode(part)) > LONGEST_FILE_NAME for part in parts)
        ):
            raise ValueError(f"The key {key} can't be a file name in a channel.")
        target = folder.joinpath(*parts)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            fetch(s3, bucket, key, target)
        except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
            raise ValueError(
                f"The key {key} can't be a file beside the other keys of its channel: "
                "one of them is both a file and a folder."
            ) from error
