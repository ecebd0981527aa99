"""The user's code: fetched, and put where the script is run or imported from."""

import fcntl
import gzip
import os
import shutil
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

# Where a model's Environment says where the code is.
SETTING = "SAGEMAKER_SUBMIT_DIRECTORY"


@contextmanager
def only_one_container(folder: Path) -> Iterator[None]:
    """Instances of one model share its folder: one of them prepares it."""
    with (folder / "preparing").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def provide(folder: Path, source: str, setting: str = SETTING) -> None:
    """Put the code into `folder`/code unless it is there already.

    source: an archive in S3, or a folder, an archive or a file in the container.
    setting: the name of what says so. The code that an earlier start has fetched is
    used again, so that an endpoint comes back when its archive is gone.
    """
    code, coming = folder / "code", folder / "code.coming"
    if code.is_dir():
        return
    shutil.rmtree(coming, ignore_errors=True)
    coming.mkdir()
    if source.startswith("s3://"):
        archive = folder / "sourcedir.tar.gz"
        _download(source, archive, setting)
        _unpack(archive, coming)
        archive.unlink()
    else:
        path = Path(source.removeprefix("file://"))
        if path.is_dir():
            shutil.copytree(path, coming, dirs_exist_ok=True)
        elif path.is_file() and tarfile.is_tarfile(path):
            _unpack(path, coming)
        elif path.is_file():
            shutil.copy2(path, coming)
        else:
            raise FileNotFoundError(
                f"{setting} names {source}, which is neither in the "
                "container nor the address of an archive in S3. A model's archive "
                "that has the code in its folder code/ is named by /opt/ml/model/code."
            )
    coming.rename(code)  # whole or not at all


def _download(source: str, archive: Path, setting: str) -> None:
    """With the keys of the execution role, which the container has."""
    import boto3
    from botocore.exceptions import ClientError

    region = os.environ.get("AWS_REGION") or os.environ.get("SAGEMAKER_REGION")
    address = urlsplit(source)
    s3 = boto3.client("s3", region_name=region)
    try:
        found = s3.get_object(Bucket=address.netloc, Key=address.path.lstrip("/"))
        with found["Body"] as body, archive.open("wb") as file:
            shutil.copyfileobj(body, file)
    except ClientError as error:
        raise FileNotFoundError(
            f"{setting} names {source}, which can't be downloaded "
            f"with the keys of the execution role: {error}"
        ) from error


def _unpack(archive: Path, folder: Path) -> None:
    """Unpack; raises tarfile.TarError for what is damaged or would be elsewhere."""
    try:
        with tarfile.open(archive, "r:gz") as tar:
            tar.extractall(folder, filter="data")
    except tarfile.OutsideDestinationError as error:
        # Its own text names a folder of this machine.
        raise tarfile.ReadError(
            f"{error.tarinfo.name} would be unpacked outside the folder of the code"
        ) from error
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise tarfile.ReadError(f"the archive is damaged: {error}") from error


def translate_own_script_of_the_sdk(code: Path, folder: Path) -> None:
    """Where ModelBuilder has packed an InferenceSpec, its own script names /opt/ml: let
    it name the folder that stands for that, which has another name at each start.
    """
    if not (code / "serve.pkl").is_file():
        return
    script, original = code / "inference.py", folder / "inference.of.the.sdk.py"
    if not original.exists():
        shutil.copy2(script, original)
    text = original.read_text(encoding="utf-8")
    script.write_text(text.replace("/opt/ml", str(folder)), encoding="utf-8")
