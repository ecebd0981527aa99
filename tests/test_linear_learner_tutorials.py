"""The requests of AWS's public tutorials on Linear Learner, with data of our own.

As the SageMaker SDK 2 sent them: its `record_set` wrote RecordIO-protobuf and a
manifest, named no content type and sharded the training data.
"""

import io
import json

import boston
import numpy as np
import pytest
from linear_learner_jobs import classes_table, numbers_of, records
from sklearn.datasets import load_digits
from xgboost_jobs import as_recordio, csv_text, recordio_bytes

from local_aws.installation import ROLE_ARN

IMAGE = "382416733822.dkr.ecr.us-east-1.amazonaws.com/linear-learner:1"
RECORDIO = "application/x-recordio-protobuf"
SETTLED = ("InService", "Failed")


class Tutorials:
    """A bucket, and what tutorials do with it."""

    def __init__(self, stand_in, bucket):
        self._bucket = bucket
        self._s3 = stand_in.client("s3")
        self.sagemaker = stand_in.client("sagemaker")
        self._runtime = stand_in.client("sagemaker-runtime")

    def prefix_channel(self, name, table):
        """One object, as write_numpy_to_dense_tensor and upload_fileobj made it."""
        key = f"mnist/{name}/recordio-pb-data"
        self._s3.upload_fileobj(io.BytesIO(as_recordio(table)), self._bucket, key)
        source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{self._bucket}/{key}"}
        return self._channel(name, source)

    def record_set(self, name, table, shards=1):
        """A channel as record_set(features, labels, channel=name) gave it."""
        folder = f"sagemaker-record-sets/LinearLearner-{name}/"
        manifest = [{"prefix": f"s3://{self._bucket}/{folder}"}]
        for number, part in enumerate(np.array_split(table, shards)):
            key = f"matrix_{number}.pbr"
            self._put(folder + key, as_recordio(part))
            manifest.append(key)
        key = f"{folder}.amazon.manifest"
        self._put(key, json.dumps(manifest).encode())
        source = {"S3DataType": "ManifestFile", "S3Uri": f"s3://{self._bucket}/{key}"}
        return self._channel(name, source)

    def _put(self, key, body):
        self._s3.put_object(Bucket=self._bucket, Key=key, Body=body)

    @staticmethod
    def _channel(name, source):
        source["S3DataDistributionType"] = "ShardedByS3Key"
        return {
            "ChannelName": name,
            "DataSource": {"S3DataSource": source},
            "CompressionType": "None",
            "RecordWrapperType": "None",
        }

    def train(self, *channels, **hyperparameters):
        """The finished job, and its metrics."""
        name = boston.name("linear-learner")
        request = boston.training_request(self._bucket, name)
        request["AlgorithmSpecification"]["TrainingImage"] = IMAGE
        request["HyperParameters"] = hyperparameters
        self.sagemaker.create_training_job(
            **request | {"InputDataConfig": list(channels)}
        )
        job = boston.wait_for_training(self.sagemaker, name)
        assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
        return job, {
            metric["MetricName"]: metric["Value"]
            for metric in job["FinalMetricDataList"]
        }

    def deploy(self, job):
        """A function that invokes an endpoint with the job's model."""
        name = job["TrainingJobName"]
        self.sagemaker.create_model(
            ModelName=name,
            ExecutionRoleArn=ROLE_ARN,
            PrimaryContainer={
                "Image": IMAGE,
                "ModelDataUrl": job["ModelArtifacts"]["S3ModelArtifacts"],
            },
        )
        self.sagemaker.create_endpoint_config(
            EndpointConfigName=name,
            ProductionVariants=[
                {
                    "VariantName": "AllTraffic",
                    "ModelName": name,
                    "InstanceType": "ml.m4.xlarge",
                    "InitialInstanceCount": 1,
                }
            ],
        )
        self.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
        endpoint = boston.wait(
            self.sagemaker.describe_endpoint,
            "EndpointStatus",
            SETTLED,
            EndpointName=name,
        )
        assert endpoint["EndpointStatus"] == "InService"

        def invoke(body, **headers):
            answer = self._runtime.invoke_endpoint(
                EndpointName=name, Body=body, **headers
            )
            return answer["Body"].read()

        return invoke


