"""Lesson 11's page in a browser: page, HTTP API, function and endpoint together."""

import http.server
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boston
import boto3
import pytest
import xgboost
from axe_playwright_python.sync_playwright import Axe
from botocore.config import Config
from botocore.exceptions import ClientError
from browsers import PATIENCE_MS, needs_browser
from conftest import StandIn
from hosted import archive
from lambda_functions import make_role, put_policy
from playwright.sync_api import Error as BrowserError

from local_aws.installation import ACCOUNT_ID, ROLE_ARN
from utils.bank_marketing import (
    BANK_TARGET,
    customers_of,
    describe_encoding,
    encode_bank_marketing,
)
from utils.synthetic_bank_marketing import make_synthetic_bank_marketing
from utils.web_app import FOLDER, origin_of, page_with, zip_of

axe = Axe()
pytestmark = needs_browser
PHONE = {"width": 360, "height": 740}
# A window of 1,280 points at a zoom of 400 % (WCAG 2.2, success criterion 1.4.10).
NARROWEST = {"width": 320, "height": 256}
THRESHOLD = 0.125
ASKS = "sagemaker:InvokeEndpoint"
SIDEWAYS = "document.documentElement.scrollWidth - window.innerWidth"


@dataclass
class WebApp:
    """All parts of the web app, and what the endpoint says of 1,000 customers."""

    stand_in: StandIn
    role_arn: str
    function: str
    api: dict
    page: dict
    page_url: str
    encoding: dict
    customers: list[dict]
    probabilities: list[float]

    @property
    def url(self) -> str:
        return f"{self.api['ApiEndpoint']}/predict"

    @property
    def html(self) -> str:
        return self.html_with()

    def html_with(self, **changes: Any) -> str:
        settings = {
            "api": self.url,
            "fields": self.encoding["fields"],
            "example": self.customers[0],
        }
        return page_with(settings | changes)

    def upload(self, html: str) -> None:
        kind = "text/html; charset=utf-8"
        self.stand_in.client("s3").put_object(
            Body=html.encode(), ContentType=kind, **self.page
        )

    def set_origin(self, origin: str) -> None:
        cors = {
            "AllowOrigins": [origin],
            "AllowMethods": ["POST"],
            "AllowHeaders": ["content-type"],
        }
        self.stand_in.client("apigatewayv2").update_api(
            ApiId=self.api["ApiId"], CorsConfiguration=cors
        )

    def set_limits(self, rate: float, burst: int) -> None:
        limits = {"ThrottlingRateLimit": rate, "ThrottlingBurstLimit": burst}
        self.stand_in.client("apigatewayv2").update_stage(
            ApiId=self.api["ApiId"],
            StageName="$default",
            DefaultRouteSettings=limits,
        )

    def permit(self) -> None:
        self.stand_in.client("lambda").add_permission(
            FunctionName=self.function,
            StatementId="api",
            Action="lambda:InvokeFunction",
            Principal="apigateway.amazonaws.com",
            SourceArn=f"arn:aws:execute-api:us-east-1:{ACCOUNT_ID}:"
            f"{self.api['ApiId']}/*/POST/predict",
        )


