"""PyTorch's images: found without torch, used where it is installed."""

import importlib.util
import json
import re
import textwrap

import boston
import pytest
from botocore.exceptions import ClientError
from sagemaker.core import image_uris
from script_models import ScriptModels

from local_aws.containers import images
from local_aws.containers.images import UnknownImage, find_image
from local_aws.installation import ROLE_ARN

HAS_TORCH = importlib.util.find_spec("torch") is not None
with_torch = pytest.mark.skipif(
    not HAS_TORCH, reason="torch is not installed (local_aws/README.md says how)"
)

ACCOUNT = "763104351884.dkr.ecr.us-east-1.amazonaws.com"
TRAINING = f"{ACCOUNT}/pytorch-training:2.6.0-cpu-py312"
INFERENCE = f"{ACCOUNT}/pytorch-inference:2.6.0-cpu-py312"


@pytest.mark.parametrize("scope", ["training", "inference"])
def test_every_version_of_the_sdk_has_a_program(scope, monkeypatch):
    monkeypatch.setattr(images, "_check_installed", lambda image: None)
    config = image_uris.config_for_framework("pytorch")[scope]
    for version, known in config["versions"].items():
        if known["repository"] == "sagemaker-pytorch":
            continue  # before 1.2: another image
        for python in known["py_versions"]:
            for processor in config["processors"]:
                tag = f"{version}-{processor}-{python}"
                found = find_image(f"{ACCOUNT}/{known['repository']}:{tag}")
                assert (found.tag, found.purpose) == (tag, scope)
                assert found.runs_scripts
    address = image_uris.retrieve(
        "pytorch",
        "us-east-1",
        version="2.6.0",
        py_version="py312",
        image_scope=scope,
        instance_type="ml.m5.large",
    )
    assert address == f"{ACCOUNT}/pytorch-{scope}:2.6.0-cpu-py312"
    assert find_image(f"{ACCOUNT}/pytorch-{scope}:2.5-cpu-py311").tag == "2.5-cpu-py311"


def test_without_torch_a_sentence_says_what_to_install(monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        images.importlib.util,
        "find_spec",
        lambda name: None if name == "torch" else found(name),
    )
    with pytest.raises(UnknownImage) as told:
        find_image(TRAINING)
    assert str(told.value) == (
        "The PyTorch (training) image runs scripts with the package torch, which is "
        "not installed with the course: install it in the course's folder by "
        ".venv/bin/python -m pip install torch (local_aws/README.md says how without "
        "gigabytes of GPU libraries)."
    )


def test_a_version_that_is_not_there_is_told_with_those_that_are():
    with pytest.raises(UnknownImage, match=r"or one of .*2\.5\.1.*2\.10\.0"):
        find_image(TRAINING.replace("2.6.0", "3.0.0"))


@pytest.fixture(scope="module")
def models(stand_in):
    bucket = f"sagemaker-{boston.name('torch')}"
    stand_in.client("s3").create_bucket(Bucket=bucket)
    return ScriptModels(stand_in, bucket)


@with_torch
def test_the_image_of_the_other_purpose_is_refused(models):
    with pytest.raises(ClientError, match=r'for training\. .*image_scope="inference"'):
        models.create({"model.pt": b""}, {}, TRAINING)


def doubling(folder):
    """A TorchScript model that doubles, as bytes."""
    import torch

    class Doubling(torch.nn.Module):
        def forward(self, x):
            return 2 * x

    path = folder / "model.pt"
    torch.jit.script(Doubling()).save(str(path))
    return path.read_bytes()


@with_torch
def test_a_model_without_a_script_is_torchscript(models, tmp_path):
    endpoint = models.serve({"model.pt": doubling(tmp_path)}, {}, image=INFERENCE)
    json_type = "application/json"
    assert models.invoke(endpoint, "[[1, 2]]", json_type) == (
        b"[[2.0, 4.0]]",
        json_type,
    )
    answered = models.invoke(endpoint, "1,2\n3,4\n", "text/csv", Accept="text/csv")
    assert answered == (b"2.0,4.0\n6.0,8.0\n", "text/csv")
    with pytest.raises(ClientError) as told:
        models.invoke(endpoint, b"1", "image/png")
    message = told.value.response["OriginalMessage"]
    assert message.startswith("Content type image/png is not supported")
    assert "/tmp/" not in message


