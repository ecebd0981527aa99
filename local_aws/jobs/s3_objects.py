"""Objects in S3 as jobs read and write them."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit


def split_uri(uri: str) -> tuple[str, str]:
    """("bucket", "key or prefix") of s3://bucket/key; raises ValueError."""
    parts = urlsplit(uri, allow_fragments=False)
    if parts.scheme != "s3" or not parts.netloc:
        raise ValueError(f'The S3 URI "{uri}" is not of the form s3://bucket/key.')
    return parts.netloc, uri.removeprefix("s3://").partition("/")[2]


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


def download_prefix(s3: object, uri: str, folder: Path) -> None:
    """Write each object under the URI to `folder`, sub-folders kept.

    Raises ValueError for a key that would be written outside of the folder.
    """
    bucket, _ = split_uri(uri)
    folder.mkdir(parents=True, exist_ok=True)
    for key, name in keys_under(s3, uri):
        parts = PurePosixPath(name).parts
        if not parts or ".." in parts or PurePosixPath(name).is_absolute():
            raise ValueError(f"The key {key} can't be a file name in a channel.")
        target = folder.joinpath(*parts)
        target.parent.mkdir(parents=True, exist_ok=True)
        s3.download_file(bucket, key, str(target))
