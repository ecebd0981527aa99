"""HTTP APIs: a client without keys gets to a function, and to nothing else."""

import base64
import http.client
import http.server
import json
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError
from lambda_functions import make_function, make_role

from course.stand_in import StandIn, start_stand_in, stop_stand_in
from local_aws.maintenance import describe_state

ACCOUNT = "123456789012"
PAGE = "https://page.example"
NOT_FOUND = (404, {"message": "Not Found"})
INTERNAL = (500, {"message": "Internal Server Error"})

CODE = """
import json
import time


def lambda_handler(event, context):
    body = event.get("body")
    do = json.loads(body) if body and body.startswith("{") else {}
    if "raise" in do:
        raise ValueError(do["raise"])
    time.sleep(do.get("sleep", 0))
    if "return" in do:
        return do["return"]
    headers = {"Content-Type": "application/json", "Access-Control-Allow-Origin": "me"}
    return {"statusCode": 200, "headers": headers, "body": json.dumps(event)}
"""


@dataclass
class Answer:
    """A response."""

    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def said(self) -> tuple[int, Any]:
        return self.status, json.loads(self.content)

    @property
    def event(self) -> dict:
        """What the function has been given."""
        assert self.status == 200, self.content
        return json.loads(self.content)

    @property
    def cors(self) -> dict[str, str]:
        start = "access-control-"
        return {
            name.removeprefix(start): value
            for name, value in self.headers.items()
            if name.startswith(start)
        }


