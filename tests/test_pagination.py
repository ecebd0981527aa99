"""Lists in pages: what exists throughout is shown once, whatever comes and goes."""

import base64
import random

import boston
import pytest
from botocore.exceptions import ClientError

from local_aws.installation import ROLE_ARN


@pytest.fixture(scope="module")
def sagemaker(stand_in):
    return stand_in.client("sagemaker")


@pytest.fixture(scope="module")
def model(stand_in, sagemaker):
    s3 = stand_in.client("s3")
    bucket = boston.name("sagemaker-pages")
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="model.tar.gz", Body=b"x")
    name = boston.name("model")
    sagemaker.create_model(
        ModelName=name,
        ExecutionRoleArn=ROLE_ARN,
        PrimaryContainer={
            "Image": boston.IMAGE,
            "ModelDataUrl": f"s3://{bucket}/model.tar.gz",
        },
    )
    return name


@pytest.fixture
def configs(sagemaker, model):
    """Endpoint configurations of one prefix, which cost next to nothing."""
    return Configs(sagemaker, model, boston.name("page"))


class Configs:
    def __init__(self, sagemaker, model, prefix):
        self.sagemaker, self.model, self.prefix = sagemaker, model, prefix
        self.names = set()

    def create(self, number):
        name = f"{self.prefix}-{number:04}"
        self.sagemaker.create_endpoint_config(
            EndpointConfigName=name,
            ProductionVariants=[
                {
                    "VariantName": "A",
                    "ModelName": self.model,
                    "InstanceType": "ml.m5.large",
                    "InitialInstanceCount": 1,
                }
            ],
        )
        self.names.add(name)

    def delete(self, name):
        self.sagemaker.delete_endpoint_config(EndpointConfigName=name)
        self.names.remove(name)

    def page(self, **request):
        response = self.sagemaker.list_endpoint_configs(
            NameContains=self.prefix, **request
        )
        shown = [config["EndpointConfigName"] for config in response["EndpointConfigs"]]
        return shown, response.get("NextToken")


@pytest.mark.parametrize("order", ["Ascending", "Descending"])
@pytest.mark.parametrize("sort_by", ["Name", "CreationTime"])
@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_lost_or_shown_twice(configs, sort_by, order, seed):
    chance = random.Random(f"{sort_by} {order} {seed}")
    numbers = list(range(1000))
    chance.shuffle(numbers)
    for _ in range(9):
        configs.create(numbers.pop())
    throughout = set(configs.names)
    sorting = {"SortBy": sort_by, "SortOrder": order}
    shown, token = configs.page(MaxResults=2, **sorting)
    seen = list(shown)
    while token is not None:
        for _ in range(chance.randrange(4)):
            if configs.names and chance.random() < 0.6:
                configs.delete(chance.choice(sorted(configs.names)))
            else:
                configs.create(numbers.pop())
        throughout &= configs.names
        shown, token = configs.page(MaxResults=2, NextToken=token, **sorting)
        seen += shown
    assert len(set(seen)) == len(seen)
    assert throughout <= set(seen)


@pytest.mark.parametrize("order", ["Ascending", "Descending"])
def test_the_last_one_is_shown_when_those_before_it_have_gone(configs, order):
    for number in range(3):
        configs.create(number)
    sorting = {"SortBy": "Name", "SortOrder": order}
    first, token = configs.page(MaxResults=1, **sorting)
    *gone, last = sorted(configs.names, reverse=order == "Descending")
    assert first == gone[:1]
    for name in gone:
        configs.delete(name)
    assert configs.page(MaxResults=1, NextToken=token, **sorting) == ([last], None)


def test_a_token_goes_on_in_the_order_in_which_it_began(configs):
    for number in (2, 0, 1):
        configs.create(number)
    first, token = configs.page(MaxResults=1, SortBy="Name", SortOrder="Descending")
    then, _ = configs.page(MaxResults=2, NextToken=token)
    assert first + then == sorted(configs.names, reverse=True)


def test_a_token_of_another_operation_is_refused(sagemaker, configs):
    for number in range(2):
        configs.create(number)
    _, token = configs.page(MaxResults=1)
    with pytest.raises(ClientError, match="Invalid NextToken") as caught:
        sagemaker.list_models(NextToken=token)
    assert caught.value.response["Error"]["Code"] == "ValidationException"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"1",
        b"{}",
        b'["Model", "Name", true, ["a"]]',
        b'["Model", "Name", true, [1.5, "a"]]',
        b'["Model", "Size", true, ["a", "a"]]',
        b'["Model", ["Name"], true, ["a", "a"]]',
    ],
)
def test_a_token_that_was_never_given(sagemaker, model, content):
    token = base64.urlsafe_b64encode(content).decode()
    with pytest.raises(ClientError, match="Invalid NextToken"):
        sagemaker.list_models(NextToken=token)


def test_filters(sagemaker):
    name = boston.name("Notebook")
    for number, repository in enumerate(("one", "two")):
        sagemaker.create_notebook_instance(
            NotebookInstanceName=f"{name}-{number}",
            InstanceType="ml.t3.medium",
            RoleArn=ROLE_ARN,
            DefaultCodeRepository=f"https://github.com/name/{repository}.git",
        )

    def found(**request):
        listed = sagemaker.list_notebook_instances(NameContains=name, **request)
        return [
            instance["NotebookInstanceName"].removeprefix(f"{name}-")
            for instance in listed["NotebookInstances"]
        ]

    created = sagemaker.describe_notebook_instance(NotebookInstanceName=f"{name}-1")[
        "CreationTime"
    ]
    assert found() == ["0", "1"]
    assert found(StatusEquals="InService") == ["0", "1"]
    assert found(StatusEquals="Stopped") == []
    assert found(CreationTimeBefore=created.replace(year=2000)) == []
    assert found(CreationTimeAfter=created.replace(year=2000)) == ["0", "1"]
    assert found(LastModifiedTimeAfter=created.replace(year=2100)) == []
    assert found(DefaultCodeRepositoryContains="TWO") == ["1"]
    with pytest.raises(ClientError, match="AdditionalCodeRepository"):
        found(AdditionalCodeRepositoryEquals="https://github.com/name/one.git")