@pytest.fixture(scope="module")
def web_app(stand_in: StandIn) -> WebApp:
    """As lesson 11 makes it, with a model of a few trees."""
    calls = make_synthetic_bank_marketing()
    encoding = describe_encoding(calls, THRESHOLD)
    table = encode_bank_marketing(calls[:5000])
    features = table.drop(columns=BANK_TARGET)
    data = xgboost.DMatrix(features.to_numpy(), label=table[BANK_TARGET])
    settings = {"objective": "binary:logistic", "nthread": 1, "base_score": 0.1}
    model = xgboost.train({**settings, "max_depth": 4}, data, 20)

    bucket, endpoint = boston.name("sagemaker-web-app"), boston.name("endpoint")
    s3 = stand_in.client("s3")
    s3.create_bucket(Bucket=bucket)
    packed = archive({"xgboost-model": bytes(model.save_raw("ubj"))})
    s3.put_object(Bucket=bucket, Key="model.tar.gz", Body=packed)
    sagemaker = stand_in.client("sagemaker")
    container = {"Image": boston.IMAGE, "ModelDataUrl": f"s3://{bucket}/model.tar.gz"}
    sagemaker.create_model(
        ModelName=endpoint, ExecutionRoleArn=ROLE_ARN, PrimaryContainer=container
    )
    variant = {
        "VariantName": "All",
        "ModelName": endpoint,
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 1,
    }
    sagemaker.create_endpoint_config(
        EndpointConfigName=endpoint, ProductionVariants=[variant]
    )
    sagemaker.create_endpoint(EndpointName=endpoint, EndpointConfigName=endpoint)

    role_arn, function = make_role(stand_in, [ASKS]), boston.name("function")
    files = {"encoding.json": json.dumps(encoding)}
    files["lambda_function.py"] = (FOLDER / "lambda_function.py").read_text("utf-8")
    functions = stand_in.client("lambda")
    made = functions.create_function(
        FunctionName=function,
        Runtime="python3.13",
        Role=role_arn,
        Handler="lambda_function.lambda_handler",
        Code={"ZipFile": zip_of(files)},
        Timeout=60,
        Environment={"Variables": {"ENDPOINT_NAME": endpoint}},
    )
    functions.get_waiter("function_active_v2").wait(FunctionName=function)

    signing = Config(signature_version="s3v4", s3={"addressing_style": "virtual"})
    page = {"Bucket": bucket, "Key": "page/index.html"}
    signer = boto3.client(
        "s3",
        aws_access_key_id=stand_in.installation.access_key_id,
        aws_secret_access_key=stand_in.installation.secret_access_key,
        region_name="us-east-1",
        endpoint_url=stand_in.endpoint,
        config=signing,
    )
    page_url = signer.generate_presigned_url("get_object", Params=page)

    gateway = stand_in.client("apigatewayv2")
    api = gateway.create_api(Name=function, ProtocolType="HTTP")
    integration = gateway.create_integration(
        ApiId=api["ApiId"],
        IntegrationType="AWS_PROXY",
        IntegrationUri=made["FunctionArn"],
        PayloadFormatVersion="2.0",
    )
    target = f"integrations/{integration['IntegrationId']}"
    gateway.create_route(ApiId=api["ApiId"], RouteKey="POST /predict", Target=target)
    gateway.create_stage(ApiId=api["ApiId"], StageName="$default", AutoDeploy=True)

    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName=endpoint)
    rows = features[:1000].to_csv(header=False, index=False)
    answer = stand_in.client("sagemaker-runtime").invoke_endpoint(
        EndpointName=endpoint, ContentType="text/csv", Body=rows
    )
    probabilities = [float(text) for text in answer["Body"].read().split()]
    made = WebApp(
        stand_in,
        role_arn,
        function,
        api,
        page,
        page_url,
        encoding,
        customers_of(calls[:1000]),
        probabilities,
    )
    made.permit()
    made.set_origin(origin_of(page_url))
    made.upload(made.html)
    return made


@pytest.fixture
def page(browser, web_app: WebApp) -> Iterator[Any]:
    """The page as somebody opens it; what it logs is kept in `page.said`."""
    view = browser.new_context(viewport={"width": 1000, "height": 900})
    view.set_default_timeout(PATIENCE_MS)
    page = view.new_page()
    page.said = []
    page.on("console", lambda line: page.said.append(line.text))
    page.on("pageerror", lambda error: page.said.append(f"error: {error}"))
    page.goto(web_app.page_url)
    yield page
    view.close()


def control_of(page, name: str):
    return page.locator(f'[name="{name}"]')


def fill(page, customer: dict) -> None:
    for name, value in customer.items():
        control = control_of(page, name)
        if control.evaluate("control => control.tagName") == "SELECT":
            control.select_option(value)
        else:
            control.fill(str(value))


def told(page) -> str:
    """What the page says once it has an answer."""
    page.wait_for_function(
        "result.innerText !== '' && form.getAttribute('aria-busy') !== 'true'"
    )
    return page.inner_text("#result")


def ask(page, customer: dict | None = None) -> str:
    if customer is not None:
        fill(page, customer)
    page.get_by_role("button", name="Ask the model").click()
    return told(page)


def expected(web_app: WebApp, row: int) -> str:
    probability = web_app.probabilities[row]
    decision = "Yes, call." if probability >= THRESHOLD else "No, don't call."
    return (
        f"{decision}\n\nThe call ends in a sale with a probability of "
        f"{100 * probability:.1f} %.\n\nWe call from 12.5 % on."
    )


def check_form(page, web_app: WebApp) -> None:
    called = [p >= THRESHOLD for p in web_app.probabilities]
    for row in (called.index(True), called.index(False)):
        assert ask(page, web_app.customers[row]) == expected(web_app, row)


