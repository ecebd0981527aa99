"""Which image addresses stand for a local program."""

import re
import subprocess
import sys

import pytest
from sagemaker.core import image_uris

from local_aws.containers.images import IMAGES, PRELOADED, UnknownImage, find_image

US_EAST_1 = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.2-0"

PYTORCH = "763104351884.dkr.ecr.us-east-1.amazonaws.com"

VERSIONS = ["1.2-1", "1.2-2", "1.3-1", "1.5-1", "1.7-1", "3.0-5", "3.2-0"]
BEFORE = ["0.90-1", "0.90-2", "1.0-1"]
OLDER = ", ".join([*(f"{version}-cpu-py3" for version in BEFORE), *VERSIONS[:-1]])


def regions_of_the_sdk(version="3.2-0"):
    config = image_uris.config_for_framework("xgboost")
    return config["training"]["versions"][version]["registries"]


@pytest.mark.parametrize("version", VERSIONS)
def test_all_versions_are_in_the_same_registries(version):
    """So that the best tag's say where the others are."""
    assert regions_of_the_sdk(version) == regions_of_the_sdk()
    assert len(regions_of_the_sdk(version)) > 30


REGIONS = sorted(regions_of_the_sdk())


@pytest.mark.parametrize(
    ("region", "version"),
    # Each Region with one version, and one Region with each.
    [(region, VERSIONS[n % len(VERSIONS)]) for n, region in enumerate(REGIONS)]
    + [("us-east-1", version) for version in VERSIONS],
)
def test_the_addresses_of_the_sdk_are_accepted(region, version):
    image = find_image(image_uris.retrieve("xgboost", region, version))
    assert (image.name, image.tag) == ("XGBoost", version)
    assert image.module == "local_aws.containers.xgboost"


def test_every_version_of_the_sdk_has_a_program():
    known = image_uris.config_for_framework("xgboost")["training"]["versions"]
    assert {*known} == {"1", *BEFORE, *VERSIONS}


@pytest.mark.parametrize("region", REGIONS[::4])
@pytest.mark.parametrize("version", BEFORE)
def test_versions_before_1_2(region, version):
    assert regions_of_the_sdk(version).items() <= regions_of_the_sdk().items()
    if region not in regions_of_the_sdk(version):
        pytest.skip("AWS has the image in no such Region")
    more = {"py_version": "py3", "instance_type": "ml.m5.large"}
    image = find_image(image_uris.retrieve("xgboost", region, version, **more))
    assert (image.name, image.tag) == ("XGBoost", f"{version}-cpu-py3")


@pytest.mark.parametrize("version", ["1", "latest"])
@pytest.mark.parametrize("region", sorted(regions_of_the_sdk("1")))
def test_the_former_repository_has_registries_of_its_own(region, version):
    address = image_uris.retrieve("xgboost", region, version)
    assert address.endswith(f"/xgboost:{version}")
    image = find_image(address)
    assert (image.name, image.tag) == ("XGBoost", version)
    assert image.module == "local_aws.containers.xgboost"


@pytest.mark.parametrize("region", REGIONS)
def test_linear_learner_has_a_program(region):
    image = find_image(image_uris.retrieve("linear-learner", region))
    assert (image.name, image.tag) == ("Linear Learner", "1")
    assert image.module == "local_aws.containers.linear_learner"
    assert image.faults == {2: "ClientError"}


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-3", "cn-north-1"])
@pytest.mark.parametrize(
    "version", ["0.20.0", "0.23-1", "1.0-1", "1.2-1", "1.4-2", "1.4-2-py312", "1.9-0"]
)
def test_scikit_learn_has_a_program(region, version):
    image = find_image(image_uris.retrieve("sklearn", region, version))
    assert (image.name, image.tag) == ("scikit-learn", f"{version}-cpu-py3")
    assert image.module == "local_aws.containers.scikit_learn"
    assert image.runs_scripts


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        (
            image_uris.retrieve("xgboost", "eu-west-1", "1") + "0",
            'The XGBoost image "xgboost:10" has no local program. Use tag 3.2-0: '
            '"141502667606.dkr.ecr.eu-west-1.amazonaws.com/sagemaker-xgboost:3.2-0" '
            f"(or one of {OLDER}).",
        ),
        (
            US_EAST_1.replace("3.2-0", "latest"),
            'The XGBoost image "sagemaker-xgboost:latest" has no local program. '
            f'Use tag 3.2-0: "{US_EAST_1}" (or one of {OLDER}).',
        ),
        (
            US_EAST_1.replace("sagemaker-xgboost:3.2-0", "xgboost:1"),
            "AWS keeps the XGBoost image of us-east-1 in registry 811284229777, "
            "not 683313688378.",
        ),
        (
            "123456789012.dkr.ecr.us-east-1.amazonaws.com/my-image:1",
            'The image "my-image" has no local program. XGBoost, Linear Learner, '
            "scikit-learn, PyTorch (training) and PyTorch (inference) have: "
            f'"{US_EAST_1}", '
            f'"{image_uris.retrieve("linear-learner", "us-east-1")}", '
            f'"{image_uris.retrieve("sklearn", "us-east-1", "1.9-0")}", '
            f'"{PYTORCH}/pytorch-training:2.6.0-cpu-py312", '
            f'"{PYTORCH}/pytorch-inference:2.6.0-cpu-py312".',
        ),
        (
            image_uris.retrieve("linear-learner", "us-east-1").replace(":1", ":latest"),
            'The Linear Learner image "linear-learner:latest" has no local program. '
            f'Use tag 1: "{image_uris.retrieve("linear-learner", "us-east-1")}".',
        ),
        (
            US_EAST_1.replace("us-east-1", "us-west-2"),
            "AWS keeps the XGBoost image of us-west-2 in registry 246618743249, "
            "not 683313688378.",
        ),
        (
            US_EAST_1.replace("683313688378", "123456789012"),
            "AWS keeps the XGBoost image of us-east-1 in registry 683313688378, "
            "not 123456789012.",
        ),
        (
            US_EAST_1.replace("us-east-1", "us-south-9"),
            'AWS has no XGBoost image in the Region "us-south-9".',
        ),
        (
            "python:3.12",
            '"python:3.12" is not the address of an AWS image. One looks like '
            f'"{US_EAST_1}".',
        ),
    ],
)
def test_other_images_are_refused_with_a_sentence(address, sentence):
    with pytest.raises(UnknownImage) as error:
        find_image(address)
    assert str(error.value) == sentence


