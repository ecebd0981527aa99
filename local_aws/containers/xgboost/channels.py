"""Which input channels a training job may have."""

from typing import Any

from local_aws.containers.xgboost import content_types
from local_aws.containers.xgboost.errors import UserError

Channels = dict[str, dict[str, Any]]

_DISTRIBUTIONS = ("ShardedByS3Key", "FullyReplicated")


def validate(channels: Channels) -> Channels:
    """The channels with their default content type filled in.

    `channels` is inputdataconfig.json: channel name to ContentType (absent when the
    request had none), TrainingInputMode, S3DistributionType. UserError with the
    official text when one is missing, is one too many, or is not supported.
    """
    if "train" not in channels:
        raise UserError("Missing required channel: train")
    validated = {}
    for name, given in channels.items():
        if name not in ("train", "validation", "code"):
            raise UserError(f"Extraneous channel found: {name}")
        channel = {**given}
        channel.setdefault("ContentType", "text/libsvm")
        if not _supported(name, channel):
            raise UserError(
                f"Channel configuration for '{name}' channel is not supported: "
                f"{channel}"
            )
        validated[name] = channel
    return validated


def _supported(name: str, channel: dict[str, Any]) -> bool:
    content_type = channel["ContentType"]
    mode = channel.get("TrainingInputMode", "File")
    distribution = channel.get("S3DistributionType", "FullyReplicated")
    if name == "code":
        given = (content_type, mode, distribution)
        return given == ("text/python", "File", "FullyReplicated")
    accepted = {"File": content_types.FILE_MODE, "Pipe": content_types.PIPE_MODE}
    return content_type in accepted.get(mode, []) and distribution in _DISTRIBUTIONS
