"""Models, tags and notebook instances through boto3."""

import boston
import pytest
from botocore.exceptions import ClientError

from local_aws.installation import ACCOUNT_ID, ROLE_ARN

ARN = f"arn:aws:sagemaker:us-east-1:{ACCOUNT_ID}"


@pytest.fixture(scope="module")
def sagemaker(stand_in):
    return stand_in.client("sagemaker")


@pytest.fixture
def request_for_model(stand_in, bucket):
    """A CreateModel request over an object that exists."""
    stand_in.client("s3").put_object(Bucket=bucket, Key="model.tar.gz", Body=b"x")
    return {
        "ModelName": boston.name("Model"),
        "ExecutionRoleArn": ROLE_ARN,
        "PrimaryContainer": {
            "Image": boston.IMAGE,
            "ModelDataUrl": f"s3://{bucket}/model.tar.gz",
        },
    }


def refused(call, **request):
    with pytest.raises(ClientError) as caught:
        call(**request)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def test_a_model_is_what_was_asked_for(sagemaker, request_for_model):
    name = request_for_model["ModelName"]
    arn = sagemaker.create_model(**request_for_model)["ModelArn"]
    assert arn == f"{ARN}:model/{name}"
    described = sagemaker.describe_model(ModelName=name)
    assert {key: described[key] for key in request_for_model} == request_for_model
    assert described["ModelArn"] == arn
    assert described["EnableNetworkIsolation"] is False
    assert "Containers" not in described
    assert "VpcConfig" not in described
    listed = sagemaker.list_models(NameContains=name)["Models"]
    assert [model["ModelName"] for model in listed] == [name]


def test_a_name_is_used_once_until_it_is_deleted(sagemaker, request_for_model):
    name = request_for_model["ModelName"]
    arn = sagemaker.create_model(**request_for_model)["ModelArn"]
    assert refused(sagemaker.create_model, **request_for_model) == (
        "ValidationException",
        f'Cannot create already existing model "{arn}".',
    )
    sagemaker.delete_model(ModelName=name)
    missing = ("ValidationException", f'Could not find model "{arn}".')
    assert refused(sagemaker.delete_model, ModelName=name) == missing
    assert refused(sagemaker.describe_model, ModelName=name) == missing
    sagemaker.create_model(**request_for_model)


def test_model_data_must_be_there(sagemaker, request_for_model, bucket):
    uri = f"s3://{bucket}/none/model.tar.gz"
    request_for_model["PrimaryContainer"]["ModelDataUrl"] = uri
    assert refused(sagemaker.create_model, **request_for_model) == (
        "ValidationException",
        f"Could not find model data at {uri}.",
    )


def test_model_data_source_is_another_spelling(sagemaker, request_for_model):
    container = request_for_model["PrimaryContainer"]
    container["ModelDataSource"] = {
        "S3DataSource": {
            "S3Uri": container.pop("ModelDataUrl"),
            "S3DataType": "S3Object",
            "CompressionType": "Gzip",
        }
    }
    sagemaker.create_model(**request_for_model)
    described = sagemaker.describe_model(ModelName=request_for_model["ModelName"])
    assert described["PrimaryContainer"] == container


def test_one_container_in_a_list_is_the_primary_one(sagemaker, request_for_model):
    container = request_for_model.pop("PrimaryContainer")
    container["ContainerHostname"] = "only"
    containers = [container]
    sagemaker.create_model(**request_for_model, Containers=containers)
    described = sagemaker.describe_model(ModelName=request_for_model["ModelName"])
    assert described["Containers"] == containers
    assert "PrimaryContainer" not in described


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (dict.clear, "Image is required in Containers"),
        (lambda container: container.pop("ModelDataUrl"), "ModelDataUrl"),
        (lambda container: container.update(Mode="MultiModel"), "MultiModel"),
        (
            lambda container: container.update(
                ImageConfig={"RepositoryAccessMode": "Vpc"}
            ),
            "ImageConfig",
        ),
    ],
)
def test_one_container_in_a_list_is_checked_like_it(
    sagemaker, request_for_model, change, words
):
    container = request_for_model.pop("PrimaryContainer")
    change(container)
    request_for_model["Containers"] = [container]
    code, message = refused(sagemaker.create_model, **request_for_model)
    assert (code, words in message) == ("ValidationException", True), message