SCRIPT = """
    import torch

    def model_fn(model_dir, context):
        known = context.system_properties["model_dir"]
        return torch.nn.Linear(2, 1), known == model_dir

    def input_fn(body, content_type, context):
        name = "X-Amzn-SageMaker-Custom-Attributes"
        return body, context.get_request_header(0, name)

    def predict_fn(data, model):
        return {"data": data, "knows": model[1], "shape": list(model[0].weight.shape)}

    def output_fn(prediction, accept):
        if prediction["data"][0] == b"wrong":
            torch.ones(2, 3) @ torch.ones(2, 3)
        if prediction["data"][0] == b"odd":
            return {1, 2}
        prediction["data"] = [str(one) for one in prediction["data"]]
        return prediction
"""


@with_torch
def test_a_script_in_the_model_is_used_by_its_name(models):
    endpoint = models.serve(
        {"code/inference.py": textwrap.dedent(SCRIPT)}, {}, image=INFERENCE
    )
    body, content_type = models.invoke(endpoint, b"x", CustomAttributes="mine")
    assert content_type == "application/json"
    assert json.loads(body) == {
        "data": ["b'x'", "mine"],
        "knows": True,
        "shape": [1, 2],
    }
    with pytest.raises(ClientError) as told:
        models.invoke(endpoint, b"wrong")
    assert told.value.response["OriginalStatusCode"] == 500
    message = told.value.response["OriginalMessage"]
    assert re.match(r"mat1 and mat2 shapes .*\nTraceback", message)
    assert 'File "/opt/ml/model/code/inference.py", line 17, in output_fn' in message
    with pytest.raises(ClientError, match=r"\(503\).*Unsupported model output"):
        models.invoke(endpoint, b"odd")
    models.log(endpoint, "RuntimeError: mat1")


TRAIN = """
    import argparse, os
    import torch

    if __name__ == "__main__":
        parser = argparse.ArgumentParser()
        parser.add_argument("--epochs", type=int)
        epochs = parser.parse_args().epochs
        torch.manual_seed(0)
        x = torch.rand(64, 2)
        y = x @ torch.tensor([[1.0], [2.0]])
        model = torch.nn.Linear(2, 1)
        optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
        for epoch in range(epochs):
            optimizer.zero_grad()
            loss = torch.nn.functional.mse_loss(model(x), y)
            loss.backward()
            optimizer.step()
        print("loss:", loss.item())
        path = os.path.join(os.environ["SM_MODEL_DIR"], "model.pt")
        torch.jit.script(model).save(path)
"""


@with_torch
def test_a_script_trains_and_its_model_is_served(models):
    archive = models.put("train.tar.gz", {"train.py": textwrap.dedent(TRAIN)})
    job = boston.name("torch")
    models.sagemaker.create_training_job(
        TrainingJobName=job,
        RoleArn=ROLE_ARN,
        AlgorithmSpecification={"TrainingImage": TRAINING, "TrainingInputMode": "File"},
        HyperParameters={
            "sagemaker_program": "train.py",
            "sagemaker_submit_directory": archive,
            "epochs": "400",
        },
        OutputDataConfig={"S3OutputPath": f"s3://{models.bucket}/out"},
        ResourceConfig={
            "InstanceType": "ml.m5.large",
            "InstanceCount": 1,
            "VolumeSizeInGB": 5,
        },
        StoppingCondition={"MaxRuntimeInSeconds": 600},
    )
    described = boston.wait_for_training(models.sagemaker, job)
    assert described["TrainingJobStatus"] == "Completed", described
    models.sagemaker.create_model(
        ModelName=job,
        ExecutionRoleArn=ROLE_ARN,
        PrimaryContainer={
            "Image": INFERENCE,
            "ModelDataUrl": described["ModelArtifacts"]["S3ModelArtifacts"],
        },
    )
    endpoint, described = models.deploy(job)
    assert described["EndpointStatus"] == "InService", models.log(endpoint)
    body, _ = models.invoke(endpoint, "[[1, 1]]", "application/json")
    assert json.loads(body)[0][0] == pytest.approx(3, abs=0.1)