def check_agreement(page, web_app: WebApp, rows: int = 3) -> list[float]:
    """What the page sends for customers in its form, and gets for them."""
    answers = page.evaluate(
        """async (customers) => {
          const answers = [];
          const next = customers.entries();
          async function work() {
            for (const [row, customer] of next) {
              for (const [name, value] of Object.entries(customer)) {
                form.elements[name].value = value;
              }
              answers[row] = await ask(customerInForm());
            }
          }
          await Promise.all([work(), work(), work()]);
          return answers;
        }""",
        web_app.customers[:rows],
    )
    assert [answer["status"] for answer in answers] == [200] * rows
    found = [answer["answer"]["probability"] for answer in answers]
    assert found == web_app.probabilities[:rows]
    return found


def check_keyboard(page, web_app: WebApp) -> None:
    customer = web_app.customers[3]
    for field in web_app.encoding["fields"]:
        page.keyboard.press("Tab")
        name = field["name"]
        assert page.evaluate("document.activeElement.name") == name
        outline = "getComputedStyle(document.activeElement).outlineStyle"
        assert page.evaluate(outline) == "solid"
        page.keyboard.type(str(customer[name]))
        assert control_of(page, name).input_value() == str(customer[name])
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "ask"
    page.keyboard.press("Enter")
    assert told(page) == expected(web_app, 3)
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert control_of(page, "age").input_value() == str(web_app.customers[0]["age"])


CHECKS = (check_form, check_agreement, check_keyboard)


def test_a_form_filled_in_gets_the_endpoints_answer(page, web_app: WebApp) -> None:
    check_form(page, web_app)
    assert page.said == []


def test_page_and_endpoint_agree_on_1000_customers(page, web_app: WebApp) -> None:
    found = check_agreement(page, web_app, len(web_app.customers))
    assert len(found) == 1000
    assert len(set(found)) > 100


def test_by_keyboard_alone(page, web_app: WebApp) -> None:
    check_keyboard(page, web_app)


# --- what a reader may forget: nothing works without it -------------------------------


@contextmanager
def without_policy(web_app: WebApp) -> Iterator[None]:
    """The function's role may write its log and ask no endpoint."""
    put_policy(web_app.stand_in, web_app.role_arn, ["logs:PutLogEvents"])
    try:
        yield
    finally:
        put_policy(web_app.stand_in, web_app.role_arn, [ASKS])


@contextmanager
def without_permission(web_app: WebApp) -> Iterator[None]:
    """API Gateway may not invoke the function."""
    web_app.stand_in.client("lambda").remove_permission(
        FunctionName=web_app.function, StatementId="api"
    )
    try:
        yield
    finally:
        web_app.permit()


@contextmanager
def without_cors(web_app: WebApp) -> Iterator[None]:
    web_app.stand_in.client("apigatewayv2").delete_cors_configuration(
        ApiId=web_app.api["ApiId"]
    )
    try:
        yield
    finally:
        web_app.set_origin(origin_of(web_app.page_url))


CANT = "The service can't be reached. Please check your connection and try again."


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        (without_policy, "The model does not answer. Please try again later. (Requ"),
        (without_permission, "Something went wrong on our side (500). Please try"),
        (without_cors, CANT),
    ],
    ids=["policy", "permission", "cors"],
)
def test_each_check_fails_without(missing, said, page, web_app: WebApp) -> None:
    with missing(web_app):
        for check in CHECKS:
            page.reload()
            with pytest.raises((AssertionError, BrowserError)):
                check(page, web_app)
            assert ask(page, web_app.customers[0]).startswith(said)
    page.reload()
    check_form(page, web_app)


# --- errors ---------------------------------------------------------------------------


def errors(page) -> dict[str, str]:
    """What stands beside fields, tied to them as a screen reader needs it."""
    return page.evaluate(
        """() => Object.fromEntries(fields.map((field) => {
          const control = document.querySelector(`[name="${field.name}"]`);
          const text = document.getElementById(
            control.getAttribute("aria-describedby")).innerText;
          const isWrong = control.getAttribute("aria-invalid") === "true";
          if (isWrong !== (text !== "")) throw new Error(field.name);
          return [field.name, text];
        }).filter(([name, text]) => text !== ""))"""
    )


