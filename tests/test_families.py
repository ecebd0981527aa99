"""What each family of SageMaker's resources says of itself fits the service model."""

from types import SimpleNamespace

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel

from local_aws.errors import AwsError
from local_aws.jobs.kinds import KINDS
from local_aws.jobs.training import new_record
from local_aws.persistence.resources import Resources
from local_aws.sagemaker import HANDLERS
from local_aws.sagemaker.families import DESCRIBED, FAMILIES

MODEL = ServiceModel(Loader().load_service_model("sagemaker", "service-2"))

families = pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)


def test_the_registered_operations_are_the_services():
    assert set(HANDLERS) <= set(MODEL.operation_names)
    assert len(HANDLERS) >= 32


@families
def test_members_and_operations_are_the_models(family):
    create = MODEL.operation_model(f"Create{family.noun}")
    describe = MODEL.operation_model(f"Describe{family.noun}")
    assert family.name_member in create.input_shape.members
    assert list(create.output_shape.members) == [family.arn_member]
    assert {family.name_member, family.arn_member} <= set(describe.output_shape.members)
    assert DESCRIBED[f"Describe{family.noun}"] is family
    assert {f"Describe{family.noun}", f"List{family.noun}s"} <= set(HANDLERS)


@families
def test_statuses_are_the_models(family):
    members = MODEL.operation_model(f"Describe{family.noun}").output_shape.members
    if family.status_member in members:
        assert family.transitional < set(members[family.status_member].enum)
        assert family.transitional
    else:
        assert not family.transitional


@families
def test_what_is_refused_is_in_the_model(family):
    for path in family.refused:
        shape = MODEL.operation_model(f"Create{family.noun}").input_shape
        for member in path.split("."):
            shape = shape.member if shape.type_name == "list" else shape
            shape = shape.members[member]


def test_every_kind_of_job_has_a_family_and_every_family_of_jobs_a_kind():
    for name, kind in KINDS.items():
        assert FAMILIES[name].status_member == kind.status
    assert {name for name in FAMILIES if name.endswith("-job")} == set(KINDS)


def test_a_training_job_can_be_made_by_another_resource():
    """A tuning job names itself in the jobs that it makes."""
    request = {
        "TrainingJobName": "child-1",
        "TuningJobArn": "arn:aws:sagemaker:us-east-1:123456789012:"
        "hyper-parameter-tuning-job/parent",
        "AlgorithmSpecification": {
            "TrainingImage": "683313688378.dkr.ecr.us-east-1.amazonaws.com/"
            "sagemaker-xgboost:3.2-0",
            "TrainingInputMode": "File",
        },
        "OutputDataConfig": {"S3OutputPath": "s3://bucket/out/"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
    }
    record = new_record(request)
    assert record["TuningJobArn"] == request["TuningJobArn"]
    assert record["ModelArtifacts"]["S3ModelArtifacts"] == (
        "s3://bucket/out/child-1/output/model.tar.gz"
    )
    assert record["StoppingCondition"] == {"MaxRuntimeInSeconds": 86400}
    assert FAMILIES["training-job"].described_members >= set(record)


def test_a_resource_that_is_deleted_meanwhile_gets_no_tags(tmp_path, monkeypatch):
    """They would be those of the next resource of its name."""
    resources = Resources(tmp_path / "sagemaker.sqlite")
    arn = "arn:aws:sagemaker:us-east-1:123456789012:model/a"
    resources.create("us-east-1", "model", "a", {}, arn)
    put_tags = resources.put_tags

    def put_after_a_delete(*arguments):
        resources.delete("us-east-1", "model", "a")
        return put_tags(*arguments)

    monkeypatch.setattr(resources, "put_tags", put_after_a_delete)
    request = {"ResourceArn": arn, "Tags": [{"Key": "team", "Value": "a"}]}
    context = SimpleNamespace(region="us-east-1", resources=resources)
    with pytest.raises(AwsError, match="Could not find resource"):
        HANDLERS["AddTags"](request, context)
    assert resources.tags(arn) == {}
    resources.close()
