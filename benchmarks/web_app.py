"""(13) The web app: a page's request, against a bare call of the endpoint it ends at.

Between the page and the model are an HTTP API and a Lambda function. What they cost is
measured with a function that only returns as well, and so is the first request, for
which the function's process has to start.
"""

import http.client
import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pandas as pd

from benchmarks.bank_marketing import SETTINGS, model_of
from benchmarks.figures import Figure
from benchmarks.invocation import deploy
from benchmarks.measuring import Run, in_turns, seconds
from benchmarks.stand_in import (
    BUCKET,
    StandIn,
    csv,
    new_name,
    running,
    temporary_folder,
    train,
)
from local_aws.installation import ACCOUNT_ID, REGION
from utils.bank_marketing import (
    BANK_TARGET,
    customers_of,
    describe_encoding,
    encode_bank_marketing,
)
from utils.synthetic_bank_marketing import make_synthetic_bank_marketing
from utils.web_app import FOLDER, zip_of

ROWS = 5000
# Lesson 08's threshold; any other would take as long.
THRESHOLD = 0.125
# As a function, what API Gateway and Lambda take for themselves.
RETURNS = """
def lambda_handler(event, context):
    return {"statusCode": 200, "body": "{}"}
"""
JSON = {"Content-Type": "application/json"}
# What a function's process does before and in its first event, without a platform.
BARE_PROCESS = """
import sys, boto3
client = boto3.client("sagemaker-runtime")
answer = client.invoke_endpoint(
    EndpointName=sys.argv[1], ContentType="text/csv", Body=sys.argv[2]
)
float(answer["Body"].read())
"""


def measure(run: Run) -> list[Figure]:
    """A request of the page, warm and cold, and with a function that only returns."""
    calls = make_synthetic_bank_marketing()[: run.size(ROWS, 500)]
    table = encode_bank_marketing(calls)
    row = csv(table.drop(columns=BANK_TARGET)[:1].to_numpy()).strip()
    customer = json.dumps(customers_of(calls[:1])[0])
    encoding = json.dumps(describe_encoding(calls, THRESHOLD))
    handler = (FOLDER / "lambda_function.py").read_text(encoding="utf-8")
    with running() as stand_in, temporary_folder() as folder:
        endpoint = deploy(stand_in, train_on(stand_in, table, folder))
        role = make_role(stand_in)
        files = {"lambda_function.py": handler, "encoding.json": encoding}
        function = make_function(stand_in, role, files, endpoint)
        returns = make_function(stand_in, role, {"lambda_function.py": RETURNS}, "-")
        page, nothing = (
            Page(make_api(stand_in, name), customer) for name in (function, returns)
        )
        client = stand_in.client("sagemaker-runtime")

        def bare() -> float:
            answer = client.invoke_endpoint(
                EndpointName=endpoint, ContentType="text/csv", Body=row
            )
            return float(answer["Body"].read())

        # The same number, or the times say nothing. It warms all of them up as well.
        assert page.ask()["probability"] == bare()
        warm = in_turns(
            run.size(500, 3),
            {
                "page": lambda: seconds(page.ask),
                "returns": lambda: seconds(nothing.ask),
                "bare": lambda: seconds(bare),
            },
        )

        def cold() -> float:
            renew(stand_in, function)
            return seconds(page.ask)

        def bare_process() -> None:
            command = [sys.executable, "-c", BARE_PROCESS, endpoint, row.decode()]
            subprocess.run(command, env=stand_in.environment, check=True)

        first = in_turns(
            run.size(9, 1),
            {
                "page": cold,
                "bare": lambda: seconds(bare_process),
            },
        )
    bare_call = "a bare call of the endpoint by boto3"
    return [
        Figure(13, what, 1000 * ours, 1000 * floor, floor_is, "ms")
        for what, ours, floor, floor_is in (
            (
                "a page's request through API, Lambda and endpoint",
                warm["page"],
                warm["bare"],
                bare_call,
            ),
            (
                "of it API and Lambda, with a function that only returns",
                warm["returns"],
                warm["bare"],
                bare_call,
            ),
            (
                "the first request, which starts the function",
                first["page"],
                first["bare"],
                "a fresh process with boto3 that calls the endpoint",
            ),
        )
    ]