def call(
    endpoint: str,
    path: str = "/",
    method: str = "GET",
    body: Any = None,
    **headers: str,
) -> Answer:
    """A request without a signature; `body` is sent as JSON unless it is bytes."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body)
        names = {"Content-Type": "application/json"} | names
    connection = http.client.HTTPConnection(urlsplit(endpoint).netloc, timeout=60)
    try:
        connection.request(method, path, body, names)
        response = connection.getresponse()
        pairs = response.getheaders()
        return Answer(
            response.status, {k.lower(): v for k, v in pairs}, response.read()
        )
    finally:
        connection.close()


def do(endpoint: str, **body: Any) -> Answer:
    """Have the function do something."""
    return call(endpoint, "/predict", "POST", body)


@dataclass
class Place:
    """A stand-in with a function that API Gateway may invoke."""

    stand_in: StandIn
    function: str

    @property
    def client(self) -> Any:
        return self.stand_in.client("apigatewayv2")

    @property
    def arn(self) -> str:
        return f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:{self.function}"

    def permit(self, source: str, sid: str = "api") -> None:
        self.stand_in.client("lambda").add_permission(
            FunctionName=self.function,
            StatementId=sid,
            Action="lambda:InvokeFunction",
            Principal="apigateway.amazonaws.com",
            SourceArn=f"arn:aws:execute-api:us-east-1:{ACCOUNT}:{source}",
        )

    def api(self, *routes: str, version: str = "2.0", **members: Any) -> dict:
        """A new API with these routes and the $default stage, as tutorials make it."""
        api = self.client.create_api(Name="api", ProtocolType="HTTP", **members)
        made = self.client.create_integration(
            ApiId=api["ApiId"],
            IntegrationType="AWS_PROXY",
            IntegrationUri=self.arn,
            PayloadFormatVersion=version,
        )
        api["IntegrationId"] = made["IntegrationId"]
        for route in routes:
            self.route(api, route)
        self.client.create_stage(
            ApiId=api["ApiId"], StageName="$default", AutoDeploy=True
        )
        return api

    def route(self, api: dict, key: str) -> dict:
        target = f"integrations/{api['IntegrationId']}"
        return self.client.create_route(ApiId=api["ApiId"], RouteKey=key, Target=target)


@pytest.fixture(scope="module")
def place(stand_in: StandIn) -> Place:
    function = make_function(stand_in, CODE, make_role(stand_in), Timeout=60)
    place = Place(stand_in, function)
    place.permit("*/*/*")
    return place


def error_of(call: Any, **members: object) -> tuple[int, str, str]:
    """Status, code and message of a request that is refused."""
    with pytest.raises(ClientError) as caught:
        call(**members)
    response = caught.value.response
    status = response["ResponseMetadata"]["HTTPStatusCode"]
    return status, response["Error"]["Code"], response["Error"]["Message"]


def test_the_event_of_payload_2(place: Place) -> None:
    api = place.api("ANY /items/{id}")
    event = call(
        api["ApiEndpoint"],
        "/items/a%20b?x=1&x=2&y=%20",
        "PUT",
        {"a": 1},
        Cookie="a=b; c=d",
        X_Other="é",
    ).event
    context = event["requestContext"]
    assert context["requestId"]
    assert isinstance(context["timeEpoch"], int)
    host = urlsplit(api["ApiEndpoint"]).netloc
    assert event["headers"]["host"] == host
    assert event["headers"]["x-forwarded-for"] == "127.0.0.1"
    assert "cookie" not in event["headers"]
    del event["headers"]
    assert context["http"] == {
        "method": "PUT",
        "path": "/items/a b",
        "protocol": "HTTP/1.1",
        "sourceIp": "127.0.0.1",
        "userAgent": "",
    }
    assert context["domainName"] == host
    assert (context["accountId"], context["apiId"]) == (ACCOUNT, api["ApiId"])
    del event["requestContext"]
    assert event == {
        "version": "2.0",
        "routeKey": "ANY /items/{id}",
        "rawPath": "/items/a b",
        "rawQueryString": "x=1&x=2&y=%20",
        "cookies": ["a=b", "c=d"],
        "queryStringParameters": {"x": "1,2", "y": " "},
        "pathParameters": {"id": "a b"},
        "body": '{"a": 1}',
        "isBase64Encoded": False,
    }
    empty = call(api["ApiEndpoint"], "/items/1").event
    absent = {"cookies", "queryStringParameters", "stageVariables", "body"}
    assert not absent & empty.keys()
    assert empty["headers"]["content-length"] == "0"
    for kind in ("application/x-www-form-urlencoded", "image/png"):
        event = call(
            api["ApiEndpoint"], "/items/1", "POST", b"a=1", Content_Type=kind
        ).event
        assert event["isBase64Encoded"]
        assert base64.b64decode(event["body"]) == b"a=1"


def test_the_event_of_payload_1(place: Place) -> None:
    api = place.api("POST /a/{rest+}", version="1.0")
    event = call(
        api["ApiEndpoint"], "/a/b/c?x=1&x=2", "POST", {"a": 1}, Cookie="a=b"
    ).event
    assert event["version"] == "1.0"
    assert (event["resource"], event["path"]) == ("/a/{rest+}", "/a/b/c")
    assert event["httpMethod"] == "POST"
    assert event["headers"]["cookie"] == "a=b"
    assert event["multiValueHeaders"]["content-type"] == ["application/json"]
    assert event["queryStringParameters"] == {"x": "2"}
    assert event["multiValueQueryStringParameters"] == {"x": ["1", "2"]}
    assert event["pathParameters"] == {"rest": "b/c"}
    assert event["stageVariables"] is None
    assert event["requestContext"]["identity"]["sourceIp"] == "127.0.0.1"
    # Format 1.0 asks for a statusCode.
    answer = call(api["ApiEndpoint"], "/a/b", "POST", {"return": {"a": 1}})
    assert answer.said == INTERNAL


@pytest.mark.parametrize(
    ("result", "status", "kind", "content"),
    [
        ({"a": 1}, 200, "application/json", b'{"a": 1}'),
        ("text", 200, "application/json", b"text"),
        ("half a \ud83d", 200, "application/json", b"half a ?"),
        (None, 200, "application/json", b"null"),
        ({"statusCode": 201}, 201, "text/plain; charset=utf-8", b""),
        ({"statusCode": "404", "body": "é"}, 404, "text/plain; charset=utf-8", "é"),
        (
            {
                "statusCode": 200,
                "body": "iVBO",
                "isBase64Encoded": True,
                "headers": {"Content-Type": "image/png", "Content-Length": 7},
            },
            200,
            "image/png",
            b"\x89PN",
        ),
        ({"statusCode": 204, "body": "x"}, 204, None, b""),
        ({"statusCode": 200, "body": {"a": 1}}, 500, None, None),
        ({"statusCode": "ok"}, 500, None, None),
        ({"statusCode": True}, 500, None, None),
        ({"statusCode": 100}, 500, None, None),
        ({"statusCode": 9999}, 500, None, None),
        ({"statusCode": None}, 500, None, None),
        ({"statusCode": 200, "headers": ["a"]}, 500, None, None),
        ({"statusCode": 200, "headers": {"a": ["b"]}}, 500, None, None),
        (
            {"statusCode": 200, "headers": {"a": "b\r\nc: d"}},
            500,
            None,
            None,
        ),
        ({"statusCode": 200, "headers": {"a b": "c"}}, 500, None, None),
        ({"statusCode": 200, "cookies": "a=b"}, 500, None, None),
        (
            {"statusCode": 200, "body": "%", "isBase64Encoded": True},
            500,
            None,
            None,
        ),
    ],
)
def test_what_a_function_returns_is_the_response(
    place: Place, shared: dict, result, status, kind, content
) -> None:
    answer = do(shared["ApiEndpoint"], **{"return": result})
    if content is None:
        assert answer.said == INTERNAL
        return
    content = content if isinstance(content, bytes) else content.encode()
    assert (answer.status, answer.content) == (status, content)
    assert answer.headers.get("content-type") == kind
    assert answer.headers["apigw-requestid"]


@pytest.fixture(scope="module")
def shared(place: Place) -> dict:
    return place.api("POST /predict")


def test_cookies_that_a_function_sets(shared: dict) -> None:
    result = {"statusCode": 200, "cookies": ["a=b; Secure", "c=d"]}
    netloc = urlsplit(shared["ApiEndpoint"]).netloc
    connection = http.client.HTTPConnection(netloc)
    body = json.dumps({"return": result})
    connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    assert response.headers.get_all("Set-Cookie") == ["a=b; Secure", "c=d"]
    connection.close()


def test_cookies_in_two_headers(shared: dict) -> None:
    connection = http.client.HTTPConnection(urlsplit(shared["ApiEndpoint"]).netloc)
    connection.putrequest("POST", "/predict")
    connection.putheader("Cookie", "a=b; c=d")
    connection.putheader("Cookie", "e=f")
    connection.endheaders()
    event = json.loads(connection.getresponse().read())
    assert event["cookies"] == ["a=b", "c=d", "e=f"]
    connection.close()


def test_the_public_is_told_nothing_of_an_error(shared: dict) -> None:
    answer = do(shared["ApiEndpoint"], **{"raise": "secret"})
    assert answer.said == INTERNAL


def test_routes_by_how_specific_they_are(place: Place) -> None:
    api = place.api(
        "$default", "ANY /{proxy+}", "GET /pets/{proxy+}", "GET /pets/dog/{id}"
    )
    place.route(api, "GET /pets/dog/1")
    place.route(api, "ANY /pets/dog/1")
    for method, path, key in (
        ("GET", "/pets/dog/1", "GET /pets/dog/1"),
        ("GET", "/pets/dog/%31", "GET /pets/dog/1"),
        ("POST", "/pets/dog/1", "ANY /pets/dog/1"),
        ("GET", "/pets/dog/2", "GET /pets/dog/{id}"),
        ("GET", "/pets/dog/a%2Fb", "GET /pets/dog/{id}"),
        ("GET", "/pets/dog/", "GET /pets/{proxy+}"),
        ("GET", "/pets/cat/1", "GET /pets/{proxy+}"),
        ("POST", "/pets/dog/2", "ANY /{proxy+}"),
        ("GET", "//pets/dog/1", "ANY /{proxy+}"),
        ("GET", "/../pets/dog/1", "ANY /{proxy+}"),
        ("GET", "/%2e%2e/%00/%ff", "ANY /{proxy+}"),
        ("GET", "/", "$default"),
    ):
        found = call(api["ApiEndpoint"], path, method).event["routeKey"]
        assert (method, path, found) == (method, path, key)


def test_what_no_route_leads_to(place: Place, shared: dict) -> None:
    endpoint = shared["ApiEndpoint"]
    for method, path in (
        ("GET", "/predict"),
        ("POST", "/predict/"),
        ("POST", "/Predict"),
        ("POST", "/predict/../predict"),
        ("POST", f"/2015-03-31/functions/{place.function}/invocations"),
        ("GET", "/"),
        ("GET", "/v2/apis"),
        ("PUT", "/bucket"),
        ("OPTIONS", "/predict"),
    ):
        assert call(endpoint, path, method).said == NOT_FOUND, (method, path)


def test_without_its_permission_a_function_is_not_reached(
    place: Place, stand_in: StandIn
) -> None:
    function = make_function(stand_in, CODE, make_role(stand_in))
    other = Place(stand_in, function)
    api = other.api("POST /predict", "$default", "ANY /a/{b}")
    endpoint, api_id = api["ApiEndpoint"], api["ApiId"]
    assert do(endpoint).said == INTERNAL
    other.permit("another-api/*/*", "1")
    other.permit(f"{api_id}/*/GET/predict", "2")
    other.permit(f"{api_id}/prod/*/predict", "3")
    assert do(endpoint).said == INTERNAL
    other.permit(f"{api_id}/*/*/predict", "4")
    assert do(endpoint).status == 200
    assert call(endpoint, "/other").said == INTERNAL
    other.permit(f"{api_id}/*/$default", "5")
    assert call(endpoint, "/other").status == 200
    assert call(endpoint, "/a/x").said == INTERNAL
    other.permit(f"{api_id}/*/*/a/*", "6")
    assert call(endpoint, "/a/x").status == 200
    for sid in "123456":
        stand_in.client("lambda").remove_permission(
            FunctionName=function, StatementId=sid
        )
    assert do(endpoint).said == INTERNAL
    stand_in.client("lambda").delete_function(FunctionName=function)
    assert do(endpoint).said == INTERNAL


CORS = {
    "AllowOrigins": [PAGE, "http://*"],
    "AllowMethods": ["POST"],
    "AllowHeaders": ["content-type"],
    "ExposeHeaders": ["apigw-requestid"],
    "MaxAge": 300,
}


def preflight(endpoint: str, origin: str, path: str = "/predict") -> Answer:
    asked = {"Access_Control_Request_Method": "POST"}
    return call(endpoint, path, "OPTIONS", Origin=origin, **asked)


def test_cors_is_the_apis(place: Place) -> None:
    api = place.api("POST /predict", "ANY /any", CorsConfiguration=CORS)
    endpoint = api["ApiEndpoint"]
    for path in ("/predict", "/any", "/none"):
        answer = preflight(endpoint, PAGE, path)
        assert (answer.status, answer.content) == (204, b"")
        assert answer.cors == {
            "allow-origin": PAGE,
            "allow-methods": "POST",
            "allow-headers": "content-type",
            "max-age": "300",
        }
    shown = {"allow-origin": PAGE, "expose-headers": "apigw-requestid"}
    # The function's own header is ignored; errors can be read by the page, too.
    for body in ({}, {"raise": "x"}):
        answer = call(endpoint, "/predict", "POST", body, Origin=PAGE)
        assert answer.cors == shown
    assert call(endpoint, "/none", Origin=PAGE).cors == shown
    other = "https://other.example"
    for origin in (other, f"{PAGE}.other.example", "null", f"{PAGE}:8443"):
        assert preflight(endpoint, origin).status == 204
        assert preflight(endpoint, origin).cors == {}
        assert call(endpoint, "/predict", "POST", {}, Origin=origin).cors == {}
    assert do(endpoint).cors == {}
    assert preflight(endpoint, "http://any.example").cors["allow-origin"] == (
        "http://any.example"
    )
    assert call(endpoint, "/predict", "OPTIONS").status == 204
    assert call(endpoint, "/any", "OPTIONS").event["routeKey"] == "ANY /any"

    client = place.client
    client.update_api(ApiId=api["ApiId"], CorsConfiguration={"AllowOrigins": ["*"]})
    assert preflight(endpoint, other).cors == {"allow-origin": "*"}
    client.delete_cors_configuration(ApiId=api["ApiId"])
    # Now it is left to the function, which does not know of preflight requests.
    assert preflight(endpoint, PAGE).said == NOT_FOUND
    answer = call(endpoint, "/predict", "POST", {}, Origin=PAGE)
    assert answer.cors == {"allow-origin": "me"}


def test_stages_and_deployments(place: Place) -> None:
    api = place.api("GET /a")
    client, api_id, endpoint = place.client, api["ApiId"], api["ApiEndpoint"]
    client.create_stage(ApiId=api_id, StageName="prod", StageVariables={"model": "a-1"})
    assert call(endpoint, "/prod/a").said == NOT_FOUND  # nothing is deployed there
    first = client.create_deployment(ApiId=api_id, StageName="prod")["DeploymentId"]
    event = call(endpoint, "/prod/a").event
    assert (event["rawPath"], event["routeKey"]) == ("/prod/a", "GET /a")
    assert event["requestContext"]["stage"] == "prod"
    assert event["stageVariables"] == {"model": "a-1"}
    place.route(api, "GET /b")
    assert call(endpoint, "/b").status == 200  # AutoDeploy
    assert call(endpoint, "/prod/b").said == NOT_FOUND
    second = client.create_deployment(ApiId=api_id, StageName="prod")["DeploymentId"]
    assert call(endpoint, "/prod/b").status == 200
    client.update_stage(ApiId=api_id, StageName="prod", DeploymentId=first)
    assert call(endpoint, "/prod/b").said == NOT_FOUND
    status, code, message = error_of(
        client.delete_deployment, ApiId=api_id, DeploymentId=first
    )
    assert (status, code) == (400, "BadRequestException")
    assert "Active stages pointing to this deployment" in message
    client.delete_deployment(ApiId=api_id, DeploymentId=second)
    # A stage whose AutoDeploy ends keeps what it has.
    client.update_stage(ApiId=api_id, StageName="$default", AutoDeploy=False)
    place.route(api, "GET /c")
    assert call(endpoint, "/b").status == 200
    assert call(endpoint, "/c").said == NOT_FOUND
    client.update_stage(ApiId=api_id, StageName="$default", AutoDeploy=True)
    assert call(endpoint, "/c").status == 200
    client.delete_stage(ApiId=api_id, StageName="$default")
    assert call(endpoint, "/a").said == NOT_FOUND
    assert call(endpoint, "/prod/a").status == 200
    client.update_api(ApiId=api_id, DisableExecuteApiEndpoint=True)
    assert call(endpoint, "/prod/a").said == NOT_FOUND


def test_throttling(place: Place) -> None:
    api = place.api("GET /a", "GET /b", CorsConfiguration=CORS)
    client, api_id, endpoint = place.client, api["ApiId"], api["ApiEndpoint"]
    # One token comes back in a quarter of an hour.
    settings = {"ThrottlingBurstLimit": 3, "ThrottlingRateLimit": 0.001}
    client.update_stage(
        ApiId=api_id,
        StageName="$default",
        DefaultRouteSettings=settings,
        RouteSettings={"GET /b": {"ThrottlingBurstLimit": 1}},
    )

    def statuses(path: str) -> list[int]:
        return [call(endpoint, path).status for _ in range(4)]

    assert statuses("/a") == [200, 200, 200, 429]
    assert statuses("/b") == [200, 429, 429, 429]
    answer = call(endpoint, "/a", Origin=PAGE)
    assert answer.said == (429, {"message": "Too Many Requests"})
    assert answer.cors["allow-origin"] == PAGE
    assert preflight(endpoint, PAGE).status == 204
    client.delete_route_settings(ApiId=api_id, StageName="$default", RouteKey="GET /b")
    assert statuses("/b") == [200, 200, 200, 429]


def test_a_function_that_takes_too_long(place: Place) -> None:
    api = place.api("POST /predict")
    place.client.update_integration(
        ApiId=api["ApiId"], IntegrationId=api["IntegrationId"], TimeoutInMillis=100
    )
    answer = do(api["ApiEndpoint"], sleep=1)
    assert answer.said == (503, {"message": "Service Unavailable"})


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1:1", "", "127.0.0.1"])
def test_another_host_is_refused(shared: dict, host: str) -> None:
    answer = call(shared["ApiEndpoint"], "/predict", "POST", {}, Host=host)
    assert answer.said == (403, {"message": "Forbidden"})


def test_what_is_too_large(shared: dict) -> None:
    endpoint = shared["ApiEndpoint"]
    body = b"a" * (10 * 2**20 + 1)
    answer = call(endpoint, "/predict", "POST", body)
    assert answer.said == (413, {"message": "Request Entity Too Large"})
    answer = call(endpoint, "/predict", "POST", {}, X_A="a" * 11_000)
    assert answer.status == 431
    # Within the limit of API Gateway, not within Lambda's.
    answer = call(endpoint, "/predict", "POST", b"a" * 7 * 2**20, Content_Type="text/a")
    assert answer.status == 413
    answer = call(endpoint, "/predict", "POST", b"a" * 5 * 2**20, Content_Type="text/a")
    assert answer.status != 413


def test_many_clients_at_once(shared: dict) -> None:
    answers: list[int] = []

    def ask() -> None:
        for _ in range(5):
            answers.append(do(shared["ApiEndpoint"]).status)

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 30


def test_quick_create(place: Place) -> None:
    client = place.client
    api = client.create_api(Name="quick", ProtocolType="HTTP", Target=place.arn)
    assert call(api["ApiEndpoint"], "/any/path").event["routeKey"] == "$default"
    [stage] = client.get_stages(ApiId=api["ApiId"])["Items"]
    assert (stage["StageName"], stage["AutoDeploy"]) == ("$default", True)
    assert stage["LastDeploymentStatusMessage"].startswith("Successfully deployed")
    client.delete_api(ApiId=api["ApiId"])
    with pytest.raises(ConnectionRefusedError):
        call(api["ApiEndpoint"])
    for method in (client.get_api, client.delete_api, client.get_routes):
        status, code, message = error_of(method, ApiId=api["ApiId"])
        assert (status, code) == (404, "NotFoundException")
        assert message == f"Invalid API identifier specified {ACCOUNT}:{api['ApiId']}"


def test_an_api_survives_a_restart(home: Path) -> None:
    running = start_stand_in(home)
    try:
        function = make_function(running, CODE, make_role(running))
        place = Place(running, function)
        place.permit("*/*/*")
        api = place.api("POST /predict", CorsConfiguration=CORS)
        taken = place.api("POST /predict")
        gone = place.client.create_api(Name="gone", ProtocolType="HTTP")
        place.client.delete_api(ApiId=gone["ApiId"])
        before = place.client.get_api(ApiId=api["ApiId"])
    finally:
        stop_stand_in(running)
    for each in (api, taken):
        with pytest.raises(ConnectionRefusedError):
            call(each["ApiEndpoint"])
    other = http.server.HTTPServer(
        ("127.0.0.1", urlsplit(taken["ApiEndpoint"]).port),
        http.server.BaseHTTPRequestHandler,
    )
    running = start_stand_in(home)
    try:
        client = running.client("apigatewayv2")
        after = client.get_api(ApiId=api["ApiId"])
        before.pop("ResponseMetadata")
        after.pop("ResponseMetadata")
        assert after == before
        assert do(api["ApiEndpoint"]).status == 200
        assert preflight(api["ApiEndpoint"], PAGE).cors["allow-origin"] == PAGE
        moved = client.get_api(ApiId=taken["ApiId"])["ApiEndpoint"]
        assert moved != taken["ApiEndpoint"]
        assert do(moved).status == 200
        assert len(client.get_apis()["Items"]) == 2
        assert "API Gateway   2 HTTP APIs" in describe_state(running.installation)
    finally:
        other.server_close()
        log = stop_stand_in(running)
    assert f"its ApiEndpoint is now {moved}\n" in log
