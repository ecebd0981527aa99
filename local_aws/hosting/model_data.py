"""An endpoint's model: its artifact fetched and unpacked, once for each deployment.

Source for files that are not compressed: S3ModelDataSource, botocore sagemaker service
model.
"""

import shutil
from pathlib import Path

from botocore.exceptions import ClientError

from local_aws.hosting import transitions
from local_aws.hosting.transitions import DeploymentFailed
from local_aws.runtime import archives, s3_objects


def provide(s3: object, uri: str | None, folder: Path) -> None:
    """Unpack the artifact into `folder`/model, unless that has been done before.

    A `uri` that ends in a slash is a prefix: what lies below it is the model. Without
    one the folder is empty.

    It then comes back after a restart even if the artifact has been deleted. Raises
    DeploymentFailed.
    """
    if (folder / "model").is_dir():
        return
    if uri is None:
        (folder / "model").mkdir(parents=True)
        return
    archive, unpacked = folder / "model.tar.gz", folder / "unpacked"
    bucket, key = s3_objects.split_uri(uri)
    try:
        shutil.rmtree(unpacked, ignore_errors=True)
        unpacked.mkdir(parents=True)
        if uri.endswith("/"):
            objects = list(s3_objects.keys_under(s3, uri))
            if not objects:
                raise DeploymentFailed(transitions.download_failure(uri))
            s3_objects.download(s3, bucket, objects, unpacked)
        else:
            s3_objects.fetch(s3, bucket, key, archive)
            archives.unpack(archive, unpacked)
            archive.unlink()
        unpacked.rename(folder / "model")  # whole or not at all
    except ClientError as error:
        raise DeploymentFailed(transitions.download_failure(uri)) from error
    except ValueError as error:  # UnsafeArchive, or a key that is no file name
        raise DeploymentFailed(transitions.unpack_failure(uri, error)) from error
    except OSError as error:
        raise DeploymentFailed(transitions.disk_failure(uri, error)) from error