class Page:
    """Asks the API as a browser does: on a connection that stays open."""

    def __init__(self, url: str, customer: str) -> None:
        parts = urlsplit(url)
        self._connection = http.client.HTTPConnection(parts.netloc, timeout=60)
        self._path, self._customer = parts.path, customer

    def ask(self) -> dict:
        """The answer. Raises RuntimeError if it is none."""
        self._connection.request("POST", self._path, self._customer, JSON)
        response = self._connection.getresponse()
        content = response.read()
        if response.status != 200:
            raise RuntimeError(f"{response.status}: {content.decode()}")
        return json.loads(content)


def train_on(stand_in: StandIn, table: pd.DataFrame, folder: Path) -> str:
    """Make a Model of a few trees; its name."""
    file = folder / "calls.csv"
    table.to_csv(file, header=False, index=False)
    channels = {name: f"{name}/calls.csv" for name in ("train", "validation")}
    for key in channels.values():
        stand_in.client("s3").upload_file(str(file), BUCKET, key)
    (job,) = train(stand_in, channels, SETTINGS | {"num_round": "20"}, 0.02)
    return model_of(stand_in.client("sagemaker"), job)


def make_role(stand_in: StandIn) -> str:
    """Make the role of lesson 11's function; its ARN."""
    iam, name = stand_in.client("iam"), new_name("role")
    trust = {"Principal": {"Service": "lambda.amazonaws.com"}}
    trust |= {"Effect": "Allow", "Action": "sts:AssumeRole"}
    role = iam.create_role(
        RoleName=name, AssumeRolePolicyDocument=json.dumps(policy(trust))
    )
    actions = ["sagemaker:InvokeEndpoint"]
    actions += ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"]
    may = {"Effect": "Allow", "Action": actions, "Resource": "*"}
    iam.put_role_policy(
        RoleName=name, PolicyName="asks", PolicyDocument=json.dumps(policy(may))
    )
    return role["Role"]["Arn"]


def policy(statement: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [statement]}


def make_function(
    stand_in: StandIn, role: str, files: dict[str, str], endpoint: str
) -> str:
    """Make a function that is ready; its name."""
    name, client = new_name("function"), stand_in.client("lambda")
    client.create_function(
        FunctionName=name,
        Runtime="python3.13",
        Role=role,
        Handler="lambda_function.lambda_handler",
        Code={"ZipFile": zip_of(files)},
        Timeout=30,
        MemorySize=256,
        Environment={"Variables": {"ENDPOINT_NAME": endpoint}},
    )
    client.get_waiter("function_active_v2").wait(FunctionName=name)
    return name


def renew(stand_in: StandIn, function: str) -> None:
    """Change a function's configuration, so that its next event starts a process."""
    client = stand_in.client("lambda")
    client.update_function_configuration(
        FunctionName=function, Description=new_name("change")
    )
    client.get_waiter("function_updated_v2").wait(FunctionName=function)


def make_api(stand_in: StandIn, function: str) -> str:
    """Make an API whose one route leads to a function, which lets it; the URL."""
    gateway, functions = stand_in.client("apigatewayv2"), stand_in.client("lambda")
    arn = functions.get_function(FunctionName=function)["Configuration"]["FunctionArn"]
    api = gateway.create_api(
        Name=function, ProtocolType="HTTP", RouteKey="POST /predict", Target=arn
    )
    source = f"arn:aws:execute-api:{REGION}:{ACCOUNT_ID}:{api['ApiId']}/*/*/predict"
    functions.add_permission(
        FunctionName=function,
        StatementId="api",
        Action="lambda:InvokeFunction",
        Principal="apigateway.amazonaws.com",
        SourceArn=source,
    )
    return f"{api['ApiEndpoint']}/predict"
