"""From an image's address to the program that stands for it.

Only the address counts, nothing is pulled. AWS keeps each of its images in one registry
account per Region; an address with another account can't be pulled there, so it is
refused here too, before a job is made and not minutes later.
"""

import re
from dataclasses import dataclass

from local_aws.containers.xgboost.metrics import metric_definitions
from local_aws.containers.xgboost.versions import NEWEST, VERSIONS

_ADDRESS = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr(?:-fips)?\.(?P<region>[a-z]{2}(?:-[a-z]+)+-\d)\."
    r"(?:amazonaws\.com(?:\.cn)?|c2s\.ic\.gov|sc2s\.sgov\.gov|csp\.hci\.ic\.gov)"
    r"/(?P<repository>[a-z0-9][a-z0-9._/-]*):(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]*)"
)

# What the programs' processes need, for a fork server to import once for all of them.
PRELOADED = (
    "local_aws.containers.xgboost.training",
    "local_aws.containers.xgboost.serving",
)

# AWS's public registry accounts of sagemaker-xgboost, by Region (image_uris of the
# SageMaker Python SDK; a test compares).
_XGBOOST_REGISTRIES = {
    "af-south-1": "510948584623",
    "ap-east-1": "651117190479",
    "ap-northeast-1": "354813040037",
    "ap-northeast-2": "366743142698",
    "ap-northeast-3": "867004704886",
    "ap-south-1": "720646828776",
    "ap-south-2": "628508329040",
    "ap-southeast-1": "121021644041",
    "ap-southeast-2": "783357654285",
    "ap-southeast-3": "951798379941",
    "ap-southeast-4": "106583098589",
    "ca-central-1": "341280168497",
    "ca-west-1": "190319476487",
    "cn-north-1": "450853457545",
    "cn-northwest-1": "451049120500",
    "eu-central-1": "492215442770",
    "eu-central-2": "680994064768",
    "eu-north-1": "662702820516",
    "eu-south-1": "978288397137",
    "eu-south-2": "104374241257",
    "eu-west-1": "141502667606",
    "eu-west-2": "764974769150",
    "eu-west-3": "659782779980",
    "il-central-1": "898809789911",
    "me-central-1": "272398656194",
    "me-south-1": "801668240914",
    "sa-east-1": "737474898029",
    "us-east-1": "683313688378",
    "us-east-2": "257758044811",
    "us-gov-east-1": "237065988967",
    "us-gov-west-1": "414596584902",
    "us-iso-east-1": "833128469047",
    "us-isob-east-1": "281123927165",
    "us-isof-east-1": "108575199400",
    "us-isof-south-1": "124985052026",
    "us-west-1": "746614075791",
    "us-west-2": "246618743249",
}


@dataclass(frozen=True)
class Image:
    """The program for an image.

    algorithm: "xgboost". tag: the image's. module: what `python -m` starts, with the
    argument train or serve. metric_definitions: Name and Regex as CreateTrainingJob
    has them; they are for log lines in which a TAB is written as #011.
    """

    algorithm: str
    tag: str
    module: str
    metric_definitions: list[dict[str, str]]


class UnknownImage(ValueError):
    """No program stands for this image; the text says what to use instead."""


def find_image(image_uri: str) -> Image:
    """The program for an image's address. UnknownImage if there is none."""
    match = _ADDRESS.fullmatch(image_uri)
    if match is None:
        raise UnknownImage(
            f'"{image_uri}" is not the address of an AWS image. One looks like '
            f'"{_xgboost_address("us-east-1")}".'
        )
    repository, tag = match["repository"], match["tag"]
    if repository not in ("sagemaker-xgboost", "xgboost"):
        raise UnknownImage(
            f'The image "{repository}" has no local program. The built-in XGBoost '
            f'has: "{_xgboost_address(match["region"])}".'
        )
    if repository == "xgboost" or tag not in VERSIONS:
        raise UnknownImage(
            f'The XGBoost image "{repository}:{tag}" has no local program. Use tag '
            f'{NEWEST.tag}: "{_xgboost_address(match["region"])}" (or one of '
            f"{', '.join(other for other in VERSIONS if other != NEWEST.tag)})."
        )
    _check_registry(match["region"], match["account"])
    return Image("xgboost", tag, "local_aws.containers.xgboost", metric_definitions())


def _check_registry(region: str, account: str) -> None:
    if region not in _XGBOOST_REGISTRIES:
        raise UnknownImage(f'AWS has no XGBoost image in the Region "{region}".')
    if account != _XGBOOST_REGISTRIES[region]:
        raise UnknownImage(
            f"AWS keeps the XGBoost image of {region} in registry "
            f"{_XGBOOST_REGISTRIES[region]}, not {account}."
        )


def _xgboost_address(region: str) -> str:
    """Where the image is in a Region; in us-east-1 for one of another partition."""
    if region not in _XGBOOST_REGISTRIES or region.startswith(("cn-", "us-iso")):
        region = "us-east-1"
    registry = f"{_XGBOOST_REGISTRIES[region]}.dkr.ecr.{region}.amazonaws.com"
    return f"{registry}/sagemaker-xgboost:{NEWEST.tag}"