def test_several_containers_are_a_pipeline(sagemaker, request_for_model):
    container = request_for_model.pop("PrimaryContainer")
    request_for_model["Containers"] = [container] * 3
    code, message = refused(sagemaker.create_model, **request_for_model)
    assert code == "ValidationException"
    assert message.startswith("Containers with 3 elements (an inference pipeline)")
    assert "Name one container, or run this" in message


def uncompressed(bucket, prefix):
    return {
        "S3DataSource": {
            "S3Uri": f"s3://{bucket}/{prefix}",
            "S3DataType": "S3Prefix",
            "CompressionType": "None",
        }
    }


@pytest.mark.parametrize(
    ("prefix", "message"),
    [
        ("none/", "Could not find model data at s3://{bucket}/none/."),
        ("empty/", "Could not find model data at s3://{bucket}/empty/."),
        ("model", "Invalid model data url s3://{bucket}/model: a prefix"),
    ],
)
def test_uncompressed_model_data_must_be_below_a_prefix(
    stand_in, sagemaker, request_for_model, bucket, prefix, message
):
    stand_in.client("s3").put_object(Bucket=bucket, Key="empty/", Body=b"")
    container = request_for_model["PrimaryContainer"]
    del container["ModelDataUrl"]
    container["ModelDataSource"] = uncompressed(bucket, prefix)
    code, said = refused(sagemaker.create_model, **request_for_model)
    assert (code, said[: len(message.format(bucket=bucket))]) == (
        "ValidationException",
        message.format(bucket=bucket),
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda request: request.pop("PrimaryContainer"), "PrimaryContainer"),
        (
            lambda request: request.update(Containers=[request["PrimaryContainer"]]),
            "not both",
        ),
        (
            lambda request: request["PrimaryContainer"].update(
                Environment={"SAGEMAKER_PROGRAM": "inference.py"}
            ),
            "an inference script of your own",
        ),
        (
            lambda request: request["PrimaryContainer"].update(
                ModelDataUrl="s3://bucket/model/"
            ),
            "S3DataType S3Prefix and CompressionType None",
        ),
        (lambda request: request.pop("ExecutionRoleArn"), "ExecutionRoleArn"),
        (
            lambda request: request.update(ExecutionRoleArn=ROLE_ARN + "x"),
            "Could not assume role",
        ),
        (
            lambda request: request["PrimaryContainer"].pop("ModelDataUrl"),
            "ModelDataUrl",
        ),
        (lambda request: request["PrimaryContainer"].pop("Image"), "Image"),
        (
            lambda request: request["PrimaryContainer"].update(Mode="MultiModel"),
            "does not reproduce",
        ),
        (
            lambda request: request["PrimaryContainer"].update(
                ModelDataUrl="s3://bucket/model.zip"
            ),
            ".tar.gz",
        ),
    ],
)
def test_what_is_refused_leaves_no_model(sagemaker, request_for_model, change, words):
    change(request_for_model)
    code, message = refused(sagemaker.create_model, **request_for_model)
    assert (code, words in message) == ("ValidationException", True), message
    name = request_for_model["ModelName"]
    assert refused(sagemaker.describe_model, ModelName=name)[0] == (
        "ValidationException"
    )


def test_regions_are_apart(stand_in, sagemaker, request_for_model):
    sagemaker.create_model(**request_for_model)
    elsewhere = stand_in.client("sagemaker", region="eu-west-1")
    assert refused(
        elsewhere.describe_model, ModelName=request_for_model["ModelName"]
    ) == (
        "ValidationException",
        f'Could not find model "arn:aws:sagemaker:eu-west-1:{ACCOUNT_ID}:model/'
        f'{request_for_model["ModelName"]}".',
    )


def test_an_arn_keeps_the_case_of_the_name(sagemaker, request_for_model):
    """So names that differ in nothing else have ARNs, and tags, of their own."""
    name = request_for_model["ModelName"]
    tags = [{"Key": "team", "Value": "blue"}]
    arn = sagemaker.create_model(**request_for_model, Tags=tags)["ModelArn"]
    assert refused(sagemaker.list_tags, ResourceArn=arn.lower()) == (
        "ValidationException",
        f'Could not find resource "{arn.lower()}".',
    )
    other = {**request_for_model, "ModelName": name.lower()}
    assert sagemaker.create_model(**other)["ModelArn"] == arn.lower()
    assert sagemaker.list_tags(ResourceArn=arn.lower())["Tags"] == []
    sagemaker.delete_model(ModelName=name.lower())
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == tags


