"""What the platform has to know of the image. Imports nothing heavy."""

from local_aws.containers.image import Image
from local_aws.containers.linear_learner.metrics import metric_definitions

IMAGE = Image(
    name="Linear Learner",
    repository="linear-learner",
    sdk_name="linear-learner",
    tags=("1",),
    tag="1",
    module="local_aws.containers.linear_learner",
    metric_definitions=metric_definitions(),
    preloaded=("local_aws.containers.linear_learner.serving",),
    # Public issues quote this image's "ClientError: Unable to parse csv: ...".
    faults={2: "ClientError"},
    saves_checkpoints=False,
)
