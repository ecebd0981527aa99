"""From an image's address to the program that stands for it.

Only the address counts, nothing is pulled. AWS keeps each of its images in one registry
account per Region; an address with another account can't be pulled there, so it is
refused here too, before a job is made and not minutes later.
"""

import importlib
import importlib.util
import json
import re
from dataclasses import replace
from functools import cache
from pathlib import Path

from local_aws.containers.image import Image

# The packages beside this module, each with a module `image`.
ALGORITHMS = ("xgboost", "linear_learner", "scikit_learn", "pytorch")


def _images(name: str) -> tuple[Image, ...]:
    module = importlib.import_module(f"{__package__}.{name}.image")
    return getattr(module, "IMAGES", None) or (module.IMAGE,)


IMAGES: tuple[Image, ...] = tuple(
    image for name in ALGORITHMS for image in _images(name)
)

# What the programs' processes need, for a fork server to import once for all of them.
PRELOADED = tuple(module for image in IMAGES for module in image.preloaded)

_ADDRESS = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr(?:-fips)?\.(?P<region>[a-z]{2}(?:-[a-z]+)+-\d)\."
    r"(?:amazonaws\.com(?:\.cn)?|c2s\.ic\.gov|sc2s\.sgov\.gov|csp\.hci\.ic\.gov)"
    r"/(?P<repository>[a-z0-9][a-z0-9._/-]*):(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]*)"
)


class UnknownImage(ValueError):
    """No program stands for this image; the text says what to use instead."""


def find_image(image_uri: str) -> Image:
    """The image of an address, with its tag. UnknownImage if there is none."""
    match = _ADDRESS.fullmatch(image_uri)
    if match is None:
        raise UnknownImage(
            f'"{image_uri}" is not the address of an AWS image. One looks like '
            f'"{_address(IMAGES[0], "us-east-1")}".'
        )
    repository, tag, region = match["repository"], match["tag"], match["region"]
    for image in IMAGES:
        if repository in (image.repository, image.former_repository):
            former = repository == image.former_repository
            if tag not in (image.former_tags if former else image.tags):
                raise _unknown_tag(image, repository, tag, region)
            accounts = _registry_accounts(image, former)
            _check_registry(image, accounts, region, match["account"])
            _check_installed(image)
            return replace(image, tag=tag)
    *names, last = [image.name for image in IMAGES]
    addresses = ", ".join(f'"{_address(image, region)}"' for image in IMAGES)
    raise UnknownImage(
        f'The image "{repository}" has no local program. {", ".join(names)} and {last} '
        f"have: {addresses}."
    )


def _unknown_tag(image: Image, repository: str, tag: str, region: str) -> UnknownImage:
    # With a processor and a Python in each of them there are too many.
    tags = dict.fromkeys(image.versions.values()) or image.tags
    others = ", ".join(other for other in tags if other != image.tag)
    return UnknownImage(
        f'The {image.name} image "{repository}:{tag}" has no local program. Use tag '
        f'{image.tag}: "{_address(image, region)}"'
        + (f" (or one of {others})." if others else ".")
    )


def _check_installed(image: Image) -> None:
    if image.installed_by and importlib.util.find_spec(image.package) is None:
        raise UnknownImage(
            f"The {image.name} image runs scripts with the package {image.package}, "
            "which is not installed with the course: install it in the course's folder "
            f"by {image.installed_by} (local_aws/README.md says how without gigabytes "
            "of GPU libraries)."
        )


def _check_registry(
    image: Image, accounts: dict[str, str], region: str, account: str
) -> None:
    if region not in accounts:
        raise UnknownImage(f'AWS has no {image.name} image in the Region "{region}".')
    if account != accounts[region]:
        raise UnknownImage(
            f"AWS keeps the {image.name} image of {region} in registry "
            f"{accounts[region]}, not {account}."
        )


def _address(image: Image, region: str) -> str:
    """Where the image is in a Region; in us-east-1 for one of another partition."""
    accounts = _registry_accounts(image)
    if region not in accounts or region.startswith(("cn-", "us-iso")):
        region = "us-east-1"
    registry = f"{accounts[region]}.dkr.ecr.{region}.amazonaws.com"
    return f"{registry}/{image.repository}:{image.tag}"


def _registry_accounts(image: Image, former: bool = False) -> dict[str, str]:
    tag = image.former_tags[0] if former else image.tag
    version = image.versions.get(tag, tag.removesuffix(image.tag_suffix))
    return _sdk_registry_accounts(image.sdk_name, version)


@cache
def _sdk_registry_accounts(sdk_name: str, version: str) -> dict[str, str]:
    """AWS's public registry accounts by Region, from the data of the SageMaker SDK.

    The file is read without importing the SDK, which takes seconds.
    """
    package = importlib.util.find_spec("sagemaker")
    if package is None or not package.submodule_search_locations:
        raise ModuleNotFoundError("The SageMaker SDK is not installed.")
    folder = Path(package.submodule_search_locations[0], "core", "image_uri_config")
    found = json.loads((folder / f"{sdk_name}.json").read_text(encoding="utf-8"))
    # Some files tell training from inference.
    return found.get("training", found)["versions"][version]["registries"]
