"""Endpoints through boto3: states, invocations, errors, weights, updates, metrics."""

import sys
import threading
from collections import Counter
from datetime import UTC, datetime, timedelta

import boston
import numpy as np
import pytest
from botocore.exceptions import ClientError

from local_aws.installation import ACCOUNT_ID, ROLE_ARN

ARN = f"arn:aws:sagemaker:us-east-1:{ACCOUNT_ID}"
SETTLED = ("InService", "Failed")


@pytest.fixture(scope="module")
def sagemaker(stand_in):
    return stand_in.client("sagemaker")


@pytest.fixture(scope="module")
def runtime(stand_in):
    return stand_in.client("sagemaker-runtime")


@pytest.fixture(scope="module")
def models(stand_in, sagemaker):
    """{"good": name, "poor": name}, the test frame and its csv."""
    s3 = stand_in.client("s3")
    bucket = boston.name("sagemaker-endpoints")
    s3.create_bucket(Bucket=bucket)
    _, _, test = boston.upload(s3, bucket)
    names = {}
    for quality, rounds in (("good", "20"), ("poor", "2")):
        name = boston.name(quality)
        sagemaker.create_training_job(
            **boston.training_request(bucket, name, {"num_round": rounds})
        )
        job = boston.wait_for_training(sagemaker, name)
        create_model(sagemaker, name, job["ModelArtifacts"]["S3ModelArtifacts"])
        names[quality] = name
    s3.put_object(Bucket=bucket, Key="broken/model.tar.gz", Body=b"no archive")
    create_model(
        sagemaker,
        name := boston.name("broken"),
        f"s3://{bucket}/broken/model.tar.gz",
    )
    names["broken"] = name
    return names, test


@pytest.fixture(scope="module")
def uncompressed(stand_in, sagemaker, models):
    """An uncompressed artifact, trained as the good model: its URI, and its keys."""
    bucket, name = boston.name("sagemaker-uncompressed"), boston.name("files")
    s3 = stand_in.client("s3")
    s3.create_bucket(Bucket=bucket)
    boston.upload(s3, bucket)
    output = {"S3OutputPath": f"s3://{bucket}/output", "CompressionType": "NONE"}
    sagemaker.create_training_job(
        **boston.training_request(bucket, name, OutputDataConfig=output)
    )
    job = boston.wait_for_training(sagemaker, name)
    uri = job["ModelArtifacts"]["S3ModelArtifacts"]
    found = s3.list_objects_v2(Bucket=bucket, Prefix=f"output/{name}")["Contents"]
    return uri, [one["Key"] for one in found]


def model_of_files(sagemaker, uri):
    """The name of a model, given as the one element of Containers."""
    source = {"S3Uri": uri, "S3DataType": "S3Prefix", "CompressionType": "None"}
    name = boston.name("Files")
    sagemaker.create_model(
        ModelName=name,
        ExecutionRoleArn=ROLE_ARN,
        Containers=[
            {"Image": boston.IMAGE, "ModelDataSource": {"S3DataSource": source}}
        ],
    )
    return name


def create_model(sagemaker, name, uri):
    sagemaker.create_model(
        ModelName=name,
        ExecutionRoleArn=ROLE_ARN,
        PrimaryContainer={"Image": boston.IMAGE, "ModelDataUrl": uri},
    )


def variant(name, model, weight=1.0, count=1, **more):
    return {
        "VariantName": name,
        "ModelName": model,
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": count,
        "InitialVariantWeight": weight,
        **more,
    }


def configure(sagemaker, *variants):
    name = boston.name("config")
    sagemaker.create_endpoint_config(
        EndpointConfigName=name, ProductionVariants=list(variants)
    )
    return name


def settled(sagemaker, name):
    return boston.wait(
        sagemaker.describe_endpoint, "EndpointStatus", SETTLED, EndpointName=name
    )