@pytest.fixture
def tutorials(stand_in, bucket):
    found = Tutorials(stand_in, bucket)
    yield found
    for endpoint in found.sagemaker.list_endpoints(NameContains="linear-learner")[
        "Endpoints"
    ]:
        found.sagemaker.delete_endpoint(EndpointName=endpoint["EndpointName"])


def test_mnist(tutorials):
    """Is this digit a zero? csv in, JSON out."""
    features, digits = load_digits(return_X_y=True)
    table = np.column_stack([digits == 0, features]).astype(np.float32)
    order = np.random.default_rng(0).permutation(len(table))
    train, validation = table[order[:1400]], table[order[1400:]]
    job, metrics = tutorials.train(
        tutorials.prefix_channel("train", train),
        feature_dim="64",
        predictor_type="binary_classifier",
        mini_batch_size="200",
    )
    assert metrics["train:binary_classification_accuracy"] > 0.99
    invoke = tutorials.deploy(job)
    result = json.loads(invoke(csv_text(validation[:, 1:]), ContentType="text/csv"))
    rows = result["predictions"]
    assert all(0 <= row["score"] <= 1 for row in rows)
    called = np.array([row["predicted_label"] for row in rows])
    assert np.mean(called == validation[:, 0]) > 0.98


def test_fraud(tutorials):
    """One in fifty is a fraud; RecordIO in and out, as RecordSerializer had it."""
    table = classes_table(6000, shares=(49, 1), columns=8, seed=2)
    train, test = table[:3000], table[3000:]
    tuned = {
        "feature_dim": "8",
        "mini_batch_size": "1000",
        "predictor_type": "binary_classifier",
        "epochs": "15",
    }
    channel = tutorials.record_set("train", train, shards=2)
    _, plain = tutorials.train(channel, **tuned)
    job, balanced = tutorials.train(
        channel,
        **tuned,
        binary_classifier_model_selection_criteria="precision_at_target_recall",
        target_recall="0.9",
        positive_example_weight_mult="balanced",
    )
    assert plain["train:recall"] < 0.9 <= balanced["train:recall"]
    assert balanced["train:precision"] < plain["train:precision"]
    invoke = tutorials.deploy(job)
    body = recordio_bytes(test[:, 1:].astype(np.float32))
    answer = invoke(body, ContentType=RECORDIO, Accept=RECORDIO)
    called = [numbers_of(record, "predicted_label") for record in records(answer)]
    frauds = test[:, 0] == 1
    assert np.mean(np.array(called)[frauds]) > 0.75


def test_covtype(tutorials):
    """Seven kinds of forest of different sizes."""
    table = classes_table(4000, shares=(40, 40, 8, 2, 3, 4, 3), columns=10, seed=7)
    parts = zip(
        ("train", "validation", "test"), np.split(table, [2500, 3250]), strict=True
    )
    channels = [tutorials.record_set(name, part) for name, part in parts]
    _, metrics = tutorials.train(
        *channels,
        feature_dim="10",
        mini_batch_size="1000",
        predictor_type="multiclass_classifier",
        num_classes="7",
        balance_multiclass_weights="True",
    )
    assert metrics["test:macro_recall"] > 0.7
    assert metrics["test:multiclass_top_k_accuracy"] > 0.9
    assert metrics["validation:multiclass_accuracy"] > 0.7


@pytest.mark.parametrize(
    "content", [b"s3://", b"{}", b'["matrix_0.pbr"]', b'[{"prefix": "x"}, "a"]']
)
def test_a_manifest_that_is_none(stand_in, bucket, content):
    tutorials = Tutorials(stand_in, bucket)
    channel = tutorials.record_set("train", np.ones((9, 3)))
    uri = channel["DataSource"]["S3DataSource"]["S3Uri"]
    key = uri.partition(f"{bucket}/")[2]
    stand_in.client("s3").put_object(Bucket=bucket, Key=key, Body=content)
    name = boston.name("linear-learner")
    request = boston.training_request(bucket, name, InputDataConfig=[channel])
    tutorials.sagemaker.create_training_job(**request)
    job = boston.wait_for_training(tutorials.sagemaker, name)
    reason = f'ClientError: Data download failed:The manifest "{uri}" is not of the '
    assert job["FailureReason"].startswith(reason)
