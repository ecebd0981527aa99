"""An endpoint's model: its artifact fetched and unpacked, once for each deployment."""

import shutil
from pathlib import Path

from botocore.exceptions import ClientError

from local_aws.hosting import transitions
from local_aws.hosting.transitions import DeploymentFailed
from local_aws.runtime import archives, s3_objects


def provide(s3: object, uri: str, folder: Path) -> None:
    """Unpack the artifact into `folder`/model, unless that has been done before.

    It then comes back after a restart even if the artifact has been deleted. Raises
    DeploymentFailed.
    """
    if (folder / "model").is_dir():
        return
    archive, unpacked = folder / "model.tar.gz", folder / "unpacked"
    bucket, key = s3_objects.split_uri(uri)
    try:
        shutil.rmtree(unpacked, ignore_errors=True)
        unpacked.mkdir(parents=True)
        s3.download_file(bucket, key, str(archive))
        archives.unpack(archive, unpacked)
        archive.unlink()
        unpacked.rename(folder / "model")  # whole or not at all
    except ClientError as error:
        raise DeploymentFailed(transitions.download_failure(uri)) from error
    except archives.UnsafeArchive as error:
        raise DeploymentFailed(transitions.unpack_failure(uri, error)) from error
    except OSError as error:
        raise DeploymentFailed(transitions.disk_failure(uri, error)) from error