@pytest.fixture
def deploy(sagemaker):
    """A function that makes an endpoint of variants; they are deleted afterwards."""
    made = []

    def create(*variants):
        name = boston.name("endpoint")
        sagemaker.create_endpoint(
            EndpointName=name, EndpointConfigName=configure(sagemaker, *variants)
        )
        made.append(name)
        return settled(sagemaker, name)

    yield create
    for name in made:
        settled(sagemaker, name)
        sagemaker.delete_endpoint(EndpointName=name)


def rows(test, count):
    return boston.csv(test.drop(columns="MEDV").head(count))


def invoke(runtime, endpoint, body, **more):
    return runtime.invoke_endpoint(
        EndpointName=endpoint, Body=body, ContentType="text/csv", **more
    )


def refused(call, **request):
    with pytest.raises(ClientError) as caught:
        call(**request)
    return caught.value.response["Error"]["Code"], caught.value.response["Error"][
        "Message"
    ]


def test_it_answers_with_the_models_predictions(deploy, runtime, models):
    names, test = models
    endpoint = deploy(variant("Only", names["good"]))
    assert endpoint["EndpointStatus"] == "InService"
    assert endpoint["EndpointArn"] == f"{ARN}:endpoint/{endpoint['EndpointName']}"
    assert "PendingDeploymentSummary" not in endpoint
    answer = invoke(runtime, endpoint["EndpointName"], rows(test, 100))
    assert answer["ContentType"].startswith("text/csv")
    assert answer["InvokedProductionVariant"] == "Only"
    predictions = np.array(answer["Body"].read().split(), dtype=float)
    truth = test["MEDV"].to_numpy()[:100]
    assert np.sqrt(np.mean((predictions - truth) ** 2)) < 0.6 * truth.std()


def test_a_json_answer_and_custom_attributes(deploy, runtime, models):
    names, test = models
    name = deploy(variant("Only", names["good"]))["EndpointName"]
    answer = invoke(
        runtime, name, rows(test, 2), Accept="application/json", CustomAttributes="id=7"
    )
    assert answer["ContentType"] == "application/json"
    assert answer["Body"].read().startswith(b'{"predictions": [{"score": ')


def test_what_a_container_refuses_is_a_model_error(stand_in, deploy, runtime, models):
    names, _ = models
    name = deploy(variant("Only", names["good"]))["EndpointName"]
    with pytest.raises(runtime.exceptions.ModelError) as caught:
        invoke(runtime, name, b"a,b\n")
    error = caught.value.response
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert error["OriginalStatusCode"] == 415
    assert "to float: np.str_('a')" in error["OriginalMessage"]
    assert error["Error"]["Message"] == (
        f'Received client error (415) from primary with message "'
        f'{error["OriginalMessage"]}". See https://us-east-1.console.aws.amazon.com/'
        "cloudwatch/home?region=us-east-1#logEventViewer:group=/aws/sagemaker/"
        f"Endpoints/{name} in account {ACCOUNT_ID} for more information."
    )
    logs, group = stand_in.client("logs"), f"/aws/sagemaker/Endpoints/{name}"

    def reason():  # it is on its way to the log when the response comes
        lines = boston.log_lines(logs, group, "Only/i-")
        return {"is there": any("could not convert string" in line for line in lines)}

    boston.wait(reason, "is there", (True,))


@pytest.mark.parametrize("megabytes", [7, 25.5])
def test_a_body_over_the_limit_is_the_true_413(deploy, runtime, models, megabytes):
    """7 MB is over the image's limit, 25.5 MB over the service's."""
    names, _ = models
    name = deploy(variant("Only", names["good"]))["EndpointName"]
    body = b"1" * int(megabytes * 1024**2)
    with pytest.raises(runtime.exceptions.ModelError) as caught:
        invoke(runtime, name, body)
    assert caught.value.response["OriginalStatusCode"] == 413
    assert (
        "Received client error (413) from primary and could not load the entire "
        "response body. See https://" in str(caught.value)
    )