def test_tags_come_and_go_with_the_model(sagemaker, request_for_model):
    tags = [{"Key": "team", "Value": "blue"}, {"Key": "empty", "Value": ""}]
    arn = sagemaker.create_model(**request_for_model, Tags=tags)["ModelArn"]
    by_key = sorted(tags, key=lambda tag: tag["Key"])
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == by_key
    added = sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "team", "Value": "red"}])[
        "Tags"
    ]
    assert {"Key": "team", "Value": "red"} in added
    sagemaker.delete_tags(ResourceArn=arn, TagKeys=["empty", "never there"])
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [
        {"Key": "team", "Value": "red"}
    ]
    sagemaker.delete_model(ModelName=request_for_model["ModelName"])
    assert refused(sagemaker.list_tags, ResourceArn=arn)[0] == "ValidationException"


def test_a_resource_holds_fifty_tags(sagemaker, request_for_model):
    arn = sagemaker.create_model(**request_for_model)["ModelArn"]
    fifty = [{"Key": f"k{number}", "Value": ""} for number in range(50)]
    sagemaker.add_tags(ResourceArn=arn, Tags=fifty)
    code, _ = refused(
        sagemaker.add_tags, ResourceArn=arn, Tags=[{"Key": "one more", "Value": ""}]
    )
    assert code == "ResourceLimitExceeded"
    assert len(sagemaker.list_tags(ResourceArn=arn)["Tags"]) == 50


def test_repeated_and_reserved_tag_keys_are_refused(sagemaker, request_for_model):
    for keys in (["a", "a"], ["aws:mine"]):
        tags = [{"Key": key, "Value": ""} for key in keys]
        code, _ = refused(sagemaker.create_model, **request_for_model, Tags=tags)
        assert code == "ValidationException"


def test_a_notebook_instance_from_creation_to_deletion(sagemaker):
    name = boston.name("Notebook")
    arn = sagemaker.create_notebook_instance(
        NotebookInstanceName=name,
        InstanceType="ml.t3.medium",
        RoleArn=ROLE_ARN,
        VolumeSizeInGB=10,
        SecurityGroupIds=["sg-1"],
        LifecycleConfigName="start-up",
        Tags=[{"Key": "team", "Value": "blue"}],
    )["NotebookInstanceArn"]
    sagemaker.get_waiter("notebook_instance_in_service").wait(NotebookInstanceName=name)
    described = sagemaker.describe_notebook_instance(NotebookInstanceName=name)
    assert described["NotebookInstanceArn"] == arn
    assert described["VolumeSizeInGB"] == 10
    assert described["SecurityGroups"] == ["sg-1"]
    assert described["NotebookInstanceLifecycleConfigName"] == "start-up"
    assert described["RoleArn"] == ROLE_ARN
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"]

    code, message = refused(
        sagemaker.delete_notebook_instance, NotebookInstanceName=name
    )
    assert code == "ValidationException"
    assert message == (
        "Status (InService) not in ([Stopped, Failed]). Unable to transition to "
        f"(Deleting) for Notebook Instance ({arn})"
    )
    sagemaker.stop_notebook_instance(NotebookInstanceName=name)
    sagemaker.get_waiter("notebook_instance_stopped").wait(NotebookInstanceName=name)
    listed = sagemaker.list_notebook_instances(
        NameContains=name, StatusEquals="Stopped"
    )["NotebookInstances"]
    assert [instance["NotebookInstanceName"] for instance in listed] == [name]
    sagemaker.start_notebook_instance(NotebookInstanceName=name)
    sagemaker.stop_notebook_instance(NotebookInstanceName=name)
    sagemaker.delete_notebook_instance(NotebookInstanceName=name)
    sagemaker.get_waiter("notebook_instance_deleted").wait(NotebookInstanceName=name)
    assert refused(sagemaker.describe_notebook_instance, NotebookInstanceName=name) == (
        "ValidationException",
        "RecordNotFound",
    )


def test_an_operation_that_is_not_built_says_so(sagemaker):
    with pytest.raises(ClientError) as caught:
        sagemaker.list_pipelines()
    assert "ListPipelines" in str(caught.value)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