def test_what_is_wrong_stands_beside_its_field(page, web_app: WebApp) -> None:
    requests: list[str] = []
    page.on("request", lambda sent: requests.append(sent.url))
    assert ask(page) == "Please correct 14 fields."
    assert errors(page).keys() == web_app.customers[0].keys()
    page.get_by_role("button", name="Fill in an example").click()
    assert errors(page) == {}
    control_of(page, "campaign").fill("1.5")
    control_of(page, "job").select_option("")
    assert ask(page) == "Please correct 2 fields."
    assert list(errors(page)) == ["campaign", "job"]
    assert page.evaluate("document.activeElement.name") == "campaign"
    assert requests == []
    assert ask(page, web_app.customers[0]) == expected(web_app, 0)
    assert errors(page) == {}


def test_what_only_the_function_finds_wrong(page, web_app: WebApp) -> None:
    """As after an update, when somebody still has the old page."""
    fields = json.loads(json.dumps(web_app.encoding["fields"]))
    next(f for f in fields if f["name"] == "age")["maximum"] = 900
    web_app.upload(web_app.html_with(fields=fields))
    try:
        page.reload()
    finally:
        web_app.upload(web_app.html)
    said = ask(page, {**web_app.customers[0], "age": 800})
    assert said == "Some fields are missing or wrong."
    assert "whole number from" in errors(page)["age"]
    assert page.evaluate("document.activeElement.name") == "age"


def test_too_many_requests(page, web_app: WebApp) -> None:
    fill(page, web_app.customers[0])
    web_app.set_limits(rate=0.001, burst=1)
    try:
        first, second = ask(page), ask(page)
    finally:
        web_app.set_limits(rate=10_000, burst=5_000)
    assert first == expected(web_app, 0)
    assert second == "Too many people are asking. Please try again in a moment."
    assert ask(page) == expected(web_app, 0)


def test_without_a_network(page, web_app: WebApp) -> None:
    page.context.set_offline(True)
    assert ask(page, web_app.customers[0]) == CANT
    page.context.set_offline(False)
    assert ask(page) == expected(web_app, 0)


OURS = "Something went wrong on our side ({}). Please try again later."
NASTY = "<img src=x onerror=\"document.title='broken'\">"


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (200, "<h1>Please log in</h1>", OURS.format(200)),
        (200, "null", OURS.format(200)),
        (200, '{"call": true}', OURS.format(200)),
        (403, '{"message":"Forbidden"}', OURS.format(403)),
        (502, "", OURS.format(502)),
        (503, '{"message":"Service Unavailable"}', OURS.format(503)),
        (
            400,
            json.dumps({"message": NASTY, "fields": {"pet": NASTY, "age": NASTY}}),
            f"{NASTY} pet {NASTY}.",
        ),
    ],
    ids=["no JSON", "null", "half", "forbidden", "empty", "unavailable", "nasty"],
)
def test_whatever_comes_back(status, body, said, page, web_app: WebApp) -> None:
    """Also what no function of ours sends: never an answer that is none, never HTML."""
    headers = {
        "Access-Control-Allow-Origin": origin_of(web_app.page_url),
        "Content-Type": "application/json",
    }
    page.route(
        web_app.url,
        lambda route: route.fulfill(status=status, headers=headers, body=body),
    )
    assert ask(page, web_app.customers[0]) == said
    assert errors(page) == ({"age": NASTY} if status == 400 else {})
    assert page.locator("img").count() == 0
    assert page.title() == "Should we call this customer?"


def test_an_answer_that_never_comes(page, web_app: WebApp) -> None:
    page.evaluate(
        """() => {
          const timeout = AbortSignal.timeout;
          AbortSignal.timeout = (ms) => timeout.call(AbortSignal, ms / 100);
        }"""
    )
    page.route(web_app.url, lambda route: None)
    said = ask(page, web_app.customers[0])
    assert said == "No answer within 35 seconds. Please try again."


@pytest.fixture
def elsewhere(web_app: WebApp) -> Iterator[str]:
    """The same page at another origin."""
    content = web_app.html.encode()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_page_of_another_origin_is_refused(page, web_app, elsewhere) -> None:
    page.goto(elsewhere)
    assert ask(page, web_app.customers[0]) == CANT
    assert any("blocked by CORS policy" in line for line in page.said)
    web_app.set_origin(elsewhere)
    try:
        assert ask(page) == expected(web_app, 0)
        page.goto(web_app.page_url)
        assert ask(page, web_app.customers[0]) == CANT
    finally:
        web_app.set_origin(origin_of(web_app.page_url))