def test_a_model_that_is_not_compressed_is_served(
    sagemaker, deploy, runtime, models, uncompressed
):
    names, test = models
    uri, keys = uncompressed
    prefix = uri.removeprefix("s3://").partition("/")[2]
    assert prefix.endswith("/output/model/")
    assert keys == [f"{prefix}xgboost-model"]
    model = model_of_files(sagemaker, uri)
    endpoint = deploy(variant("Files", model), variant("Archive", names["good"]))
    assert endpoint["EndpointStatus"] == "InService", endpoint
    said = {
        name: invoke(
            runtime, endpoint["EndpointName"], rows(test, 9), TargetVariant=name
        )["Body"].read()
        for name in ("Files", "Archive")
    }
    assert said["Files"] == said["Archive"]


def test_files_that_are_gone_are_named(
    stand_in, sagemaker, deploy, models, uncompressed
):
    uri, keys = uncompressed
    bucket = uri.removeprefix("s3://").partition("/")[0]
    s3 = stand_in.client("s3")
    s3.copy_object(
        Bucket=bucket, Key="gone/a", CopySource={"Bucket": bucket, "Key": keys[0]}
    )
    model = model_of_files(sagemaker, f"s3://{bucket}/gone/")
    s3.delete_object(Bucket=bucket, Key="gone/a")
    endpoint = deploy(variant("Gone", model))
    assert endpoint["EndpointStatus"] == "Failed"
    assert f'from URL: "s3://{bucket}/gone/"' in endpoint["FailureReason"]


def test_files_are_not_for_batch_transform(sagemaker, uncompressed):
    bucket = uncompressed[0].removeprefix("s3://").partition("/")[0]
    model = model_of_files(sagemaker, uncompressed[0])
    name = boston.name()
    code, message = refused(
        sagemaker.create_transform_job,
        **boston.transform_request(bucket, name, model),
    )
    assert (code, "batch transform" in message) == ("ValidationException", True)
    refused(sagemaker.describe_transform_job, TransformJobName=name)


def capture(**changes):
    return {
        "InitialSamplingPercentage": 100,
        "DestinationS3Uri": "s3://sagemaker-bucket/captured",
        "CaptureOptions": [{"CaptureMode": "Input"}],
        **changes,
    }


@pytest.mark.parametrize("changes", [{}, {"EnableCapture": True}])
def test_data_capture_is_refused(sagemaker, models, changes):
    name = boston.name("config")
    code, message = refused(
        sagemaker.create_endpoint_config,
        EndpointConfigName=name,
        ProductionVariants=[variant("Only", models[0]["good"])],
        DataCaptureConfig=capture(**changes),
    )
    assert (code, "DataCaptureConfig" in message) == ("ValidationException", True)
    refused(sagemaker.describe_endpoint_config, EndpointConfigName=name)


def test_data_capture_that_is_off_is_taken(sagemaker, models):
    name = boston.name("config")
    off = capture(EnableCapture=False)
    sagemaker.create_endpoint_config(
        EndpointConfigName=name,
        ProductionVariants=[variant("Only", models[0]["good"])],
        DataCaptureConfig=off,
    )
    described = sagemaker.describe_endpoint_config(EndpointConfigName=name)
    assert described["DataCaptureConfig"] == off


@pytest.mark.parametrize(
    ("call", "request_", "operation"),
    [
        (
            "invoke_endpoint_async",
            {"InputLocation": "s3://bucket/key"},
            "InvokeEndpointAsync",
        ),
        (
            "invoke_endpoint_with_response_stream",
            {"Body": b"1"},
            "InvokeEndpointWithResponseStream",
        ),
    ],
)
def test_what_is_not_built_is_named(runtime, call, request_, operation):
    code, message = refused(getattr(runtime, call), EndpointName="any", **request_)
    assert code == "NotImplementedException"
    assert f"has not built {operation}." in message


