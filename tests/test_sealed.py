"""Whatever the environment says, local mode talks to nobody but the stand-in."""

import os
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_aws.installation import (
    BUCKET,
    CHECKOUT,
    HOME_VARIABLE,
    ROLE_ARN,
    ROLE_NAME,
    client_environment,
)


class Listener:
    """A server that notes every connection and hangs up."""

    def __init__(self) -> None:
        self.connections: list[bytes] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(60)
                self.connections.append(connection.recv(200))

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def elsewhere() -> Iterator[Listener]:
    listener = Listener()
    yield listener
    listener.close()


@pytest.fixture
def hostile(elsewhere, tmp_path) -> dict[str, str]:
    """An environment in which all that can point elsewhere does."""
    config = tmp_path / "config"
    config.write_text(
        f"""\
[default]
region = eu-west-1
endpoint_url = {elsewhere.url}
[profile hostile]
region = eu-west-1
endpoint_url = {elsewhere.url}
services = hostile
[services hostile]
s3 =
  endpoint_url = {elsewhere.url}
"""
    )
    sdk = tmp_path / "sagemaker.yaml"
    sdk.write_text(
        "SchemaVersion: '1.0'\n"
        "SageMaker: {PythonSDK: {Modules: {Session: {DefaultS3Bucket: stolen}}}}\n"
    )
    return {
        "AWS_PROFILE": "hostile",
        "AWS_DEFAULT_PROFILE": "hostile",
        "AWS_CONFIG_FILE": str(config),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
        "AWS_ENDPOINT_URL": elsewhere.url,
        "AWS_ENDPOINT_URL_S3": elsewhere.url,
        "AWS_ENDPOINT_URL_STS": elsewhere.url,
        "AWS_ENDPOINT_URL_SAGEMAKER": elsewhere.url,
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "AWS_SESSION_TOKEN": "token",
        "AWS_CA_BUNDLE": str(tmp_path / "no-bundle.pem"),
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_USE_FIPS_ENDPOINT": "true",
        "AWS_USE_DUALSTACK_ENDPOINT": "true",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": elsewhere.url,
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": elsewhere.url,
        "SAGEMAKER_USER_CONFIG_OVERRIDE": str(sdk),
        "SAGEMAKER_ADMIN_CONFIG_OVERRIDE": str(sdk),
        "MOTO_ACCOUNT_ID": "000000000000",
        "HTTP_PROXY": elsewhere.url,
        "HTTPS_PROXY": elsewhere.url,
        "ALL_PROXY": elsewhere.url,
        "http_proxy": elsewhere.url,
        "https_proxy": elsewhere.url,
        "all_proxy": elsewhere.url,
    }


PLAIN = """\
import boto3
sts = boto3.client("sts")
print(sts.get_caller_identity()["Arn"])
"""

EVERYTHING = f"""\
import boto3, pathlib, sys
identity = boto3.client("sts").get_caller_identity()
assert ":assumed-role/{ROLE_NAME}/" in identity["Arn"], identity
assert identity["Account"] == "123456789012", identity
s3 = boto3.client("s3")
assert s3.meta.region_name == "us-east-1"
s3.create_bucket(Bucket="sealed-sagemaker")
s3.put_object(Bucket="sealed-sagemaker", Key="key", Body=b"value")
assert s3.get_object(Bucket="sealed-sagemaker", Key="key")["Body"].read() == b"value"
boto3.client("sagemaker").list_training_jobs()
boto3.client("iam").get_role(RoleName="{ROLE_NAME}")
boto3.client("logs").describe_log_groups()
boto3.client("cloudwatch").list_metrics()

from sagemaker.core.helper.session_helper import Session
session = Session()
assert session.default_bucket() == "{BUCKET}"
file = pathlib.Path(sys.argv[1], "data.csv")
file.write_text("1,2")
uri = session.upload_data(str(file), key_prefix="in")
assert uri == "s3://{BUCKET}/in/data.csv", uri

from sagemaker.train import ModelTrainer
# Its construction checks the role, with iam:SimulatePrincipalPolicy and iam:GetRole.
trainer = ModelTrainer(training_image="image", role="{ROLE_ARN}")
assert trainer.role == "{ROLE_ARN}", trainer.role
named_nothing = ModelTrainer(training_image="image")
assert named_nothing.role == "{ROLE_ARN}", named_nothing.role

# The check is a real one: a role without policies is refused.
import json
from sagemaker.core.helper.iam_role_resolver import RoleValidationError
iam = boto3.client("iam")
trust = iam.get_role(RoleName="{ROLE_NAME}")["Role"]["AssumeRolePolicyDocument"]
stripped = iam.create_role(
    RoleName="stripped", AssumeRolePolicyDocument=json.dumps(trust)
)["Role"]["Arn"]
try:
    ModelTrainer(training_image="image", role=stripped)
except RoleValidationError as error:
    assert "ec2:CreateNetworkInterface" in str(error)
else:
    raise AssertionError("the stripped role was accepted")
print("done")
"""