def test_a_file_has_no_origin(page, web_app: WebApp, tmp_path: Path) -> None:
    """Its origin is `null`, which an API can't allow: all or none."""
    file = tmp_path / "index.html"
    file.write_text(web_app.html, encoding="utf-8")
    page.goto(file.as_uri())
    assert ask(page, web_app.customers[0]) == CANT
    assert any("from origin 'null' has been blocked" in line for line in page.said)
    with pytest.raises(ClientError, match="Invalid format for origin null"):
        web_app.set_origin("null")
    web_app.set_origin("*")
    try:
        assert ask(page) == expected(web_app, 0)
    finally:
        web_app.set_origin(origin_of(web_app.page_url))


def test_it_waits_visibly_and_asks_once(page, web_app: WebApp) -> None:
    asked = []

    def hold(route) -> None:
        asked.append(route)

    page.route(web_app.url, hold)
    fill(page, web_app.customers[0])
    page.get_by_role("button", name="Ask the model").click()
    assert page.inner_text("#result") == "Asking the model ..."
    assert page.get_attribute("#customer", "aria-busy") == "true"
    control_of(page, "age").press("Enter")  # a second time
    deadline = time.monotonic() + PATIENCE_MS / 1000
    while not asked and time.monotonic() < deadline:
        page.wait_for_timeout(20)
    (route,) = asked
    route.continue_()
    assert told(page) == expected(web_app, 0)
    assert len(asked) == 1


def violations(page) -> list[str]:
    """What axe finds."""
    return [
        f"{violation['id']}: {node['html'][:150]}"
        for violation in axe.run(page).response["violations"]
        for node in violation["nodes"]
    ]


def test_it_is_for_everybody_and_on_a_phone(page, web_app: WebApp) -> None:
    page.set_viewport_size(PHONE)
    assert violations(page) == []
    assert ask(page).startswith("Please correct")
    assert violations(page) == []
    ask(page, web_app.customers[0])
    assert violations(page) == []
    small = page.evaluate(
        "[...document.querySelectorAll('input, select, button')]"
        ".filter((control) => control.offsetHeight < 44).length"
    )
    assert small == 0
    for size in (PHONE, NARROWEST):
        page.set_viewport_size(size)
        assert page.evaluate(SIDEWAYS) <= 0


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        ("document.querySelector('label').remove()", "label:"),
        ("document.querySelector('.note').style.color = '#999'", "color-contrast:"),
        ("document.getElementById('ask').textContent = ''", "button-name:"),
    ],
    ids=["label", "contrast", "name"],
)
def test_axe_sees_what_is_not_for_everybody(damage, found, page) -> None:
    page.evaluate(damage)
    assert [line for line in violations(page) if line.startswith(found)]


def test_what_is_too_wide_is_seen(page) -> None:
    page.set_viewport_size(PHONE)
    page.evaluate("document.querySelector('h1').style.width = '400px'")
    assert page.evaluate(SIDEWAYS) > 0


def test_what_is_written_into_it_stays_text(page, web_app: WebApp) -> None:
    nasty = "</script><img src=x onerror=document.title='broken'>"
    fields = [{"name": "job", "type": "category", "categories": [nasty]}]
    other = page.context.new_page()
    other.set_content(web_app.html_with(fields=fields, example={"job": nasty}))
    options = control_of(other, "job").locator("option")
    assert options.all_inner_texts() == ["Please choose", nasty]
    assert other.title() == "Should we call this customer?"
    assert other.locator("img").count() == 0


def test_a_field_may_have_any_name(page, web_app: WebApp) -> None:
    """Also one that is an id of the page, or no id at all."""
    names = ["result", "customer", "ask", "field-2", "day of week"]
    fields = [{"name": name, "type": "yes_no"} for name in names]
    other = page.context.new_page()
    other.set_content(web_app.html_with(fields=fields, example={"ask": "yes"}))
    other.get_by_role("button", name="Fill in an example").click()
    assert control_of(other, "ask").input_value() == "yes"
    assert ask(other) == "Please correct 4 fields."
    assert errors(other).keys() == set(names) - {"ask"}
    assert violations(other) == []


def test_it_loads_nothing_from_elsewhere(page, web_app: WebApp) -> None:
    asked: list[str] = []
    page.on("request", lambda sent: asked.append(sent.url))
    page.reload()
    assert ask(page, web_app.customers[0]) == expected(web_app, 0)
    sent = {origin_of(url) for url in asked if not url.startswith("data:")}
    assert sent == {origin_of(web_app.page_url), web_app.api["ApiEndpoint"]}