def test_an_unknown_endpoint_and_an_unknown_variant(deploy, runtime, models):
    names, _ = models
    name = deploy(variant("Only", names["good"]))["EndpointName"]
    assert refused(runtime.invoke_endpoint, EndpointName="nobody", Body=b"1") == (
        "ValidationError",
        f"Endpoint nobody of account {ACCOUNT_ID} not found.",
    )
    code, message = refused(
        runtime.invoke_endpoint, EndpointName=name, Body=b"1", TargetVariant="Other"
    )
    assert (code, "Other" in message) == ("ValidationError", True)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"TargetVariant": "no_underscore"}, "regular expression pattern"),
        ({"ContentType": "x" * 1025}, "length less than or equal to 1024"),
        ({"TargetModel": "a.tar.gz"}, "does not reproduce"),
    ],
)
def test_a_request_with_one_member_wrong(deploy, runtime, models, changes, words):
    names, _ = models
    name = deploy(variant("Only", names["good"]))["EndpointName"]
    code, message = refused(
        runtime.invoke_endpoint, EndpointName=name, Body=b"1", **changes
    )
    assert (code, words in message) == ("ValidationError", True), message


def test_traffic_follows_the_weights_and_repeats(deploy, runtime, models):
    names, test = models
    body = rows(test, 1)
    sequences = []
    for _ in range(2):
        endpoint = deploy(
            variant("A", names["good"], 0.7), variant("B", names["poor"], 0.3)
        )
        sequences.append(
            [
                invoke(runtime, endpoint["EndpointName"], body)[
                    "InvokedProductionVariant"
                ]
                for _ in range(300)
            ]
        )
    assert sequences[0] == sequences[1]
    share = Counter(sequences[0])["A"] / 300
    assert abs(share - 0.7) < 4 * np.sqrt(0.7 * 0.3 / 300)


def test_each_variant_is_the_model_that_it_says(deploy, runtime, models):
    names, test = models
    body = rows(test, 50)
    alone = {}
    for quality in ("good", "poor"):
        name = deploy(variant("Only", names[quality]))["EndpointName"]
        alone[quality] = invoke(runtime, name, body)["Body"].read()
    assert alone["good"] != alone["poor"]
    name = deploy(variant("A", names["good"]), variant("B", names["poor"]))[
        "EndpointName"
    ]
    for target, quality in (("A", "good"), ("B", "poor")):
        answer = invoke(runtime, name, body, TargetVariant=target)
        assert answer["InvokedProductionVariant"] == target
        assert answer["Body"].read() == alone[quality]


def test_weights_may_be_zero_and_shown_weights_are_in_force(
    sagemaker, deploy, runtime, models
):
    names, test = models
    endpoint = deploy(variant("A", names["good"]), variant("B", names["poor"]))
    name = endpoint["EndpointName"]
    sagemaker.update_endpoint_weights_and_capacities(
        EndpointName=name,
        DesiredWeightsAndCapacities=[
            {"VariantName": "A", "DesiredWeight": 0.0},
            {"VariantName": "B", "DesiredInstanceCount": 2},
        ],
    )
    endpoint = settled(sagemaker, name)
    shown = {v["VariantName"]: v for v in endpoint["ProductionVariants"]}
    assert shown["A"]["CurrentWeight"] == shown["A"]["DesiredWeight"] == 0.0
    assert shown["B"]["CurrentWeight"] == 1.0
    assert shown["B"]["CurrentInstanceCount"] == 2
    body = rows(test, 1)
    seen = {invoke(runtime, name, body)["InvokedProductionVariant"] for _ in range(30)}
    assert seen == {"B"}
    # A variant of weight 0 can still be asked by name.
    assert invoke(runtime, name, body, TargetVariant="A")["Body"].read()


