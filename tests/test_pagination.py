"""Lists in pages: what exists throughout is shown once, whatever comes and goes."""

import base64
import random
import re
from datetime import UTC, datetime
from types import SimpleNamespace

import boston
import pytest
from botocore.exceptions import ClientError
from botocore.loaders import Loader
from botocore.model import ServiceModel

from local_aws.installation import ROLE_ARN
from local_aws.persistence.resources import Resources
from local_aws.sagemaker.families import FAMILIES


@pytest.fixture(scope="module")
def sagemaker(stand_in):
    """In a Region where nobody else has anything that is listed."""
    return stand_in.client("sagemaker", region="eu-central-1")


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
    """Endpoint configurations, which cost next to nothing."""
    configs = Configs(sagemaker, model, boston.name("page"))
    yield configs
    for name in sorted(configs.names):
        configs.delete(name)


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
        response = self.sagemaker.list_endpoint_configs(**request)
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
        b"[" * 6000,
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
            LifecycleConfigName=f"life-{repository}",
            DefaultCodeRepository=f"https://github.com/name/{repository}.git",
            AdditionalCodeRepositories=[f"https://a.com/{repository}.git"],
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
    assert found(AdditionalCodeRepositoryEquals="https://a.com/one.git") == ["0"]
    assert found(AdditionalCodeRepositoryEquals="https://a.com/one") == []
    assert found(NotebookInstanceLifecycleConfigNameContains="IFE-t") == ["1"]
    assert found(
        NotebookInstanceLifecycleConfigNameContains="life",
        DefaultCodeRepositoryContains="one",
    ) == ["0"]


REGION = "us-east-1"
MODEL = ServiceModel(Loader().load_service_model("sagemaker", "service-2"))

# What every List operation has; the other members of its request filter.
PAGING = {"SortBy", "SortOrder", "MaxResults", "NextToken"}


def filters():
    """(family, member of its List request) of each filter of the service."""
    for family in FAMILIES.values():
        shape = MODEL.operation_model(f"List{family.noun}s").input_shape
        for member in sorted(shape.members.keys() - PAGING):
            yield pytest.param(family, member, id=f"{family.kind}-{member}")


def member_of(family, filtered):
    """The member of a summary that a filter is about, as the service model has it."""
    listed = MODEL.operation_model(f"List{family.noun}s").output_shape.members
    (page,) = (shape for shape in listed.values() if shape.type_name == "list")
    name = re.sub("(Equals|Contains|Before|After)$", "", filtered)
    several = name.removesuffix("y") + "ies"
    candidates = (name, family.noun + name, several)
    (member,) = (one for one in candidates if one in page.member.members)
    return member, page.member.members[member].type_name


def listed(tmp_path, family, records, **request):
    """The names that List shows of such records."""
    resources = Resources(tmp_path / "sagemaker.sqlite")
    for number, record in enumerate(records):
        whole = {
            family.name_member: f"n{number}",
            "CreationTime": float(number),
            "LastModifiedTime": float(number),
            **record,
        }
        resources.create(REGION, family.kind, whole[family.name_member], whole)
    context = SimpleNamespace(region=REGION, resources=resources)
    page = family.list(request, context)
    resources.close()
    (shown,) = (value for value in page.values() if isinstance(value, list))
    return {record[family.name_member] for record in shown}


@pytest.mark.parametrize(("family", "filtered"), [*filters()])
def test_every_filter_of_the_service_filters(tmp_path, family, filtered):
    member, type_name = member_of(family, filtered)
    if type_name == "timestamp":
        passes, fails, asked = 2000.0, 3000.0, datetime.fromtimestamp(2500, UTC)
        if filtered.endswith("After"):
            passes, fails = fails, passes
    elif type_name == "list":
        passes, fails, asked = ["one", "two"], ["three"], "two"
    elif type_name == "structure":  # of what is never made here
        passes, fails, asked = None, None, "Reused"
    else:
        passes, fails, asked = "Twofold", "three", "Twofold"
        if filtered.endswith("Contains"):
            asked = "fol"
    records = [{member: value} for value in (passes, fails, passes)]
    if type_name == "string" and member == family.name_member:
        records[2] = {member: "two-fold"}
    expected = {
        record.get(family.name_member, f"n{number}")
        for number, record in enumerate(records)
        if number != 1 and passes is not None
    }
    assert listed(tmp_path, family, records, **{filtered: asked}) == expected


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_what_lacks_the_member_does_not_pass(tmp_path, family):
    """Negative control: no filter passes what it knows nothing of."""
    shape = MODEL.operation_model(f"List{family.noun}s").input_shape
    if "StatusEquals" in shape.members:
        assert listed(tmp_path, family, [{}], StatusEquals="Failed") == set()


