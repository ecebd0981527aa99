"""What the platform has to know of the image. Imports nothing heavy."""

from local_aws.containers.image import Image
from local_aws.containers.xgboost.metrics import metric_definitions

# All tags train as this one.
BEST_TAG = "3.2-0"

# Of the older repository: the closed image with XGBoost 0.72.
_FORMER_TAGS = ("1", "latest")

# From here on all images are in the same repository and come from the same source.
_BEFORE_1_2 = ("0.90-1-cpu-py3", "0.90-2-cpu-py3", "1.0-1-cpu-py3")

# Their real-time response is one line of csv, with commas between the rows.
ONE_LINE_TAGS = (*_FORMER_TAGS, *_BEFORE_1_2, "1.2-1")

IMAGE = Image(
    name="XGBoost",
    repository="sagemaker-xgboost",
    former_repository="xgboost",
    former_tags=_FORMER_TAGS,
    sdk_name="xgboost",
    tags=(
        *_BEFORE_1_2,
        "1.2-1",
        "1.2-2",
        "1.3-1",
        "1.5-1",
        "1.7-1",
        "3.0-5",
        BEST_TAG,
    ),
    tag=BEST_TAG,
    module="local_aws.containers.xgboost",
    metric_definitions=metric_definitions(),
    preloaded=(
        "local_aws.containers.xgboost.training",
        "local_aws.containers.xgboost.serving",
        "xgboost.data",  # which xgboost itself imports when it first sees data
    ),
)
