"""What lesson 11 takes from utils: zip and page, permissions, patience, encoding."""

import ast
import http.server
import io
import json
import threading
import time
import zipfile
from dataclasses import dataclass, replace
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import permissions
import pytest
from botocore.exceptions import ClientError
from conftest import StandIn, session_of
from lambda_functions import make_role

from course import lessons, screenshot
from utils import bank_marketing, logs, web_app
from utils.connect import Course
from utils.synthetic_bank_marketing import make_synthetic_bank_marketing

POLICY = permissions.policy_of("11")[0].document


class Settings(HTMLParser):
    """Finds the text of the element with the settings."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.inside, self.text = False, ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.inside = ("id", "settings") in attrs

    def handle_endtag(self, tag: str) -> None:
        self.inside = False

    def handle_data(self, data: str) -> None:
        self.text += data if self.inside else ""


def test_a_zip_holds_the_files_and_is_the_same_twice() -> None:
    files = {"a.py": "print('é')\n", "b.json": "{}"}
    packed = web_app.zip_of(files)
    assert packed == web_app.zip_of(files)
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        assert {n: archive.read(n).decode() for n in archive.namelist()} == files
        modes = {entry.external_attr >> 16 for entry in archive.infolist()}
    assert modes == {0o644}


def test_settings_arrive_in_the_page_whatever_is_in_them(monkeypatch, tmp_path) -> None:
    settings = {"api": "http://a/?b=1&c='\"", "fields": ["</script><b>", "é\u2028\\"]}
    assert json.loads(Settings(web_app.page_with(settings)).text) == settings
    (tmp_path / "index.html").write_text("<html></html>")
    monkeypatch.setattr(web_app, "FOLDER", tmp_path)
    with pytest.raises(ValueError, match="must have"):
        web_app.page_with(settings)


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("http://127.0.0.1:80/a/b.html?c=d#e", "http://127.0.0.1:80"),
        ("https://b.s3.amazonaws.com/a?X-Amz-Date=1", "https://b.s3.amazonaws.com"),
    ],
)
def test_an_origin(url: str, origin: str) -> None:
    assert web_app.origin_of(url) == origin


@dataclass
class Session:
    """A session in which STS says that you are somebody else."""

    real: Any
    arn: str

    def client(self, name: str) -> Any:
        if name == "sts":
            return SimpleNamespace(get_caller_identity=lambda: {"Arn": self.arn})
        return self.real.client(name)


def working_as(course: Course, identity: str) -> Course:
    arn = f"arn:aws:{identity}"
    return replace(course, boto_session=Session(course.boto_session, arn))


@pytest.fixture
def course(stand_in: StandIn) -> Course:
    """As on AWS, with a role that may do nothing, and that you work as."""
    role = make_role(stand_in, [])
    course = Course(
        where="AWS",
        region="us-east-1",
        role=role,
        bucket="",
        prefix="",
        run_id="abc123",
        folder=Path(),
        lesson="11",
        boto_session=session_of(stand_in),
    )
    name = role.rpartition("/")[2]
    return working_as(course, f"sts::123456789012:assumed-role/{name}/me")


def attach(course: Course, policy: Any) -> None:
    course.boto_session.client("iam").put_role_policy(
        RoleName=course.role.rpartition("/")[2],
        PolicyName="own",
        PolicyDocument=json.dumps(policy),
    )


def test_permissions_that_are_missing_are_named(course: Course) -> None:
    missing = web_app.missing_permissions(course, POLICY)
    named = {line.partition(" on ")[0] for line in missing}
    assert named == {a for s in POLICY["Statement"] for a in s["Action"]}
    role = "arn:aws:iam::123456789012:role/lesson11-abc123"
    assert f"iam:CreateRole on {role}" in missing
    attach(course, POLICY)
    assert web_app.missing_permissions(course, POLICY) == []
    less = json.loads(json.dumps(POLICY))
    less["Statement"][0]["Action"].remove("iam:CreateRole")
    attach(course, less)
    assert web_app.missing_permissions(course, POLICY) == [f"iam:CreateRole on {role}"]
    handed = next(s for s in less["Statement"] if "Condition" in s)
    handed["Condition"]["StringEquals"]["iam:PassedToService"] = "ec2.amazonaws.com"
    attach(course, less)
    assert f"iam:PassRole on {role}" in web_app.missing_permissions(course, POLICY)


def test_permissions_are_those_of_who_asks(course: Course, stand_in: StandIn) -> None:
    """The execution role's do not help somebody who only hands it to SageMaker."""
    attach(course, POLICY)
    other = make_role(stand_in, [])
    me = working_as(
        course, f"sts::123456789012:assumed-role/{other.rpartition('/')[2]}/me"
    )
    assert web_app.missing_permissions(me, POLICY) != []
    # The stand-in simulates roles only, and says for whom it was asked.
    ada = working_as(course, "iam::123456789012:user/team/ada")
    with pytest.raises(ClientError, match="user/team/ada"):
        web_app.missing_permissions(ada, POLICY)
    root = working_as(course, "iam::123456789012:root")
    assert web_app.missing_permissions(root, POLICY) == []