class TestThePageIsCutBeforeItIsFiltered:
    @pytest.fixture
    def notebooks(self, stand_in):
        """Five in a Region of their own, by name; c and e are stopped."""
        sagemaker = stand_in.client("sagemaker", region="eu-north-1")
        for name in "abcde":
            sagemaker.create_notebook_instance(
                NotebookInstanceName=name,
                InstanceType="ml.t3.medium",
                RoleArn=ROLE_ARN,
            )
        for name in "ce":
            sagemaker.stop_notebook_instance(NotebookInstanceName=name)
        yield sagemaker
        for instance in sagemaker.list_notebook_instances()["NotebookInstances"]:
            name = instance["NotebookInstanceName"]
            if instance["NotebookInstanceStatus"] == "InService":
                sagemaker.stop_notebook_instance(NotebookInstanceName=name)
            sagemaker.delete_notebook_instance(NotebookInstanceName=name)

    @staticmethod
    def pages(sagemaker, between=lambda: None, **request):
        found, token = [], {}
        while True:
            page = sagemaker.list_notebook_instances(**request, **token)
            names = [one["NotebookInstanceName"] for one in page["NotebookInstances"]]
            found.append("".join(names))
            if "NextToken" not in page:
                return found
            token = {"NextToken": page["NextToken"]}
            between()

    def test_a_page_may_be_empty(self, notebooks):
        stopped = {"StatusEquals": "Stopped", "MaxResults": 2}
        assert self.pages(notebooks, **stopped) == ["", "c", "e"]
        assert self.pages(notebooks, NameContains="D", MaxResults=1) == [
            *("", "", ""),
            "d",
            "",
        ]

    def test_filters_work_together_with_the_order(self, notebooks):
        request = {"SortOrder": "Descending", "MaxResults": 3}
        request |= {"StatusEquals": "Stopped", "NameContains": "c"}
        assert self.pages(notebooks, **request) == ["c", ""]

    def test_a_filter_may_change_on_the_way(self, notebooks):
        first = notebooks.list_notebook_instances(NameContains="x", MaxResults=2)
        assert first["NotebookInstances"] == []
        token = first["NextToken"]
        assert self.pages(notebooks, NextToken=token) == ["cde"]

    def test_a_deleted_record_takes_none_along(self, notebooks):
        """The token is of a record that no filter has passed, and that goes."""
        gone = iter("ba")

        def delete():
            for name in gone:
                notebooks.stop_notebook_instance(NotebookInstanceName=name)
                notebooks.delete_notebook_instance(NotebookInstanceName=name)

        stopped = {"StatusEquals": "Stopped", "MaxResults": 2}
        assert self.pages(notebooks, delete, **stopped) == ["", "c", "e"]

    def test_ten_records_are_a_page(self, stand_in):
        """A name that contains what is asked for is found by a loop only."""
        sagemaker = stand_in.client("sagemaker", region="eu-west-3")
        for number in range(12):
            sagemaker.create_notebook_instance(
                NotebookInstanceName=f"n{number:02}",
                InstanceType="ml.t3.medium",
                RoleArn=ROLE_ARN,
            )
        assert self.pages(sagemaker, NameContains="n11") == ["", "n11"]


def test_no_token_of_list_tags_was_ever_given(sagemaker, model):
    arn = sagemaker.describe_model(ModelName=model)["ModelArn"]
    with pytest.raises(ClientError, match="Invalid NextToken"):
        sagemaker.list_tags(ResourceArn=arn, NextToken="a")