@pytest.mark.parametrize(
    "address",
    [
        "",
        US_EAST_1 + "\n",
        " " + US_EAST_1,
        US_EAST_1.removesuffix(":3.2-0"),
        US_EAST_1.replace(":3.2-0", "@sha256:" + "0" * 64),
        US_EAST_1.replace("amazonaws.com", "example.com"),
        US_EAST_1.replace("dkr.ecr", "dkr-ecr"),
        US_EAST_1.replace("683313688378", "68331368837"),
    ],
)
def test_what_is_no_address(address):
    with pytest.raises(UnknownImage, match="is not the address of an AWS image"):
        find_image(address)


LINE = "[41]#011train-rmse:0.50000#011train-mae:1e-05#011validation-rmse:3.25000"


def measured(line):
    """The metrics that the definitions find in a line: name to value."""
    found = {}
    for definition in find_image(US_EAST_1).metric_definitions:
        match = re.search(definition["Regex"], line)
        if match:
            found[definition["Name"]] = float(match[1])
    return found


def test_metric_definitions_find_every_metric_of_a_log_line():
    expected = {"train:rmse": 0.5, "train:mae": 1e-5, "validation:rmse": 3.25}
    assert measured(LINE) == expected
    tail = "#011validation-auc:0.9#011validation-aucpr:0.8"
    more = {"validation:auc": 0.9, "validation:aucpr": 0.8}
    assert measured(LINE + tail) == {**expected, **more}


@pytest.mark.parametrize(
    "line", [LINE.replace("#011", "\t"), LINE[3:], "Train matrix has 41 rows", ""]
)
def test_metric_definitions_find_nothing_in_other_lines(line):
    assert measured(line) == {}


def test_metric_names_and_the_recorded_regex():
    definitions = find_image(US_EAST_1).metric_definitions
    names = [definition["Name"] for definition in definitions]
    assert len(names) == len(set(names)) == 66
    by_name = {d["Name"]: d["Regex"] for d in definitions}
    # As DescribeTrainingJob answered for a job of the built-in image in 2025.
    assert by_name["train:gamma-nloglik"] == (
        r".*\[[0-9]+\].*#011train-gamma-nloglik:"
        r"([-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?).*"
    )
    assert max(map(len, by_name.values())) <= 500


def test_an_image_knows_the_names_of_its_hyperparameters():
    names = {
        image.name: image.hyperparameter_names()
        for image in IMAGES
        if not image.runs_scripts
    }
    assert {"num_round", "eta", "learning_rate", "eval_metric"} <= set(names["XGBoost"])
    assert {"predictor_type", "learning_rate"} <= set(names["Linear Learner"])
    assert "eta" not in names["Linear Learner"]


def test_what_is_preloaded_can_be_imported():
    code = f"import importlib\nfor name in {PRELOADED}: importlib.import_module(name)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_to_know_an_image_nothing_heavy_is_imported():
    code = (
        "import sys; from local_aws.containers.images import find_image; "
        f"find_image({US_EAST_1!r}); "
        "print({'numpy', 'xgboost', 'sagemaker', 'boto3'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "set()\n"