def test_an_answer_that_is_no_json(tmp_path: Path) -> None:
    """As of something that stands where the API was."""
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=tmp_path)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/predict"
        assert web_app.post(url, {}) == (501, {})
        server.shutdown()


def test_locally_nobody_is_asked(course: Course) -> None:
    assert web_app.missing_permissions(replace(course, where="local"), POLICY) == []


def refusal(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "Not yet."}}, "CreateIt")


def test_it_tries_again_visibly_and_not_for_ever(capsys, monkeypatch) -> None:
    monkeypatch.setattr(web_app, "PAUSE_S", 0)
    answers: list[Any] = [refusal("NotYet"), refusal("NotYet"), "made"]

    def call() -> Any:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert web_app.keep_trying(call, "NotYet") == "made"
    assert capsys.readouterr().out == "Not yet. Trying again.\n" * 2
    answers[:] = [refusal("Never")]
    with pytest.raises(ClientError, match="Never"):
        web_app.keep_trying(call, "NotYet")
    answers[:] = [refusal("NotYet"), "made"]
    with pytest.raises(ClientError, match="NotYet"):
        web_app.keep_trying(call, "NotYet", patience_s=-1)
    assert capsys.readouterr().out == ""


def test_a_functions_log_is_waited_for(course: Course, monkeypatch) -> None:
    """Also if there is not even its group; in the end it is an error."""
    client = course.boto_session.client("logs")
    name = "lesson11-abc123-waits"
    group = {"logGroupName": f"/aws/lambda/{name}"}
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        logs.function_log(course.boto_session, name, "a line", wait_s=-1)

    def arrive(seconds: float) -> None:
        client.create_log_group(**group)
        stream = {**group, "logStreamName": "2026/11/26/[$LATEST]a"}
        client.create_log_stream(**stream)
        event = {"timestamp": int(time.time() * 1000), "message": "a line\n"}
        client.put_log_events(**stream, logEvents=[event])

    monkeypatch.setattr(logs.time, "sleep", arrive)
    found = logs.function_log(course.boto_session, name, "a line")
    assert [line.strip() for line in found] == ["a line"]
    assert logs.function_log(course.boto_session, name, "another", wait_s=-1) == []
    client.delete_log_group(**group)


def test_the_encoding_follows_the_lists(monkeypatch) -> None:
    """What is added or removed in one place is so in the encoding and in the table."""
    calls = make_synthetic_bank_marketing()[:500]
    calls["tractor"] = ["no", "yes"] * 250
    more = bank_marketing.BANK_CATEGORIES | {"tractor": ("no", "yes")}
    del more["day_of_week"]
    monkeypatch.setattr(bank_marketing, "BANK_CATEGORIES", more)
    table = bank_marketing.encode_bank_marketing(calls).drop(columns="y")
    encoding = bank_marketing.describe_encoding(calls, 0.5)
    assert bank_marketing.columns_of(encoding) == list(table.columns)
    assert list(table.columns)[-2:] == ["tractor_no", "tractor_yes"]
    assert not [name for name in table.columns if name.startswith("day_of_week")]
    assert encoding["threshold"] == 0.5
    customer = bank_marketing.customers_of(calls[:1])[0]
    assert customer.keys() == {field["name"] for field in encoding["fields"]}
    assert json.loads(json.dumps(encoding)) == encoding


def what_the_lesson_stores() -> dict:
    """The answer to the page's example, as lesson 11 prints it."""
    (path,) = lessons.find_lessons([screenshot.LESSON])
    (cell,) = [cell for cell in lessons.read(path).cells if cell.id == "allowed"]
    status, _, answer = cell.outputs[0].text.splitlines()[-1].partition(" ")
    assert status == "200"
    return ast.literal_eval(answer)


def test_the_stored_picture_shows_the_stored_answer() -> None:
    """If this fails: `python -m course screenshot`, and look at the picture."""
    answer = what_the_lesson_stores()
    decision = "Yes, call." if answer["call"] else "No, don't call."
    said = screenshot.text_in((screenshot.IMAGES / screenshot.PICTURE).read_bytes())
    assert said.startswith(decision)
    assert f"a probability of {100 * answer['probability']:.1f} %" in said
    assert f"from {100 * answer['threshold']:.1f} % on" in said


@pytest.mark.parametrize(
    ("name", "value", "code", "told"),
    [
        ("find_browser", lambda: None, 2, "needs Chromium or Chrome"),
        ("why_made_up", lambda paths: "No data.", 1, "made-up data. No"),
    ],
    ids=["no browser", "no data"],
)
def test_without_what_it_needs_there_is_no_picture(
    monkeypatch, tmp_path, capsys, name, value, code, told
) -> None:
    monkeypatch.setattr(screenshot, "find_browser", lambda: "/a/browser")
    monkeypatch.setattr(screenshot, name, value)
    assert screenshot.take_screenshot(tmp_path) == code
    assert told in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
