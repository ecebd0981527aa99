"""Which input channels a training job may have, and in which form."""

from typing import Any

from local_aws.containers import media_types
from local_aws.containers.linear_learner import schema_check
from local_aws.containers.linear_learner.errors import CustomerError

# inputdataconfig.json: ContentType (absent when the request had none),
# TrainingInputMode, S3DistributionType.
Channels = dict[str, dict[str, Any]]

CSV = "text/csv"
RECORDIO_PROTOBUF = "application/x-recordio-protobuf"

NAMES = ("train", "validation", "test")
REQUIRED = ("train",)


def validate(channels: Channels) -> dict[str, str]:
    """The content type of each channel, without its parameters.

    CustomerError when one is missing, is one too many, or is not supported.
    """
    if not set(REQUIRED) <= set(channels) <= set(NAMES):
        raise schema_check.refusal(
            {
                "type": "object",
                "required": list(REQUIRED),
                "additionalProperties": False,
                "properties": {name: {"type": "object"} for name in NAMES},
            },
            channels,
            message="Unable to initialize the algorithm. Failed to validate input data "
            "configuration.",
        )
    return {name: _content_type(name, channel) for name, channel in channels.items()}


def _content_type(name: str, channel: dict[str, Any]) -> str:
    given = channel.get("ContentType")
    # AWS page "Common data formats for training": the default of these algorithms.
    content_type, parameters = media_types.parse(given or RECORDIO_PROTOBUF)
    if content_type not in (CSV, RECORDIO_PROTOBUF):
        # As sagemaker-python-sdk issue 819 quotes it.
        raise CustomerError(
            f"No iterator has been registered for ContentType ({given!r}, '1.0')"
        )
    if parameters.get("label_size", "1") != "1":
        raise CustomerError(
            f"Channel '{name}' has ContentType {given}: training needs csv with one "
            "label, which is the first column (label_size=1)."
        )
    if channel.get("TrainingInputMode") == "Pipe":
        raise CustomerError(
            "This local Linear Learner container does not support Pipe mode: use File "
            "or FastFile."
        )
    return content_type