@pytest.mark.parametrize(
    ("desired", "words"),
    [
        ([{"VariantName": "C", "DesiredWeight": 1.0}], "not present within"),
        ([{"VariantName": "A", "DesiredWeight": 1.0}] * 2, "non-unique"),
        ([{"VariantName": "A", "DesiredWeight": 0.0}], "weight above 0"),
        (
            [{"VariantName": "A", "DesiredInstanceCount": 0}],
            "1 validation error detected: Value '0' at 'desiredWeightsAndCapacities."
            "1.member.desiredInstanceCount' failed to satisfy constraint: Member must "
            "have value greater than or equal to 1",
        ),
    ],
)
def test_weights_and_counts_that_are_refused(sagemaker, deploy, models, desired, words):
    names, _ = models
    endpoint = deploy(variant("A", names["good"]))
    code, message = refused(
        sagemaker.update_endpoint_weights_and_capacities,
        EndpointName=endpoint["EndpointName"],
        DesiredWeightsAndCapacities=desired,
    )
    assert (code, words in message) == ("ValidationException", True), message
    after = sagemaker.describe_endpoint(EndpointName=endpoint["EndpointName"])
    assert after["ProductionVariants"] == endpoint["ProductionVariants"]
    assert after["EndpointStatus"] == "InService"


def test_more_instances_than_a_computer_can_play(sagemaker, deploy, models):
    names, _ = models
    many = configure(
        sagemaker,
        variant("A", names["good"], count=20),
        variant("B", names["poor"], count=1),
    )
    endpoint = deploy(variant("A", names["good"]))["EndpointName"]
    desired = [{"VariantName": "A", "DesiredInstanceCount": 2**31 - 1}]
    for call, request in (
        (sagemaker.create_endpoint, {"EndpointConfigName": many}),
        (sagemaker.update_endpoint, {"EndpointConfigName": many}),
        (
            sagemaker.update_endpoint_weights_and_capacities,
            {"DesiredWeightsAndCapacities": desired},
        ),
    ):
        code, message = refused(call, EndpointName=endpoint, **request)
        assert (code, "at most 20" in message) == ("ResourceLimitExceeded", True)


class Caller(threading.Thread):
    """Calls an endpoint without a pause until it is told to stop."""

    def __init__(self, runtime, name, body):
        super().__init__()
        self.variants, self.errors = Counter(), []
        self.call = lambda: invoke(runtime, name, body)
        self.stopping = threading.Event()

    def run(self):
        while not self.stopping.is_set():
            try:
                self.variants[self.call()["InvokedProductionVariant"]] += 1
            except ClientError as error:
                self.errors.append(error)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.join()


def test_an_update_is_not_noticed_by_callers(sagemaker, deploy, runtime, models):
    names, test = models
    name = deploy(variant("Old", names["poor"]))["EndpointName"]
    with Caller(runtime, name, rows(test, 1)) as caller:
        for new in ("New", "Newer", "Newest"):
            config = configure(sagemaker, variant(new, names["good"]))
            sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=config)
            endpoint = settled(sagemaker, name)
            assert endpoint["EndpointConfigName"] == config, endpoint
            seen = invoke(runtime, name, rows(test, 1))["InvokedProductionVariant"]
            assert seen == new
    assert caller.errors == []
    assert set(caller.variants) >= {"Old", "New", "Newer"}


def test_an_update_to_a_broken_model_rolls_back(sagemaker, deploy, runtime, models):
    names, test = models
    endpoint = deploy(variant("Old", names["good"]))
    name = endpoint["EndpointName"]
    config = configure(sagemaker, variant("New", names["broken"]))
    with Caller(runtime, name, rows(test, 1)) as caller:
        sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=config)
        after = settled(sagemaker, name)
    assert after["EndpointStatus"] == "InService"
    assert after["EndpointConfigName"] == endpoint["EndpointConfigName"]
    assert after["FailureReason"]
    assert caller.errors == []
    assert set(caller.variants) == {"Old"}


