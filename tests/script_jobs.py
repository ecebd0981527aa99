"""Training jobs with scripts, sent as the SageMaker SDK sends them, by boto3 alone."""

import importlib.util
import io
import json
import sys
import tarfile
import textwrap
import zipfile
from functools import cache
from pathlib import Path

import boston
from sagemaker.core import image_uris

from local_aws.installation import ROLE_ARN

GROUP = "/aws/sagemaker/TrainingJobs"
IMAGE = image_uris.retrieve("sklearn", "us-east-1", "1.4-2")
DRIVERS = "/opt/ml/input/data/sm_drivers"


def paths_of_this_machine(home: Path) -> list[str]:
    """What no learner should see. An image has an /usr, too, as Debian's Python has."""
    paths = (str(home), sys.prefix, sys.base_prefix)
    return [path for path in paths if path != "/usr"]


@cache
def sdk_folder():
    """Where sagemaker.train is; importing it takes seconds."""
    (folder,) = importlib.util.find_spec("sagemaker").submodule_search_locations
    return Path(folder)


@cache
def templates():
    """The SDK's own."""
    path = sdk_folder() / "train/templates.py"
    spec = importlib.util.spec_from_file_location("templates", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def driver_files(entry, requirements=None, command=None):
    """What the SDK sends besides the code, by name."""
    folder = sdk_folder() / "train/container_drivers"
    files = {
        str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*.py")
    }
    source = sdk_folder() / "core/utils/install_requirements.py"
    files["scripts/install_requirements.py"] = source.read_text()
    files["sourcecode.json"] = json.dumps({"entry_script": entry})
    files["distributed.json"] = "{}"
    execute = templates().EXECUTE_BASIC_SCRIPT_DRIVER
    if command:
        execute = templates().EXECUTE_BASE_COMMANDS.format(base_command=command)
    install = ""
    if requirements:
        install = templates().INSTALL_REQUIREMENTS.format(
            requirements_file=requirements
        )
    files["sm_train.sh"] = templates().TRAIN_SCRIPT_TEMPLATE.format(
        working_dir="cd /opt/ml/input/data/code \n",
        install_requirements=install,
        execute_driver=execute,
    )
    return files


def wheel(name, version):
    """A package that pip can install with no network; it says its version."""
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": f"VERSION = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\n"
        f"Version: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\n"
        "Root-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{file},,\n" for file in (*files, f"{info}/RECORD"))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for file, text in {**files, f"{info}/RECORD": record}.items():
            archive.writestr(file, text)
    return packed.getvalue()


def source_archive(files):
    """A sourcedir.tar.gz."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, text in files.items():
            content = as_bytes(text)
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def as_bytes(content):
    if isinstance(content, bytes):
        return content
    return textwrap.dedent(content).encode()


class ScriptJobs:
    """Starts training jobs in one bucket and looks at them."""

    def __init__(self, stand_in):
        self.stand_in = stand_in
        self.sagemaker = stand_in.client("sagemaker")
        self.s3 = stand_in.client("s3")
        self.logs = stand_in.client("logs")
        self.bucket = boston.name("sagemaker-scripts")
        self.s3.create_bucket(Bucket=self.bucket)

    def put(self, prefix, files):
        """Upload files; returns their channel."""
        for name, content in files.items():
            key = f"{prefix}/{name}"
            self.s3.put_object(Bucket=self.bucket, Key=key, Body=as_bytes(content))
        source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{self.bucket}/{prefix}/"}
        channel = prefix.rpartition("/")[2]
        return {"ChannelName": channel, "DataSource": {"S3DataSource": source}}

    def request(self, name, **changes):
        return {
            "TrainingJobName": name,
            "AlgorithmSpecification": {
                "TrainingImage": IMAGE,
                "TrainingInputMode": "File",
                **changes.pop("algorithm", {}),
            },
            "RoleArn": ROLE_ARN,
            "OutputDataConfig": {"S3OutputPath": f"s3://{self.bucket}/output"},
            "ResourceConfig": {
                "InstanceType": "ml.m5.large",
                "InstanceCount": 1,
                "VolumeSizeInGB": 5,
            },
            "StoppingCondition": {"MaxRuntimeInSeconds": 600},
            **changes,
        }

    def start(
        self,
        files,
        entry="train.py",
        requirements=None,
        command=None,
        is_distributed=False,
        **changes,
    ):
        """As ModelTrainer and SourceCode do it; returns the job's name."""
        if isinstance(files, str):
            files = {entry: files}
        name = boston.name("script")
        drivers = driver_files(entry, requirements, command)
        if is_distributed:
            drivers["distributed.json"] = '{"process_count_per_node": 1}'
        channels = [
            self.put(f"{name}/code", files),
            self.put(f"{name}/sm_drivers", drivers),
        ]
        train = f"chmod +x {DRIVERS}/sm_train.sh && {DRIVERS}/sm_train.sh"
        algorithm = {
            "ContainerEntrypoint": ["/bin/bash"],
            "ContainerArguments": ["-c", train],
            **changes.pop("algorithm", {}),
        }
        request = self.request(
            name, algorithm=algorithm, InputDataConfig=channels, **changes
        )
        self.sagemaker.create_training_job(**request)
        return name

    def start_as_of_old(self, files, entry="train.py", hyperparameters=None, **changes):
        """As the Estimator of SDK 2 did it, and today's HyperparameterTuner does."""
        if isinstance(files, str):
            files = {entry: files}
        name = boston.name("script")
        key = f"{name}/sourcedir.tar.gz"
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=source_archive(files))
        own = {
            "sagemaker_program": json.dumps(entry),
            "sagemaker_submit_directory": json.dumps(f"s3://{self.bucket}/{key}"),
            "sagemaker_container_log_level": "20",
            "sagemaker_job_name": json.dumps(name),
            "sagemaker_region": '"us-east-1"',
        }
        request = self.request(
            name, HyperParameters={**own, **(hyperparameters or {})}, **changes
        )
        self.sagemaker.create_training_job(**request)
        return name

    def start_without_code(self):
        name = boston.name("script")
        self.sagemaker.create_training_job(**self.request(name))
        return name

    def wait(self, name, reached=boston.TERMINAL):
        return boston.wait_for_training(self.sagemaker, name, reached)

    def lines(self, name):
        return boston.log_lines(self.logs, GROUP, f"{name}/")

    def wait_for_line(self, name, text):
        """Until the job has printed a line with this text; returns it."""
        found = boston.wait(
            lambda: {"line": self._line(name, text)}, "line", reached=_ANYTHING
        )
        return found["line"]

    def _line(self, name, text):
        try:
            lines = self.lines(name)
        except self.logs.exceptions.ResourceNotFoundException:
            return None
        return next((line for line in lines if text in line), None)

    def files_of(self, described, archive="model.tar.gz"):
        """What is in a job's artifact: names and contents."""
        uri = described["ModelArtifacts"]["S3ModelArtifacts"]
        key = uri.removeprefix(f"s3://{self.bucket}/")
        key = key.rpartition("/")[0] + f"/{archive}"
        body = self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        with tarfile.open(fileobj=io.BytesIO(body)) as tar:
            return {
                member.name: tar.extractfile(member).read().decode()
                for member in tar
                if member.isfile()
            }


class _Anything:
    def __contains__(self, value):
        return value is not None


_ANYTHING = _Anything()
