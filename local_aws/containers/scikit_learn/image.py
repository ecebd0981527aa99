"""What the platform has to know of the image. Imports nothing heavy."""

from local_aws.containers.image import Image

_VERSIONS = ("0.20.0", "0.23-1", "1.0-1", "1.2-1", "1.4-2", "1.4-2-py312", "1.9-0")
_SUFFIX = "-cpu-py3"

IMAGE = Image(
    name="scikit-learn",
    repository="sagemaker-scikit-learn",
    sdk_name="sklearn",
    tags=tuple(f"{version}{_SUFFIX}" for version in _VERSIONS),
    tag=f"{_VERSIONS[-1]}{_SUFFIX}",
    tag_suffix=_SUFFIX,
    module="local_aws.containers.scikit_learn",
    package="scikit-learn",
    runs_scripts=True,
    metric_definitions=[],
    preloaded=(
        "local_aws.containers.scikit_learn.training",
        # With which the code is fetched from S3: to import it takes longer than most
        # scripts.
        "boto3.s3.inject",
    ),
)