@pytest.mark.parametrize("content", [b"", b"\x80\x03cxgboost.core\n"])
def test_a_model_file_that_can_not_be_read(stand_in, sagemaker, content):
    """The endpoint says what AWS says, its log what is wrong."""
    s3, bucket = stand_in.client("s3"), boston.name("sagemaker-unread")
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="model.tar.gz", Body=boston.model_archive(content))
    name = boston.name("unread")
    create_model(sagemaker, name, f"s3://{bucket}/model.tar.gz")
    config = configure(sagemaker, variant("Only", name))
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config)
    endpoint = settled(sagemaker, name)
    assert endpoint["EndpointStatus"] == "Failed"
    assert endpoint["FailureReason"] == (
        "The primary container for production variant Only did not pass the ping "
        "health check. Please check CloudWatch logs for this endpoint."
    )
    group = f"/aws/sagemaker/Endpoints/{name}"
    lines = boston.log_lines(stand_in.client("logs"), group, "Only/i-")
    told = "Unable to load model: Model /opt/ml/model/xgboost-model cannot be loaded:"
    assert any(line.endswith(f"ERROR] {told}") for line in lines)
    assert not any("Traceback" in line for line in lines)


def test_a_broken_model_makes_a_failed_endpoint(sagemaker, runtime, models):
    names, _ = models
    name = boston.name("endpoint")
    config = configure(sagemaker, variant("Only", names["broken"]))
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config)
    endpoint = settled(sagemaker, name)
    assert endpoint["EndpointStatus"] == "Failed"
    assert "FailureReason" in endpoint
    assert refused(runtime.invoke_endpoint, EndpointName=name, Body=b"1")[0] == (
        "ValidationError"
    )
    # The name is taken, and nothing but deletion helps.
    arn = endpoint["EndpointArn"]
    assert refused(
        sagemaker.create_endpoint, EndpointName=name, EndpointConfigName=config
    ) == ("ValidationException", f'Cannot create already existing endpoint "{arn}".')
    good = configure(sagemaker, variant("Only", names["good"]))
    assert (
        "Failed"
        in refused(
            sagemaker.update_endpoint, EndpointName=name, EndpointConfigName=good
        )[1]
    )
    sagemaker.delete_endpoint(EndpointName=name)
    sagemaker.get_waiter("endpoint_deleted").wait(EndpointName=name)


def test_what_is_unknown(sagemaker, models):
    missing = f'Could not find endpoint "{ARN}:endpoint/nobody".'
    for call in (sagemaker.describe_endpoint, sagemaker.delete_endpoint):
        assert refused(call, EndpointName="nobody") == ("ValidationException", missing)
    config = f'Could not find endpoint configuration "{ARN}:endpoint-config/nobody".'
    for call in (
        sagemaker.describe_endpoint_config,
        sagemaker.delete_endpoint_config,
    ):
        assert refused(call, EndpointConfigName="nobody") == (
            "ValidationException",
            config,
        )
    assert refused(
        sagemaker.create_endpoint,
        EndpointName=boston.name("e"),
        EndpointConfigName="nobody",
    ) == ("ValidationException", config)
    assert (
        "Could not find model"
        in refused(
            sagemaker.create_endpoint_config,
            EndpointConfigName=boston.name("c"),
            ProductionVariants=[variant("A", "nobody")],
        )[1]
    )


