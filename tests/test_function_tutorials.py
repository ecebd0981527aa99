"""Functions and APIs as tutorials make them: their calls, members of events, order."""

import base64
import http.client
import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hosted import Service
from lambda_functions import make_function, make_role, zip_of

from course.stand_in import StandIn

ACCOUNT = "123456789012"
MANAGED = (
    "AmazonSageMakerFullAccess",
    "service-role/AWSLambdaBasicExecutionRole",
)

# A client made at each call, without a Region; the endpoint's name in the code.
REVIEWS = """
import boto3

WORDS = ["good", "bad"]


def lambda_handler(event, context):
    counts = [event["body"].lower().split().count(word) for word in WORDS]
    response = boto3.Session().client("sagemaker-runtime").invoke_endpoint(
        EndpointName="{endpoint}",
        ContentType="text/csv",
        Body=",".join(map(str, counts)).encode("utf-8"),
    )
    score = float(response["Body"].read().decode("utf-8"))
    return {{
        "statusCode": 200,
        "headers": {{"Content-Type": "text/plain", "Access-Control-Allow-Origin": "*"}},
        "body": f"{{counts}}: {{round(score)}}",
    }}
"""

# The client is made once, by its older name, the endpoint's name is a variable.
ROWS = """
import json
import logging
import os

import boto3

ENDPOINT = os.environ["ENDPOINT_NAME"]
runtime = boto3.client("runtime.sagemaker")
logger = logging.getLogger()
logger.setLevel(logging.INFO)


def lambda_handler(event, context):
    logger.info("Received event: %s", json.dumps(event, indent=2))
    print(context)
    response = runtime.invoke_endpoint(
        EndpointName=ENDPOINT, ContentType="text/csv", Body=event["data"]
    )
    return {"score": json.loads(response["Body"].read().decode())}
"""


@pytest.fixture(scope="module")
def endpoint(stand_in: StandIn) -> Iterator[str]:
    """One that answers 2.0."""
    service = Service(stand_in)
    name = service.create_and_wait(good=1)
    yield name
    service.sagemaker.delete_endpoint(EndpointName=name)


@pytest.fixture(scope="module")
def role(stand_in: StandIn) -> str:
    """A role with the managed policies that tutorials choose."""
    arn = make_role(stand_in, [])
    iam, name = stand_in.client("iam"), arn.rpartition("/")[2]
    for policy in MANAGED:
        iam.attach_role_policy(
            RoleName=name, PolicyArn=f"arn:aws:iam::aws:policy/{policy}"
        )
    return arn


def post(address: str, text: str) -> tuple[int, dict[str, str], str]:
    """A page's request, as XMLHttpRequest sends a text."""
    url = urlsplit(address)
    connection = http.client.HTTPConnection(url.netloc, timeout=60)
    headers = {
        "Content-Type": "text/plain;charset=UTF-8",
        "Origin": "http://page.example",
    }
    connection.request("POST", url.path, text.encode(), headers)
    response = connection.getresponse()
    with response:
        found = response.status, dict(response.getheaders()), response.read().decode()
    connection.close()
    return found


def test_a_pages_text_through_a_stage_of_payload_1(stand_in, endpoint, role) -> None:
    """A method on the root, deployed by hand to a stage: as REST APIs are made."""
    name = make_function(stand_in, REVIEWS.format(endpoint=endpoint), role, Timeout=60)
    client = stand_in.client("apigatewayv2")
    api = client.create_api(Name="reviews", ProtocolType="HTTP")
    api_id = api["ApiId"]
    function = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:{name}"
    uri = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions"
    made = client.create_integration(
        ApiId=api_id,
        IntegrationType="AWS_PROXY",
        IntegrationMethod="POST",
        IntegrationUri=f"{uri}/{function}/invocations",
        PayloadFormatVersion="1.0",
    )
    target = f"integrations/{made['IntegrationId']}"
    client.create_route(ApiId=api_id, RouteKey="POST /", Target=target)
    client.create_stage(ApiId=api_id, StageName="prod")
    address = f"{api['ApiEndpoint']}/prod"
    assert post(address, "good")[0] == 404  # not deployed
    client.create_deployment(ApiId=api_id, StageName="prod")
    assert post(address, "good")[0] == 500  # not permitted
    stand_in.client("lambda").add_permission(
        FunctionName=name,
        StatementId="api",
        Action="lambda:InvokeFunction",
        Principal="apigateway.amazonaws.com",
        SourceArn=f"arn:aws:execute-api:us-east-1:{ACCOUNT}:{api_id}/*/POST/",
    )
    status, headers, text = post(address, "Good or bad? It is good ☁")
    assert (status, text) == (200, "[2, 0]: 2")
    assert headers["content-type"] == "text/plain"
    assert headers["access-control-allow-origin"] == "*"


def test_a_row_by_an_invocation(stand_in, endpoint, role) -> None:
    variables = {"Variables": {"ENDPOINT_NAME": endpoint}}
    name = make_function(stand_in, ROWS, role, Timeout=60, Environment=variables)
    response = stand_in.client("lambda").invoke(
        FunctionName=name, Payload=json.dumps({"data": "1,2"}), LogType="Tail"
    )
    assert json.load(response["Payload"]) == {"score": 2.0}
    said = base64.b64decode(response["LogResult"]).decode()
    assert re.search(r"^\[INFO\]\t\S+Z\t[\w-]{36}\tReceived event: {$", said, re.M)
    assert '\n  "data": "1,2"\n}\nLambdaContext([aws_request_id=' in said
    nobody = "cognito_identity_id=None,cognito_identity_pool_id=None"
    assert f"identity=CognitoIdentity([{nobody}]),client_context=None])\n" in said


def test_the_first_steps_with_the_cli(stand_in, role, tmp_path: Path) -> None:
    code = 'def lambda_handler(event, context):\n    return "Hello from Lambda!"\n'
    zipped = tmp_path / "function ☁.zip"
    zipped.write_bytes(zip_of({"lambda_function.py": code}))

    def aws(words: str, *more: str) -> str:
        command = [sys.executable, "-m", "awscli", *words.split(), *more]
        done = stand_in.run(*command, "--output", "text")
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    name = "cli-" + os.urandom(6).hex()
    arn = aws(
        f"lambda create-function --function-name {name} --runtime python3.12 "
        "--handler lambda_function.lambda_handler --query FunctionArn",
        f"--zip-file=fileb://{zipped}",
        f"--role={role}",
    )
    aws(f"lambda wait function-active-v2 --function-name {name}")
    api_id, address = aws(
        f"apigatewayv2 create-api --name {name} --protocol-type HTTP --target {arn}",
        "--query=[ApiId,ApiEndpoint]",
    ).split()
    aws(
        f"lambda add-permission --function-name {arn} --statement-id api "
        "--action lambda:InvokeFunction --principal apigateway.amazonaws.com "
        f"--source-arn arn:aws:execute-api:us-east-1:{ACCOUNT}:{api_id}/*/*"
    )
    assert post(address, "")[::2] == (200, "Hello from Lambda!")
