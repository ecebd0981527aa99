"""What the platform has to know of the image. Imports nothing heavy."""

from local_aws.containers.image import Image
from local_aws.containers.xgboost.metrics import metric_definitions

# All tags train as this one.
BEST_TAG = "3.2-0"

# Their real-time response is one line of csv, with commas between the rows.
ONE_LINE_TAGS = ("1.2-1",)

IMAGE = Image(
    name="XGBoost",
    repository="sagemaker-xgboost",
    former_repositories=("xgboost",),
    sdk_name="xgboost",
    tags=("1.2-1", "1.2-2", "1.3-1", "1.5-1", "1.7-1", "3.0-5", BEST_TAG),
    tag=BEST_TAG,
    module="local_aws.containers.xgboost",
    metric_definitions=metric_definitions(),
    preloaded=(
        "local_aws.containers.xgboost.training",
        "local_aws.containers.xgboost.serving",
        "xgboost.data",  # which xgboost itself imports when it first sees data
    ),
)
