"""From an image's address to the program that stands for it.

Only the address counts, nothing is pulled. AWS keeps each of its images in one registry
account per Region; an address with another account can't be pulled there, so it is
refused here too, before a job is made and not minutes later.
"""

import re
from dataclasses import dataclass

from local_aws.containers.linear_learner import registries as linear_learner
from local_aws.containers.linear_learner.metrics import (
    metric_definitions as linear_learner_metrics,
)
from local_aws.containers.xgboost import registries as xgboost
from local_aws.containers.xgboost.metrics import metric_definitions as xgboost_metrics

_ADDRESS = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr(?:-fips)?\.(?P<region>[a-z]{2}(?:-[a-z]+)+-\d)\."
    r"(?:amazonaws\.com(?:\.cn)?|c2s\.ic\.gov|sc2s\.sgov\.gov|csp\.hci\.ic\.gov)"
    r"/(?P<repository>[a-z0-9][a-z0-9._/-]*):(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]*)"
)

# What the programs' processes need, for a fork server to import once for all of them.
PRELOADED = (
    "local_aws.containers.xgboost.training",
    "local_aws.containers.xgboost.serving",
    "local_aws.containers.linear_learner.serving",
    "xgboost.data",  # which xgboost itself imports when it first sees data
)


@dataclass(frozen=True)
class Image:
    """The program for an image.

    algorithm: "xgboost" or "linear-learner". tag: the image's. module: what
    `python -m` starts, with the argument train or serve. metric_definitions: Name and
    Regex as CreateTrainingJob has them; they are for log lines in which a TAB is
    written as #011. faults: how a FailureReason begins, by the exit code, where it is
    not "AlgorithmError".
    """

    algorithm: str
    tag: str
    module: str
    metric_definitions: list[dict[str, str]]
    faults: dict[int, str]


class UnknownImage(ValueError):
    """No program stands for this image; the text says what to use instead."""


def find_image(image_uri: str) -> Image:
    """The program for an image's address. UnknownImage if there is none."""
    match = _ADDRESS.fullmatch(image_uri)
    if match is None:
        raise UnknownImage(
            f'"{image_uri}" is not the address of an AWS image. One looks like '
            f'"{_address("XGBoost", "us-east-1")}".'
        )
    repository, tag, region = match["repository"], match["tag"], match["region"]
    name = _NAMES.get(repository)
    if name is None:
        raise UnknownImage(
            f'The image "{repository}" has no local program. The built-in algorithms '
            f'XGBoost and Linear Learner have: "{_address("XGBoost", region)}", '
            f'"{_address("Linear Learner", region)}".'
        )
    _check_tag(name, repository, tag, region)
    _check_registry(name, region, match["account"])
    if name == "XGBoost":
        return Image(
            "xgboost", tag, "local_aws.containers.xgboost", xgboost_metrics(), {}
        )
    return Image(
        "linear-learner",
        tag,
        "local_aws.containers.linear_learner",
        linear_learner_metrics(),
        linear_learner.FAULTS,
    )


# The images by the names that AWS gives the algorithms, each by the repository that an
# address may name; the old repository "xgboost" is known in order to be refused.
_NAMES = {
    xgboost.REPOSITORY: "XGBoost",
    "xgboost": "XGBoost",
    linear_learner.REPOSITORY: "Linear Learner",
}
_PLACES = {"XGBoost": xgboost, "Linear Learner": linear_learner}
_TAGS = {"XGBoost": xgboost.TAGS, "Linear Learner": (linear_learner.TAG,)}
_BEST_TAG = {"XGBoost": xgboost.BEST_TAG, "Linear Learner": linear_learner.TAG}


def _check_tag(name: str, repository: str, tag: str, region: str) -> None:
    if repository == _PLACES[name].REPOSITORY and tag in _TAGS[name]:
        return
    others = [other for other in _TAGS[name] if other != _BEST_TAG[name]]
    raise UnknownImage(
        f'The {name} image "{repository}:{tag}" has no local program. Use tag '
        f'{_BEST_TAG[name]}: "{_address(name, region)}"'
        + (f" (or one of {', '.join(others)})." if others else ".")
    )


def _check_registry(name: str, region: str, account: str) -> None:
    registries = _PLACES[name].REGISTRIES
    if region not in registries:
        raise UnknownImage(f'AWS has no {name} image in the Region "{region}".')
    if account != registries[region]:
        raise UnknownImage(
            f"AWS keeps the {name} image of {region} in registry "
            f"{registries[region]}, not {account}."
        )


def _address(name: str, region: str) -> str:
    """Where the image is in a Region; in us-east-1 for one of another partition."""
    place = _PLACES[name]
    if region not in place.REGISTRIES or region.startswith(("cn-", "us-iso")):
        region = "us-east-1"
    registry = f"{place.REGISTRIES[region]}.dkr.ecr.{region}.amazonaws.com"
    return f"{registry}/{place.REPOSITORY}:{_BEST_TAG[name]}"