def test_nothing_leaves_a_sealed_process(home, elsewhere, hostile, tmp_path) -> None:
    """From starting the stand-in to the SDK, with an environment that points away."""
    result = subprocess.run(
        [sys.executable, "-m", "local_aws", "exec", "--"]
        + [sys.executable, "-c", EVERYTHING, str(tmp_path)],
        cwd=CHECKOUT,
        env=os.environ
        | hostile
        | {HOME_VARIABLE: str(home), "NO_PROXY": "example.org"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.endswith("done\n")
    assert elsewhere.connections == []


def test_without_the_seal_the_same_environment_leads_away(elsewhere, hostile) -> None:
    """The negative control: the listener does see what is not sealed."""
    for kept in (
        {"AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"},
        {"HTTP_PROXY", "HTTPS_PROXY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"},
        {"AWS_CONFIG_FILE", "AWS_PROFILE", "AWS_ACCESS_KEY_ID"}
        | {"AWS_SECRET_ACCESS_KEY"},
    ):
        before = len(elsewhere.connections)
        environment = {name: value for name, value in hostile.items() if name in kept}
        path = {"PATH": os.environ["PATH"], "AWS_MAX_ATTEMPTS": "1"}
        result = subprocess.run(
            [sys.executable, "-c", PLAIN],
            env={"AWS_DEFAULT_REGION": "us-east-1"} | path | environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert result.returncode != 0
        assert len(elsewhere.connections) > before, kept


def test_no_inherited_variable_of_aws_stays(stand_in, hostile) -> None:
    sealed = client_environment(stand_in.installation, hostile | {"EDITOR": "ed"})
    assert sealed["EDITOR"] == "ed"
    for name, value in sealed.items():
        if name.startswith(("AWS_", "SAGEMAKER_", "MOTO_")):
            assert value != hostile.get(name), name
            assert value == "true" or value.startswith(str(stand_in.home)), name
    # The address is in the file alone, so that it is right after a restart too.
    assert not [name for name in sealed if "ENDPOINT" in name]


@pytest.mark.parametrize(
    "inherited", [{}, {"NO_PROXY": "a.org, b.org"}, {"no_proxy": "*"}]
)
def test_proxies_are_not_used_for_loopback(stand_in, inherited) -> None:
    sealed = client_environment(stand_in.installation, inherited)
    assert sealed["NO_PROXY"] == sealed["no_proxy"]
    hosts = sealed["NO_PROXY"].split(",")
    assert {"127.0.0.1", "localhost"} <= set(hosts)
    for value in inherited.values():
        assert {host.strip() for host in value.split(",")} <= set(hosts)


def test_only_the_owner_can_read_the_state(stand_in) -> None:
    walked = os.walk(stand_in.home)
    paths = [Path(top, name) for top, *below in walked for name in sum(below, ["."])]
    assert len(paths) > 10
    for path in paths:
        try:
            mode = stat.S_IMODE(path.lstat().st_mode)
        except FileNotFoundError:
            continue  # something that is about to end has removed it
        # The tests have made one of them, and a link's own mode means nothing.
        if path.name != "printed" and not path.is_symlink():
            assert mode & 0o077 == 0, f"{path} has mode {mode:o}"


def test_an_open_folder_is_closed(home) -> None:
    from local_aws.installation import open_installation

    home.chmod(0o777)
    installation = open_installation(home)
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    installation.credentials_file.chmod(0o644)
    again = open_installation(home)
    assert stat.S_IMODE(installation.credentials_file.stat().st_mode) == 0o600
    assert again == installation  # the keys are made once
    assert installation.secret_access_key not in repr(installation)


def test_the_sdk_reads_one_configuration_and_checks_it_once(
    stand_in, hostile, monkeypatch
) -> None:
    """A check takes as long as a request, and the SDK makes it with each reading."""
    from sagemaker.core.config.config_manager import SageMakerConfig

    sealed = client_environment(stand_in.installation, hostile)
    for name in sealed:
        if name.startswith("SAGEMAKER_"):
            monkeypatch.setenv(name, sealed[name])
    checked = []
    monkeypatch.setattr(SageMakerConfig, "validate_sagemaker_config", checked.append)
    found = SageMakerConfig().load_sagemaker_config()
    assert checked == [found]
    assert found["SageMaker"]["PythonSDK"]["Modules"]["TelemetryOptOut"] is True


def test_a_waiter_model_of_the_users_own_plays_no_part(stand_in, tmp_path) -> None:
    """Waiting is answered, so clients have botocore's own delays."""
    folder = tmp_path / "sagemaker" / "2017-07-24"
    folder.mkdir(parents=True)
    (folder / "waiters-2.json").write_text('{"version": 2, "waiters": {}}')
    inherited = {"AWS_DATA_PATH": str(tmp_path)}
    assert "AWS_DATA_PATH" not in client_environment(stand_in.installation, inherited)
