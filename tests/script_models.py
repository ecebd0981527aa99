"""What the tests of models with a script of their own share."""

import json
import time

import boston
from hosted import archive

from local_aws.installation import ROLE_ARN

IMAGE = (
    "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-cpu-py3"
)

# With the script in the model's archive, as the SDK packs it.
IN_THE_MODEL = {
    "SAGEMAKER_PROGRAM": "inference.py",
    "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
}

GROUP = "/aws/sagemaker/Endpoints"


class ScriptModels:
    """Models and endpoints of scripts in a stand-in."""

    def __init__(self, stand_in, bucket):
        self.bucket = bucket
        self.sagemaker = stand_in.client("sagemaker")
        self.runtime = stand_in.client("sagemaker-runtime", read_timeout=90)
        self.s3 = stand_in.client("s3")
        self.logs = stand_in.client("logs")

    def put(self, key, members):
        """Upload an archive of these files; returns its URI."""
        body = archive(
            {
                name: content if isinstance(content, bytes) else content.encode()
                for name, content in members.items()
            }
        )
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)
        return f"s3://{self.bucket}/{key}"

    def create(self, members, environment=IN_THE_MODEL, image=IMAGE, **more):
        """A model of these files (None: without any); returns its name."""
        name = boston.name("script")
        container = {"Image": image, "Environment": environment}
        if members is not None:
            container["ModelDataUrl"] = self.put(f"{name}/model.tar.gz", members)
        self.sagemaker.create_model(
            ModelName=name,
            ExecutionRoleArn=ROLE_ARN,
            PrimaryContainer=container,
            **more,
        )
        return name

    def deploy(self, model, count=1):
        """An endpoint of the model, settled; returns its name and description."""
        variant = {
            "VariantName": "Only",
            "ModelName": model,
            "InstanceType": "ml.m5.large",
            "InitialInstanceCount": count,
        }
        names = {"EndpointConfigName": model}
        self.sagemaker.create_endpoint_config(ProductionVariants=[variant], **names)
        self.sagemaker.create_endpoint(EndpointName=model, **names)
        described = boston.wait(
            self.sagemaker.describe_endpoint,
            "EndpointStatus",
            ("InService", "Failed"),
            EndpointName=model,
        )
        return model, described

    def serve(self, members, environment=IN_THE_MODEL, count=1, **more):
        """An endpoint of these files that is in service; returns its name."""
        name, described = self.deploy(self.create(members, environment, **more), count)
        assert described["EndpointStatus"] == "InService", self.log(name)
        return name

    def invoke(self, endpoint, body, content_type="text/plain", **more):
        """The response to a call: its body, and its content type."""
        response = self.runtime.invoke_endpoint(
            EndpointName=endpoint, Body=body, ContentType=content_type, **more
        )
        return response["Body"].read(), response["ContentType"]

    def ask(self, endpoint, **question):
        """The script's answer to a question, both in JSON."""
        return json.loads(self.invoke(endpoint, json.dumps(question))[0])

    def log(self, endpoint, *awaited, times=1):
        """The lines of the endpoint's instances, once each of the awaited texts has
        come so many times: a line comes a moment later than a response.
        """
        deadline = time.monotonic() + 180
        while True:
            lines = boston.log_lines(self.logs, f"{GROUP}/{endpoint}", "Only/")
            counts = [sum(text in line for line in lines) for text in awaited]
            if all(count >= times for count in counts):
                return lines
            assert time.monotonic() < deadline, (awaited, lines)
            time.sleep(0.02)