def test_deleting_configuration_and_model_leaves_the_endpoint_serving(
    sagemaker, deploy, runtime, models
):
    names, test = models
    model = boston.name("copy")
    described = sagemaker.describe_model(ModelName=names["good"])
    create_model(sagemaker, model, described["PrimaryContainer"]["ModelDataUrl"])
    endpoint = deploy(variant("Only", model))
    name = endpoint["EndpointName"]
    sagemaker.delete_endpoint_config(EndpointConfigName=endpoint["EndpointConfigName"])
    sagemaker.delete_model(ModelName=model)
    assert invoke(runtime, name, rows(test, 1))["Body"].read()
    config = endpoint["EndpointConfigName"]
    assert (
        "Could not find endpoint configuration"
        in refused(
            sagemaker.update_endpoint, EndpointName=name, EndpointConfigName=config
        )[1]
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 1}},
            "serverl",
        ),
        ({"InitialVariantWeight": 0.0}, "above 0"),
        ({"InstanceType": None}, "InstanceType"),
        ({"ModelName": None}, "inference components"),
        ({"ModelName": None}, "production variant A"),
        ({"ModelName": None}, "Name a model, or run this"),
    ],
)
def test_a_variant_that_is_refused(sagemaker, models, change, words):
    given = {**variant("A", models[0]["good"]), **change}
    given = {key: value for key, value in given.items() if value is not None}
    name = boston.name("c")
    code, message = refused(
        sagemaker.create_endpoint_config,
        EndpointConfigName=name,
        ProductionVariants=[given],
    )
    assert (code, words in message) == ("ValidationException", True), message
    refused(sagemaker.describe_endpoint_config, EndpointConfigName=name)


def total(cloudwatch, endpoint, name, metric, statistic="Sum"):
    now = datetime.now(UTC)
    points = cloudwatch.get_metric_statistics(
        Namespace="AWS/SageMaker",
        MetricName=metric,
        Dimensions=[
            {"Name": "EndpointName", "Value": endpoint},
            {"Name": "VariantName", "Value": name},
        ],
        StartTime=now - timedelta(minutes=10),
        EndTime=now + timedelta(minutes=2),
        Period=60,
        Statistics=[statistic],
    )["Datapoints"]
    return sum(point[statistic] for point in points)


def test_metrics_count_what_happened(stand_in, deploy, runtime, models):
    names, test = models
    name = deploy(variant("A", names["good"], count=2), variant("B", names["poor"]))[
        "EndpointName"
    ]
    for _ in range(7):
        invoke(runtime, name, rows(test, 1), TargetVariant="A")
    for _ in range(3):
        with pytest.raises(runtime.exceptions.ModelError):
            invoke(runtime, name, b"a,b\n", TargetVariant="B")
    cloudwatch = stand_in.client("cloudwatch")
    counted = {
        (who, metric): total(cloudwatch, name, who, metric)
        for who in "AB"
        for metric in (
            "Invocations",
            "InvocationsPerInstance",
            "Invocation4XXErrors",
            "Invocation5XXErrors",
            "InvocationModelErrors",
        )
    }
    assert list(counted.values()) == [7, 3.5, 0, 0, 0, 3, 3, 3, 0, 3]
    for metric in ("ModelLatency", "OverheadLatency"):
        microseconds = total(cloudwatch, name, "A", metric, "Average")
        assert 10 < microseconds < 5e6


def test_lists(sagemaker, deploy, models):
    endpoint = deploy(variant("A", models[0]["good"]))
    listed = sagemaker.list_endpoints(
        NameContains=endpoint["EndpointName"], StatusEquals="InService"
    )["Endpoints"]
    assert [one["EndpointArn"] for one in listed] == [endpoint["EndpointArn"]]
    configs = sagemaker.list_endpoint_configs(
        NameContains=endpoint["EndpointConfigName"]
    )["EndpointConfigs"]
    assert len(configs) == 1


def test_the_aws_cli_calls_an_endpoint(stand_in, deploy, models, tmp_path):
    names, test = models
    name = deploy(variant("Only", names["good"]))["EndpointName"]
    (tmp_path / "row.csv").write_bytes(rows(test, 1))
    done = stand_in.run(
        sys.executable,
        "-m",
        "awscli",
        "sagemaker-runtime",
        "invoke-endpoint",
        "--endpoint-name",
        name,
        "--content-type",
        "text/csv",
        "--body",
        f"fileb://{tmp_path / 'row.csv'}",
        str(tmp_path / "answer"),
    )
    assert done.returncode == 0, done.stderr
    assert '"InvokedProductionVariant": "Only"' in done.stdout
    assert float((tmp_path / "answer").read_text()) > 0
