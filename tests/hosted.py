"""What the tests of endpoints' faults share: two models, endpoints, their processes."""

import io
import os
import tarfile
import time
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import boston
import numpy as np
import xgboost
from botocore.exceptions import ClientError
from conftest import StandIn, start_stand_in
from gated import VARIABLE, Gate

from local_aws.installation import CHECKOUT, ROLE_ARN

THREADS = 32
SETTLED = ("InService", "Failed")
ROW = b"1,2\n"

# States of a Unix socket in /proc/net/unix.
CONNECTING, CONNECTED = "02", "03"


@cache
def artifact(value: float) -> bytes:
    """A model.tar.gz that predicts `value` for every row of two columns."""
    data = xgboost.DMatrix(np.zeros((2, 2)), label=np.full(2, value))
    booster = xgboost.train({"base_score": value, "nthread": 1}, data, 1)
    return archive({"xgboost-model": bytes(booster.save_raw("ubj"))})


def archive(members: dict[str, bytes]) -> bytes:
    """A gzip tar of these files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def start_gated(home: Path, **environment: str) -> StandIn:
    """Start a stand-in whose new servers can be held up."""
    folders = os.pathsep.join([str(CHECKOUT), str(CHECKOUT / "tests")])
    environment |= {"PYTHONPATH": folders, VARIABLE: str(home / "gate")}
    return start_stand_in(home, "gated", **environment)


class Service:
    """A stand-in with a gate, with the models "good" (2.0) and "poor" (1.0)."""

    def __init__(self, stand_in, models=True):
        self.stand_in = stand_in
        self.gate = Gate(stand_in.home / "gate")
        self.sagemaker = stand_in.client("sagemaker")
        self.runtime = stand_in.client(
            "sagemaker-runtime", max_pool_connections=THREADS, read_timeout=90
        )
        self.s3 = stand_in.client("s3")
        if models:
            self.bucket = boston.name("sagemaker-hosted")
            self.s3.create_bucket(Bucket=self.bucket)
            self.create_model("good", artifact(2.0))
            self.create_model("poor", artifact(1.0))

    def create_model(self, name, content):
        key = f"{name}/model.tar.gz"
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=content)
        self.sagemaker.create_model(
            ModelName=name,
            ExecutionRoleArn=ROLE_ARN,
            PrimaryContainer={
                "Image": boston.IMAGE,
                "ModelDataUrl": f"s3://{self.bucket}/{key}",
            },
        )

    def configure(self, count=1, **weights):
        """A configuration with a variant for each model; returns its name."""
        name = boston.name("endpoint")
        self.sagemaker.create_endpoint_config(
            EndpointConfigName=name,
            ProductionVariants=[
                {
                    "VariantName": "Only" if len(weights) == 1 else model,
                    "ModelName": model,
                    "InstanceType": "ml.m5.large",
                    "InitialInstanceCount": count,
                    "InitialVariantWeight": weight,
                }
                for model, weight in weights.items()
            ],
        )
        return name

    def create(self, count=1, **weights):
        """An endpoint of such a configuration; returns its name at once."""
        name = self.configure(count, **weights)
        self.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
        return name

    def create_and_wait(self, count=1, **weights):
        """The same, once the endpoint is in service."""
        name = self.create(count, **weights)
        assert self.settled(name)["EndpointStatus"] == "InService"
        return name

    def update(self, name, **weights):
        """Begin to update the endpoint to such a configuration; returns its name."""
        configuration = self.configure(**weights)
        self.sagemaker.update_endpoint(
            EndpointName=name, EndpointConfigName=configuration
        )
        return configuration

    def rebalance(self, name, variant, **desired):
        """Begin to give the variant another weight or number of instances."""
        self.sagemaker.update_endpoint_weights_and_capacities(
            EndpointName=name,
            DesiredWeightsAndCapacities=[{"VariantName": variant, **desired}],
        )

    def settled(self, name):
        """The endpoint's description, once it is in service or failed."""
        return boston.wait(
            self.sagemaker.describe_endpoint,
            "EndpointStatus",
            SETTLED,
            EndpointName=name,
        )

    def delete_all(self):
        """Delete all endpoints; return when their containers have ended."""
        endpoints = self.sagemaker.list_endpoints()["Endpoints"]
        for endpoint in endpoints:
            self.settled(endpoint["EndpointName"])
            self.sagemaker.delete_endpoint(EndpointName=endpoint["EndpointName"])
        for endpoint in endpoints:
            self.wait_until_gone(endpoint["EndpointName"])
        self.wait_for_containers(0)

    def wait_until_gone(self, name):
        """Return when the endpoint is deleted."""
        deadline = time.monotonic() + 180
        while time.monotonic() < deadline:
            try:
                self.sagemaker.describe_endpoint(EndpointName=name)
            except ClientError as error:
                if "Could not find endpoint" in str(error):
                    return
                raise
            time.sleep(0.02)
        raise AssertionError(f"{name} is still there")

    def invoke(self, name, **more):
        """(variant, response) of one invocation."""
        response = self.runtime.invoke_endpoint(
            EndpointName=name, Body=ROW, ContentType="text/csv", **more
        )
        return response["InvokedProductionVariant"], response["Body"].read()

    def predict(self, name, **more):
        """The number that the endpoint predicts."""
        return float(self.invoke(name, **more)[1])

    def containers(self):
        """Ids of the processes that serve endpoints."""
        found = []
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    folder = os.readlink(f"/proc/{entry}/cwd")
                except OSError:
                    continue
                if folder.startswith(str(self.stand_in.home / "endpoints")):
                    found.append(int(entry))
        return found

    def wait_for_line(self, name, line, count):
        """Return when the log of the variant "Only" has this line so many times."""
        logs, group = self.stand_in.client("logs"), f"/aws/sagemaker/Endpoints/{name}"

        def lines():
            return {"count": boston.log_lines(logs, group, "Only/").count(line)}

        boston.wait(lines, "count", (count,))

    def wait_for_containers(self, count):
        """Return when `count` processes serve endpoints."""
        boston.wait(lambda: {"count": len(self.containers())}, "count", (count,))

    def connections(self):
        """How many connections to containers there are, idle or with a call.

        A container has answered its ping by one; a call that is under way when there
        has been none before has another.
        """
        folders = [str(folder) for folder in self.sockets()]
        lines = Path("/proc/net/unix").read_text().splitlines()[1:]
        fields = [line.split() for line in lines]
        # A container that is stopped accepts nothing: then it is still "connecting".
        ours = [one for one in fields if one[5] in (CONNECTING, CONNECTED) and one[7:]]
        return sum(str(Path(one[7]).parent) in folders for one in ours)

    def wait_for_connections(self, count):
        """Return when there are `count`."""
        boston.wait(lambda: {"count": self.connections()}, "count", (count,))

    def sockets(self):
        """The folders of the sockets at which these containers listen."""
        return [
            folder
            for folder in Path("/tmp").glob("sagemaker-*")
            if str(self.stand_in.home) in str((folder / "container").resolve())
        ]

    def wait_for_sockets(self, count):
        """Return when there are `count`."""
        boston.wait(lambda: {"count": len(self.sockets())}, "count", (count,))

    def total(self, name, metric, statistic="Sum", variant="Only"):
        """What CloudWatch knows of the endpoint's variant."""
        now = datetime.now(UTC)
        points = self.stand_in.client("cloudwatch").get_metric_statistics(
            Namespace="AWS/SageMaker",
            MetricName=metric,
            Dimensions=[
                {"Name": "EndpointName", "Value": name},
                {"Name": "VariantName", "Value": variant},
            ],
            StartTime=now - timedelta(minutes=20),
            EndTime=now + timedelta(minutes=2),
            Period=60,
            Statistics=[statistic],
        )["Datapoints"]
        return sum(point[statistic] for point in points)

    def model_folders(self):
        """What endpoints keep of their models: one path for each deployment."""
        return sorted((self.stand_in.home / "endpoints").glob("*/*"))

    def wait_for_model_folders(self, count):
        """Return when the models of `count` deployments are there."""
        boston.wait(lambda: {"count": len(self.model_folders())}, "count", (count,))
