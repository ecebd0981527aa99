"""`python -m course cleanup`: what a run made is found, shown, removed, and proven so.

The resources are real ones of a stand-in. Statuses that it passes too quickly to be
seen, or does not have, come from a client that plays them.
"""

import io
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import boston
import pytest
from botocore import xform_name
from botocore.exceptions import ClientError
from conftest import session_of, stop_stand_in
from hosted import Service, archive, artifact, start_gated
from lambda_functions import put_policy, zip_of
from leftovers import snapshot

from course import cleanup
from local_aws.installation import BUCKET, HOME_VARIABLE, ROLE_ARN
from local_aws.services import own_data_loader
from utils import cleanup as of_lessons
from utils import connect
from utils.cleanup import JOB, KINDS, Kind, Part, Resource, remove_part
from utils.cost import price_of
from utils.inventory import InRegion, Item, usd_per_day

CHECKOUT = Path(__file__).resolve().parent.parent
RUN, OTHER = "a1bc23", "z9zz99"  # no words, see doubtful_runs
ENDLESS = {"num_round": "1000000", "max_depth": "2"}


class Run:
    """One run of lesson 97 on a stand-in, and how it is cleaned up in this process."""

    def __init__(self, stand_in, scratch, monkeypatch):
        self.service = Service(stand_in, models=False)
        self.gate = self.service.gate
        self.sm = self.service.sagemaker
        self.session = session_of(stand_in)
        self.place = connect.Place("AWS", "us-east-1", "123456789012", self.session, {})
        self.monkeypatch = monkeypatch
        self.scratch = scratch
        self.calls: list[str] = []
        self.refused: set[str] = set()
        events = self.session.events
        events.register("before-call.sagemaker", self._note)
        events.register("before-call.s3.DeleteObjects", self._note)
        events.register("before-call.apigatewayv2", self._refuse)
        monkeypatch.setattr(cleanup, "reach", lambda runs_on: self.place)
        monkeypatch.setattr(cleanup, "COURSE_HOME", scratch.parent.parent)
        monkeypatch.setattr(of_lessons, "SCRATCH", scratch)
        if BUCKET not in [b["Name"] for b in self.s3.list_buckets()["Buckets"]]:
            self.s3.create_bucket(Bucket=BUCKET)

    @property
    def s3(self):
        return self.service.s3

    def _note(self, model, **_):
        self.calls.append(model.name)
        self._refuse(model)

    def _refuse(self, model, **_):
        if model.name in self.refused:
            error = {"Code": "AccessDeniedException", "Message": "You may not."}
            raise ClientError({"Error": error}, model.name)

    def name(self, what, run=RUN):
        return f"lesson97-{run}-{what}"

    def put(self, key, body=b"1", run=RUN):
        prefix = f"sagemaker-course/lesson97/{run}"
        self.s3.put_object(Bucket=BUCKET, Key=f"{prefix}/{key}", Body=body)
        return f"s3://{BUCKET}/{prefix}/{key}"

    def folder(self, run=RUN):
        folder = self.scratch / f"lesson97-{run}"
        folder.mkdir(parents=True)
        (folder / "train.csv").write_text("1,2\n")
        return folder

    def model(self, what="good", content=None, run=RUN):
        uri = self.put(f"{what}.tar.gz", content or artifact(2.0), run)
        self.sm.create_model(
            ModelName=self.name(what, run),
            ExecutionRoleArn=ROLE_ARN,
            PrimaryContainer={"Image": boston.IMAGE, "ModelDataUrl": uri},
        )
        return self.name(what, run)

    def configuration(self, what, model, run=RUN, count=1):
        self.sm.create_endpoint_config(
            EndpointConfigName=self.name(what, run),
            ProductionVariants=[
                {
                    "VariantName": "Only",
                    "ModelName": model,
                    "InstanceType": "ml.m5.xlarge",
                    "InitialInstanceCount": count,
                }
            ],
        )
        return self.name(what, run)

    def endpoint(self, what, configuration, run=RUN, wait=True):
        name = self.name(what, run)
        self.sm.create_endpoint(EndpointName=name, EndpointConfigName=configuration)
        if wait:
            self.service.settled(name)
        return name

    def training_job(self, what="trains", run=RUN):
        boston.upload(self.s3, BUCKET)
        request = boston.training_request(
            BUCKET,
            self.name(what, run),
            ENDLESS,
            OutputDataConfig={"S3OutputPath": self.put("output/a", run=run)},
        )
        self.sm.create_training_job(**request)
        return self.name(what, run)

    def notebook(self, what="book", run=RUN):
        self.sm.create_notebook_instance(
            NotebookInstanceName=self.name(what, run),
            InstanceType="ml.t3.medium",
            RoleArn=ROLE_ARN,
        )

    def open_the_gate(self, after):
        """Let the endpoint settle once the command has asked about it so often.

        The first time is for the price, the second to wait. (What is being updated is
        described by the stand-in when there is news, so that there the first must do.)
        """
        asked = []

        def count(**_):
            asked.append(1)
            if len(asked) == after:
                threading.Timer(0.2, self.gate.open).start()

        self.session.events.register("before-call.sagemaker.DescribeEndpoint", count)

    def clean_up(self, *, yes=True, types=None, run=RUN, **options):
        """Exit code of the command. types: what is typed. run: None for all runs."""
        self.calls.clear()
        self.monkeypatch.setattr(sys, "stdin", io.StringIO(types or ""))
        return cleanup.clean_up(run, yes=yes, **options)

    def everything(self):
        """What exists, seen from outside, but for the data that jobs train on."""
        seen = snapshot(self.service.stand_in.client, self.scratch)
        return {item for item in seen if ": boston/" not in item}


@pytest.fixture(scope="module")
def gated_stand_in(tmp_path_factory) -> Iterator:
    home = tmp_path_factory.mktemp("gated")
    stand_in = start_gated(home)
    yield stand_in
    stop_stand_in(stand_in)


@pytest.fixture
def run(gated_stand_in, tmp_path, monkeypatch) -> Iterator[Run]:
    made = Run(gated_stand_in, tmp_path / "notebooks" / "scratch", monkeypatch)
    before = made.everything()
    yield made
    made.clean_up(run=OTHER)
    made.clean_up(run=None, delete=True)
    assert made.everything() <= before


# --- finding, showing, asking ---------------------------------------------------------


def test_it_shows_what_there_is_with_its_price_per_day(run, capsys):
    run.put("train/train.csv", b"x" * 20_000)
    run.folder()
    run.model()
    run.notebook()
    configuration = run.configuration("pair", run.name("good"), count=2)
    run.endpoint("front", configuration)
    assert run.clean_up(yes=False, types="no\n") == 1
    printed = capsys.readouterr().out.replace("under a day old", "NEW")
    assert printed.splitlines()[:5] == [
        "Run a1bc23 on AWS, Region us-east-1, account ending in 9012:",
        "  endpoint: lesson97-a1bc23-front (InService), NEW: 11.04 USD a day",
        "  endpoint configuration: lesson97-a1bc23-pair, NEW: 0 USD a day",
        "  model: lesson97-a1bc23-good, NEW: 0 USD a day",
        "  notebook instance: lesson97-a1bc23-book (InService), NEW: 1.22 USD a day",
    ]
    assert "  2 objects, 0.02 MB: s3://" in printed
    folder = "  local folder: notebooks/scratch/lesson97-a1bc23: on your own disk\n"
    assert folder in printed
    read_on = min(
        price_of("ml.m5.xlarge", "hosting").read_on,
        price_of("ml.t3.medium", "notebook").read_on,
    )
    assert (
        "an estimated 12.26 USD a day on AWS (us-east-1, price list of "
        f"{read_on})." in printed
    )
    assert printed.endswith("Nothing was removed.\n")


@pytest.mark.parametrize("typed", ["no\n", "", "\n", "maybe\n", "yes please\n"])
def test_only_a_yes_is_one(monkeypatch, typed):
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    assert not cleanup._agreed()


def test_without_a_yes_everything_stays(run, capsys):
    run.put("a.csv")
    before = run.everything()
    assert run.clean_up(yes=False, types="") == 1
    assert run.everything() == before
    printed = capsys.readouterr().out
    assert "There was no answer; --yes (to make: ARGS=--yes) removes" in printed
    assert printed.endswith("Nothing was removed.\n")
    assert run.clean_up(yes=False, types="YES\n") == 0


def test_what_belongs_to_others_is_not_touched(run, capsys):
    """Another run, and names that only look alike."""
    run.model(run=OTHER)
    run.folder(run=OTHER)
    alike = ["mylesson97-a1bc23-x", f"lesson97-{RUN}x-y", f"x-{RUN}-lesson97", RUN]
    uri = run.put("good.tar.gz", run=OTHER)
    container = {"Image": boston.IMAGE, "ModelDataUrl": uri}
    for name in alike:
        run.sm.create_model(
            ModelName=name, ExecutionRoleArn=ROLE_ARN, PrimaryContainer=container
        )
    others = [f"sagemaker-course/lesson97/{RUN}x/a.csv", f"{RUN}/a.csv"]
    others.append(f"sagemaker-course/lessons-of-others/{RUN}/a.csv")
    for key in others:
        run.s3.put_object(Bucket=BUCKET, Key=key, Body=b"1")
    before = run.everything()
    run.model()
    run.folder()
    assert run.clean_up() == 0
    assert run.everything() == before
    for name in alike:
        run.sm.delete_model(ModelName=name)
    for key in others:
        run.s3.delete_object(Bucket=BUCKET, Key=key)


def test_a_runs_own_bucket_goes_with_what_is_in_it(run, capsys):
    """And buckets that only look alike stay, with what is in them."""
    own = run.name("sagemaker")
    alike = [
        f"my-{own}",
        f"lesson97-{RUN}x-sagemaker",
        f"lesson97-{OTHER}-{RUN}",
        f"sagemaker-{RUN}",
        f"lesson97{RUN}-sagemaker",
        run.name("data"),
    ]
    for bucket in [own, *alike]:
        run.s3.create_bucket(Bucket=bucket)
        run.s3.put_object(Bucket=bucket, Key=f"a/{RUN}/b.csv", Body=b"x" * 20_000)
    before = run.everything()
    assert run.clean_up(yes=False) == 1
    assert f"  bucket: {own} (1 object, 0.02 MB), " in capsys.readouterr().out
    assert run.everything() == before
    assert run.clean_up() == 0
    assert f"bucket: {own} ... removed" in capsys.readouterr().out
    names = [bucket["Name"] for bucket in run.s3.list_buckets()["Buckets"]]
    assert set(names) & {own, *alike} == set(alike)
    for bucket in alike:
        run.s3.delete_object(Bucket=bucket, Key=f"a/{RUN}/b.csv")
        run.s3.delete_bucket(Bucket=bucket)


def make_web_app(run, what, run_id=RUN):
    """A role with a policy, a function, its log group and an API; their names."""
    stand_in, name = run.service.stand_in, run.name(what, run_id)
    iam = stand_in.client("iam")
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}}
    statement = trust | {"Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]
    put_policy(stand_in, role["Arn"], ["logs:*"])
    stand_in.client("lambda").create_function(
        FunctionName=name,
        Runtime="python3.13",
        Role=role["Arn"],
        Handler="a.b",
        Code={"ZipFile": zip_of({"a.py": ""})},
    )
    stand_in.client("logs").create_log_group(logGroupName=f"/aws/lambda/{name}")
    stand_in.client("apigatewayv2").create_api(Name=name, ProtocolType="HTTP")
    group = f"log group: /aws/lambda/{name}"
    return {f"role: {name}", f"function: {name}", f"HTTP API: {name}", group}


def test_a_web_app_goes_from_the_outside_to_the_inside(run, capsys):
    ours = make_web_app(run, "app")
    others = make_web_app(run, "app", OTHER)
    assert ours | others <= run.everything()
    assert run.clean_up() == 0
    assert not ours & run.everything()
    assert others <= run.everything()
    name = run.name("app")
    lines = [
        line.strip()
        for line in capsys.readouterr().out.splitlines()
        if line.endswith("... removed")
    ]
    group = f"log group: /aws/lambda/{name}"
    parts = [f"HTTP API: {name}", f"function: {name}", group, f"role: {name}"]
    assert lines == [f"{part} ... removed" for part in parts]


NOT_LISTED = "You may not list HTTP APIs in us-east-1, so these were not looked for"


def test_who_may_not_list_apis_is_told_that_they_were_not_looked_for(run, capsys):
    """The rest goes, and the exit code says that nobody knows whether that is all."""
    run.name = lambda what, run_id=RUN: f"lesson11-{run_id}-{what}"
    api = f"HTTP API: {run.name('app')}"
    others = make_web_app(run, "app") - {api}
    run.refused = {"GetApis"}
    assert run.clean_up() == 2
    shown = capsys.readouterr()
    assert NOT_LISTED in " ".join(shown.err.split())
    assert f"Nothing that could be looked for is left of run {RUN}" in shown.out
    assert not others & run.everything()
    assert api in run.everything()
    assert run.clean_up() == 3  # only what it may not list is left
    assert NOT_LISTED in " ".join(capsys.readouterr().err.split())
    run.refused = set()
    assert run.clean_up() == 0
    assert api not in run.everything()


def test_who_runs_another_lesson_need_not_be_allowed_to_list_apis(run, capsys):
    run.model()
    run.refused = {"GetApis"}
    assert run.clean_up() == 0
    assert "HTTP API" not in capsys.readouterr().err


def test_a_bucket_that_is_still_listed_after_its_deletion_is_gone(run):
    """S3's list of buckets may lag behind."""
    listed = {"Buckets": [{"Name": run.name("sagemaker")}]}

    class Late:
        def client(self, service):
            s3 = run.session.client(service)
            s3.list_buckets = lambda: listed
            return s3

    assert of_lessons.buckets_of(Late(), RUN) == []
    run.s3.create_bucket(Bucket=run.name("sagemaker"))
    assert of_lessons.buckets_of(Late(), RUN) == [run.name("sagemaker")]


@pytest.mark.parametrize(
    ("where", "looked", "other"),
    [
        ("AWS", "on AWS, Region us-east-1, account ending in 9012", "local"),
        ("local", "on the stand-in for AWS", "aws"),
    ],
)
def test_an_id_that_no_run_has_is_no_success(run, capsys, where, looked, other):
    """A typo must not read as "all is clean": another run's things are there."""
    run.model(run=OTHER)
    run.folder(run=OTHER)
    account = run.place.account
    run.place = connect.Place(where, "us-east-1", account, run.session, {})
    assert run.clean_up() == 3
    printed = capsys.readouterr()
    assert printed.out == ""
    first, second, third = printed.err.splitlines()
    assert first == (
        f'Found nothing of a run with the id "a1bc23": neither {looked} nor in '
        "notebooks/scratch on this machine."
    )
    assert "compare the id" in second
    assert f", add --runs-on {other} " in third
    assert third.endswith(f'(to make: ARGS="--runs-on {other}").')


def test_a_run_that_was_removed_is_not_found_again(run, capsys):
    run.model()
    assert run.clean_up() == 0
    assert "Nothing of run a1bc23 is left on AWS" in capsys.readouterr().out
    assert run.clean_up() == 3


def test_no_bucket_and_no_price_are_no_obstacles(run, capsys):
    place = run.place
    run.place = connect.Place("local", "us-east-1", "000000000000", run.session, {})
    configuration = run.configuration("odd", run.model())
    run.sm.create_endpoint_config(
        EndpointConfigName=run.name("dear"),
        ProductionVariants=[
            {
                "VariantName": "Only",
                "ModelName": run.name("good"),
                "InstanceType": "ml.p4d.24xlarge",
                "InitialInstanceCount": 1,
            }
        ],
    )
    run.endpoint("front", run.name("dear"))
    assert run.clean_up(yes=False) == 1
    printed = capsys.readouterr().out
    assert "front (InService), under a day old: price unknown" in printed
    assert "Here, on the stand-in for AWS, it costs nothing." in printed
    assert configuration in printed
    run.place = place


# --- removing -------------------------------------------------------------------------


def changes(calls: list[str]) -> list[str]:
    """The calls that change something, each once, in their order."""
    return list(
        dict.fromkeys(c for c in calls if c.startswith(("Stop", "Delete", "Update")))
    )


def test_everything_goes_in_the_right_order(run, capsys):
    run.notebook()
    run.folder()
    run.endpoint("front", run.configuration("config", run.model()))
    job = run.training_job()
    assert run.clean_up() == 0
    assert changes(run.calls) == [
        "StopTrainingJob",
        "DeleteEndpoint",
        "DeleteEndpointConfig",
        "DeleteModel",
        "StopNotebookInstance",
        "DeleteNotebookInstance",
        "DeleteObjects",
    ]
    # Each is over before the next begins.
    deleted = run.calls.index("DeleteEndpoint")
    assert "DescribeEndpoint" in run.calls[deleted:]
    description = run.sm.describe_training_job(TrainingJobName=job)
    assert description["TrainingJobStatus"] == "Stopped"
    assert not run.scratch.exists() or not list(run.scratch.iterdir())
    printed = capsys.readouterr().out
    assert "FAILED" not in printed
    assert "Nothing of run a1bc23 is left on AWS" in printed
    assert "the records of ended jobs" in printed.splitlines()[-1]


def test_an_endpoint_that_is_being_created_is_waited_for(run, capsys):
    with run.gate.closed():
        name = run.endpoint("new", run.configuration("c", run.model()), wait=False)
        run.gate.wait_for(1)
        with pytest.raises(ClientError, match="Cannot update in-progress"):
            run.sm.delete_endpoint(EndpointName=name)
        run.open_the_gate(after=2)
        assert run.clean_up() == 0
    printed = capsys.readouterr().out
    assert f"endpoint: {name} (Creating)" in printed
    assert "FAILED" not in printed


def test_an_endpoint_that_is_being_updated_is_waited_for(run, capsys):
    model = run.model()
    name = run.endpoint("old", run.configuration("first", model))
    with run.gate.closed():
        second = run.configuration("second", model)
        run.sm.update_endpoint(EndpointName=name, EndpointConfigName=second)
        run.gate.wait_for(1)
        run.open_the_gate(after=1)
        assert run.clean_up() == 0
    printed = capsys.readouterr().out
    assert f"endpoint: {name} (Updating)" in printed
    assert "FAILED" not in printed


def test_a_failed_endpoint_and_one_without_its_configuration_go(run, capsys):
    broken = run.model("broken", archive({"xgboost-model": b"none"}))
    failed = run.endpoint("failed", run.configuration("c", broken))
    assert run.service.settled(failed)["EndpointStatus"] == "Failed"
    run.endpoint("bare", run.configuration("d", run.model()))
    run.sm.delete_endpoint_config(EndpointConfigName=run.name("d"))
    run.sm.delete_model(ModelName=run.name("good"))
    assert run.clean_up() == 0
    printed = capsys.readouterr().out
    assert f"{failed} (Failed), under a day old: at most 5.52 USD a day" in printed
    assert "bare (InService), under a day old: price unknown" in printed


def test_a_stopped_notebook_instance_goes_and_costs_its_disk(run, capsys):
    run.notebook()
    run.sm.stop_notebook_instance(NotebookInstanceName=run.name("book"))
    assert run.clean_up() == 0
    assert "StopNotebookInstance" not in run.calls
    assert "(Stopped), under a day old: 0.02 USD a day" in capsys.readouterr().out


def test_a_running_transform_job_is_stopped(run):
    model = run.model()
    uri = run.put("rows.csv", b"1,2\n" * 10)
    with run.gate.closed():
        run.sm.create_transform_job(
            TransformJobName=run.name("batch"),
            ModelName=model,
            TransformInput={
                "DataSource": {
                    "S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": uri}
                },
                "ContentType": "text/csv",
            },
            TransformOutput={"S3OutputPath": f"{uri}.out"},
            TransformResources={"InstanceType": "ml.m5.xlarge", "InstanceCount": 1},
        )
        run.gate.wait_for(1)
        assert run.clean_up() == 0
        run.gate.open()
    assert "StopTransformJob" in run.calls
    described = run.sm.describe_transform_job(TransformJobName=run.name("batch"))
    assert described["TransformJobStatus"] == "Stopped"


def test_what_others_end_meanwhile_is_no_failure(run, capsys):
    """A job that is stopped and a model that is deleted after the command's listing."""
    first, second = run.training_job("a"), run.training_job("b")
    model = run.model()
    once = []

    def end_them(**_):
        if not once:
            once.append(1)
            for job in (first, second):
                run.sm.stop_training_job(TrainingJobName=job)
                ended = run.sm.get_waiter("training_job_completed_or_stopped")
                ended.wait(TrainingJobName=job, WaiterConfig={"Delay": 1})
            run.sm.delete_model(ModelName=model)

    run.session.events.register("before-call.sagemaker.StopTrainingJob", end_them)
    assert run.clean_up() == 0
    printed = capsys.readouterr().out
    assert once
    assert "FAILED" not in printed
    assert f"training job: {second} ... removed" in printed


def test_what_was_not_shown_is_not_removed(run, capsys):
    """What appears after the question was not agreed to."""
    run.configuration("shown", run.model("shown"))
    late = []

    def agree():
        late.append(run.model("late"))
        return True

    run.monkeypatch.setattr(cleanup, "_agreed", agree)
    assert run.clean_up(yes=False) == 1
    names = [m["ModelName"] for m in run.sm.list_models(NameContains=RUN)["Models"]]
    assert names == late
    left = capsys.readouterr().out.partition("Left:\n")[2]
    assert f"  model: {late[0]}, " in left


def test_folders_of_the_run_are_found_and_no_others(run):
    """Whole names, real folders."""
    run.folder()
    mine = [run.scratch / name for name in (f"lesson97-{RUN}", f"lessonA-{RUN}")]
    mine[1].mkdir()
    for name in ("lessons-of-others-", "lesson97-x", "my-lesson97-", "lesson-"):
        (run.scratch / f"{name}{RUN}").mkdir()
    (run.scratch / f"lesson97-{RUN}x").mkdir()
    (run.scratch / f"lesson96-{RUN}").write_text("a file")
    (run.scratch / f"lesson95-{RUN}").symlink_to(mine[0])
    assert of_lessons.folders_of(RUN) == mine
    shutil.rmtree(run.scratch)


def test_an_endpoint_costs_what_runs_now(run):
    """Three instances run, though the configuration asks for one."""
    configuration = run.configuration("one", run.model())
    name = run.endpoint("front", configuration)
    run.sm.update_endpoint_weights_and_capacities(
        EndpointName=name,
        DesiredWeightsAndCapacities=[
            {"VariantName": "Only", "DesiredInstanceCount": 3}
        ],
    )
    run.service.settled(name)
    (endpoint,) = [
        r for r in of_lessons.resources_of(run.session, RUN) if r.name == name
    ]
    usd, _ = usd_per_day(InRegion(run.session, "us-east-1"), endpoint)
    assert usd == pytest.approx(
        3 * 24 * price_of("ml.m5.xlarge", "hosting").usd_per_hour
    )


def test_more_objects_than_one_request_takes(run):
    run.monkeypatch.setattr(of_lessons, "BATCH", 2)
    for number in range(5):
        run.put(f"many/{number}")
    assert run.clean_up() == 0
    assert run.calls.count("DeleteObjects") == 3


def test_an_error_in_the_middle_is_told_and_the_rest_goes_on(run, capsys):
    run.put("a.csv")
    run.configuration("config", run.model())
    run.refused = {"DeleteEndpointConfig"}
    assert run.clean_up() == 1
    printed = capsys.readouterr().out
    assert "FAILED: An error occurred (AccessDeniedException)" in printed
    assert {"DeleteModel", "DeleteObjects"} <= set(run.calls)
    left = printed.partition("Left:\n")[2].splitlines()
    assert left == [
        "Run a1bc23 on AWS, Region us-east-1, account ending in 9012:",
        "  endpoint configuration: lesson97-a1bc23-config, under a day old: 0 USD a "
        "day",
    ]
    run.refused = set()
    assert run.clean_up() == 0


def test_an_endpoint_that_stays_keeps_what_it_is_made_of(run, capsys):
    run.folder()
    run.endpoint("front", run.configuration("config", run.model()))
    run.model(run=OTHER)
    run.refused = {"DeleteEndpoint"}
    assert run.clean_up() == 1
    assert changes(run.calls) == ["DeleteEndpoint"]
    printed = capsys.readouterr().out
    kept = "kept for the endpoint that is still there"
    assert f"model: lesson97-a1bc23-good ... {kept}\n" in printed
    assert "local folder: notebooks/scratch/lesson97-a1bc23 ... removed" in printed
    left = printed.partition("Left:\n")[2]
    assert "lesson97-a1bc23-front (InService), under a day old: 5.52 USD a day" in left
    # Another run's model is no part of it.
    assert run.clean_up(run=OTHER) == 0
    run.refused = set()
    assert run.clean_up() == 0


def test_objects_that_s3_keeps_are_told(run, capsys):
    run.put("a.csv")

    def keep(parsed, **_):
        parsed["Errors"] = [{"Key": "kept/a.csv", "Code": "AccessDenied"}]

    run.session.events.register("after-call.s3.DeleteObjects", keep)
    run.clean_up()
    assert "FAILED: kept/a.csv: AccessDenied" in capsys.readouterr().out


class Played:
    """A client for one resource, whose statuses are played one after the other.

    Each Describe returns the next one; None is "it is gone". refuses: a verb.
    """

    def __init__(self, kind: Kind, statuses: list, refuses: str = "") -> None:
        self.kind, self.statuses, self.calls = kind, statuses, []
        self.refuses = refuses

    def __getattr__(self, method: str):
        verb = method.partition("_")[0]

        def call(**named):
            assert list(named) == [f"{self.kind.noun}Name"]
            self.calls.append(verb)
            if verb == "describe":
                status = self.statuses.pop(0)
                if status is None:
                    message = 'Could not find it "arn".'
                    error = {"Code": "ValidationException", "Message": message}
                    raise ClientError({"Error": error}, method)
                return {f"{self.kind.noun}Status": status}
            if verb == self.refuses:
                error = {"Code": "ValidationException", "Message": "Not now."}
                raise ClientError({"Error": error}, method)
            return {}

        return call


BY_NOUN = {kind.noun: kind for kind in KINDS}


def removed(noun: str, statuses: str, refuses: str = "", found: str = "") -> list[str]:
    """What is called to remove a resource with these statuses ("-": it is gone)."""
    played = [None if status == "-" else status for status in statuses.split()]
    client = Played(BY_NOUN[noun], played, refuses)
    found = found or statuses.split()[0]
    cleanup._remove_resource(client, Resource(BY_NOUN[noun], "it", found))
    assert client.statuses == [], "not waited until it was over"
    return [call for call in client.calls if call != "describe"]


# What is removed: a kind, the statuses that it goes through ("-": it is gone), what is
# called. It is found in the first one.
PLAYED = [
    (
        "NotebookInstance",
        "Pending Pending InService Stopping Stopped Deleting -",
        ["stop", "delete"],
    ),
    ("NotebookInstance", "InService Stopping Failed -", ["stop", "delete"]),
    ("NotebookInstance", "Stopping Stopping Stopped Deleting -", ["delete"]),
    ("NotebookInstance", "Stopped -", ["delete"]),
    ("NotebookInstance", "Failed -", ["delete"]),
    ("NotebookInstance", "Deleting Deleting -", []),
    ("Endpoint", "Creating Creating Failed Deleting -", ["delete"]),
    ("Endpoint", "Creating -", []),
    ("Endpoint", "Updating RollingBack InService Deleting -", ["delete"]),
    ("Endpoint", "RollingBack InService -", ["delete"]),
    ("Endpoint", "SystemUpdating InService Deleting -", ["delete"]),
    ("Endpoint", "InService Deleting -", ["delete"]),
    ("Endpoint", "Failed -", ["delete"]),
    ("Endpoint", "Deleting Deleting -", []),
    ("HyperParameterTuningJob", "InProgress Stopping Stopped", ["stop"]),
    ("HyperParameterTuningJob", "Stopping Stopping Stopped", []),
    ("TrainingJob", "InProgress Stopping Stopping Stopped", ["stop"]),
    ("TrainingJob", "Stopping Stopping Stopped", []),
    ("TransformJob", "InProgress Completed", ["stop"]),
    ("TransformJob", "Stopping Stopped", []),
]
# Models and configurations have no status; the tests above remove real ones.
REMOVED_HERE = {(noun, statuses.split()[0]) for noun, statuses, _ in PLAYED}
REMOVED_HERE |= {("EndpointConfig", ""), ("Model", "")}


@pytest.mark.parametrize(("noun", "statuses", "changes"), PLAYED)
def test_each_status_is_left_as_aws_wants_it(monkeypatch, noun, statuses, changes):
    monkeypatch.setattr(cleanup.time, "sleep", lambda seconds: None)
    assert removed(noun, statuses) == changes


@pytest.mark.parametrize(
    ("noun", "found", "statuses", "changes"),
    [
        # While others were removed, which takes minutes, it went on.
        ("TrainingJob", "InProgress", "Stopped", []),
        ("TransformJob", "InProgress", "Stopping Stopping Completed", []),
        ("NotebookInstance", "InService", "Stopped -", ["delete"]),
        ("NotebookInstance", "InService", "-", []),
        ("Endpoint", "InService", "-", []),
        ("Endpoint", "InService", "Updating Updating Failed -", ["delete"]),
    ],
)
def test_what_counts_is_the_status_of_now(monkeypatch, noun, found, statuses, changes):
    monkeypatch.setattr(cleanup.time, "sleep", lambda seconds: None)
    assert removed(noun, statuses, found=found) == changes


@pytest.mark.parametrize(
    ("noun", "statuses", "refused"),
    [
        # It ended between the question and the call.
        ("TrainingJob", "InProgress Completed Completed", "stop"),
        ("Endpoint", "InService - -", "delete"),
        ("Endpoint", "InService Deleting Deleting -", "delete"),
    ],
)
def test_a_refusal_of_what_is_over_is_none(monkeypatch, noun, statuses, refused):
    monkeypatch.setattr(cleanup.time, "sleep", lambda seconds: None)
    assert removed(noun, statuses, refused) == [refused]


@pytest.mark.parametrize(
    ("noun", "statuses", "refused"),
    [
        ("TrainingJob", "InProgress InProgress", "stop"),
        ("Endpoint", "InService InService", "delete"),
        ("Endpoint", "InService Updating", "delete"),
        ("NotebookInstance", "Stopped Pending", "delete"),
    ],
)
def test_another_refusal_is_an_error(monkeypatch, noun, statuses, refused):
    monkeypatch.setattr(cleanup.time, "sleep", lambda seconds: None)
    with pytest.raises(ClientError, match="Not now"):
        removed(noun, statuses, refused)


# Messages that AWS gives for a name that nothing has, by operation.
@pytest.mark.parametrize(
    ("code", "message", "gone"),
    [
        ("ResourceNotFound", "Anything.", True),
        ("ValidationException", 'Could not find endpoint "arn".', True),
        ("ValidationException", "RecordNotFound", True),
        ("ValidationException", "Requested resource not found.", True),
        ("ValidationException", "Cannot update in-progress endpoint.", False),
        ("AccessDeniedException", "Could not find a policy.", False),
    ],
)
def test_what_is_gone_is_told_from_what_is_refused(code, message, gone):
    error = ClientError({"Error": {"Code": code, "Message": message}}, "Describe")
    assert cleanup._is_gone(error) == gone


def test_waiting_has_an_end(monkeypatch):
    monkeypatch.setattr(cleanup.time, "sleep", lambda seconds: None)
    monkeypatch.setattr(cleanup, "PATIENCE_S", 0)
    client = Played(BY_NOUN["Endpoint"], ["Creating"] * 99)
    endpoint = Resource(BY_NOUN["Endpoint"], "it", "Creating")
    with pytest.raises(TimeoutError, match="still Creating"):
        cleanup._remove_resource(client, endpoint)
    assert "delete" not in client.calls


# --- all runs -------------------------------------------------------------------------

STARTED = ["q1w2e3", "p0o9i8", "m7n6b5"]  # run ids with a digit
WORD = "design"  # six letters, as a run id may be and a word
LONG_AGO = "2026-01-01"


def leave(run, run_id, region="us-east-1"):
    """Things of a run, in a Region: two records, a log group and an object."""
    stand_in = run.service.stand_in
    sm = stand_in.client("sagemaker", region)
    bucket = f"sagemaker-{region}-123456789012"
    s3 = stand_in.client("s3", region)
    key = f"sagemaker-course/lesson97/{run_id}/good.tar.gz"
    s3.put_object(Bucket=bucket, Key=key, Body=artifact(2.0))
    sm.create_model(
        ModelName=run.name("kept", run_id),
        ExecutionRoleArn=ROLE_ARN,
        PrimaryContainer={
            "Image": boston.IMAGE,
            "ModelDataUrl": f"s3://{bucket}/{key}",
        },
    )
    variant = {
        "VariantName": "Only",
        "ModelName": run.name("kept", run_id),
        "InstanceType": "ml.m5.xlarge",
        "InitialInstanceCount": 1,
    }
    sm.create_endpoint_config(
        EndpointConfigName=run.name("kept", run_id), ProductionVariants=[variant]
    )
    group = f"/aws/sagemaker/Endpoints/{run.name('kept', run_id)}"
    stand_in.client("logs", region).create_log_group(logGroupName=group)


def make_budget(run, name):
    run.service.stand_in.client("budgets").create_budget(
        AccountId="123456789012",
        Budget={
            "BudgetName": name,
            "BudgetType": "COST",
            "TimeUnit": "MONTHLY",
            "BudgetLimit": {"Amount": "5", "Unit": "USD"},
        },
    )


def look_alikes(run_id):
    """Names of others: the course's prefix, a run id in the middle, other marks."""
    return [
        f"my-lesson97-{run_id}-x",
        f"lesson97-{run_id}x-y",
        f"lesson97{run_id}-x",
        f"lesson-{run_id}-x",
        f"lesson977-{run_id}-x",
        f"lessons-97-{run_id}",
        f"x-{run_id}-lesson97",
        f"lesson97-team-{run_id}",
        "lesson97-week02-sagemaker",
    ]


@pytest.fixture
def others(run):
    """Sixty things of somebody else, of each kind, that only look alike."""
    stand_in = run.service.stand_in
    iam, logs = stand_in.client("iam"), stand_in.client("logs")
    apis, budgets = stand_in.client("apigatewayv2"), stand_in.client("budgets")
    uri = f"s3://{BUCKET}/others/good.tar.gz"
    run.s3.put_object(Bucket=BUCKET, Key="others/good.tar.gz", Body=artifact(2.0))
    nobody = json.dumps({"Version": "2012-10-17", "Statement": []})
    made, ids = look_alikes(RUN), []
    for name in made:
        run.sm.create_model(
            ModelName=name,
            ExecutionRoleArn=ROLE_ARN,
            PrimaryContainer={"Image": boston.IMAGE, "ModelDataUrl": uri},
            Tags=[{"Key": "course", "Value": run.name("x")}],
        )
        variant = {
            "VariantName": "Only",
            "ModelName": name,
            "InstanceType": "ml.m5.xlarge",
            "InitialInstanceCount": 1,
        }
        run.sm.create_endpoint_config(
            EndpointConfigName=name, ProductionVariants=[variant]
        )
        role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=nobody)["Role"]
        put_policy(stand_in, role["Arn"], ["logs:*"])
        run.s3.create_bucket(Bucket=name)
        run.s3.put_object(Bucket=name, Key=f"sagemaker-course/lesson97/{RUN}/a")
        logs.create_log_group(logGroupName=f"/aws/lambda/{name}")
        ids.append(apis.create_api(Name=name, ProtocolType="HTTP")["ApiId"])
        make_budget(run, name)
    endpoints = made[:2]
    for name in endpoints:
        run.sm.create_endpoint(EndpointName=name, EndpointConfigName=name)
        run.service.settled(name)
    keys = [f"sagemaker-course/lesson97/{RUN}x/a", f"sagemaker-course/lessons/{RUN}/a"]
    keys += [f"sagemaker-course/{RUN}/a", f"lesson97/{RUN}/a"]
    for key in keys:
        run.s3.put_object(Bucket=BUCKET, Key=key, Body=b"1")
    yield
    for name in endpoints:
        run.sm.delete_endpoint(EndpointName=name)
        run.sm.get_waiter("endpoint_deleted").wait(EndpointName=name)
    for name, api in zip(made, ids, strict=True):
        run.sm.delete_endpoint_config(EndpointConfigName=name)
        run.sm.delete_model(ModelName=name)
        iam.delete_role_policy(RoleName=name, PolicyName="actions")
        iam.delete_role(RoleName=name)
        run.s3.delete_object(Bucket=name, Key=f"sagemaker-course/lesson97/{RUN}/a")
        run.s3.delete_bucket(Bucket=name)
        logs.delete_log_group(logGroupName=f"/aws/lambda/{name}")
        apis.delete_api(ApiId=api)
        budgets.delete_budget(AccountId="123456789012", BudgetName=name)
    for key in [*keys, "others/good.tar.gz"]:
        run.s3.delete_object(Bucket=BUCKET, Key=key)


def forty_things(run):
    """What three runs left: of each kind, a role with policies, a full bucket."""
    stand_in = run.service.stand_in
    for run_id in STARTED:
        leave(run, run_id)
        run.folder(run_id)
        make_web_app(run, "app", run_id)
        make_budget(run, run.name("month", run_id))
    name = run.name("app", STARTED[0])
    iam = stand_in.client("iam")
    arn = "arn:aws:iam::aws:policy/ReadOnlyAccess"
    iam.attach_role_policy(RoleName=name, PolicyArn=arn)
    # Killed in the middle of things.
    run.endpoint("front", run.name("kept", STARTED[1]), STARTED[1])
    run.training_job(run=STARTED[2])
    run.notebook(run=STARTED[2])
    own = run.name("sagemaker", STARTED[0])
    run.s3.create_bucket(Bucket=own)
    on = {"Status": "Enabled"}
    run.s3.put_bucket_versioning(Bucket=own, VersioningConfiguration=on)
    for _ in range(2):
        run.s3.put_object(Bucket=own, Key="a.csv", Body=b"1")
    run.s3.delete_object(Bucket=own, Key="a.csv")
    run.s3.create_multipart_upload(Bucket=own, Key="big")
    key = f"sagemaker-course/lesson97/{STARTED[1]}/big"
    run.s3.create_multipart_upload(Bucket=BUCKET, Key=key)


def versions_and_uploads(run):
    """What no list of objects shows."""
    uploads = run.s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])
    return {item["Key"] for item in uploads}


def logs_of_endpoints(run, region="us-east-1"):
    groups = run.service.stand_in.client("logs", region).describe_log_groups(
        logGroupNamePrefix="/aws/sagemaker/Endpoints/lesson97"
    )["logGroups"]
    return {group["logGroupName"] for group in groups}


def test_all_runs_are_found_and_removed_and_nothing_else(run, others, capsys):
    """An account with a hundred things, of which some forty are the course's."""
    before = run.everything()
    logs = logs_of_endpoints(run)
    forty_things(run)
    with_ours = run.everything()
    assert len(before) >= 55
    assert run.clean_up(run=None) == 0
    printed = capsys.readouterr().out
    assert run.everything() == with_ours
    assert not {"DeleteModel", "StopTrainingJob", "DeleteObjects"} & set(run.calls)
    assert "this was a dry run" in printed
    assert "python -m course cleanup week02" in printed
    # The run that costs most comes first.
    assert printed.startswith(f"Run {STARTED[1]} on AWS")
    assert all(f"Run {run_id} on AWS, Region" in printed for run_id in STARTED)
    assert "things of 3 runs." in printed
    name = run.name("front", STARTED[1])
    assert f"  endpoint: {name} (InService), under a day old: 5.52 USD a day" in printed
    assert "billed by its size" in printed
    assert run.clean_up(run=None, delete=True, yes=False, types="no\n") == 1
    assert run.everything() == with_ours
    assert run.clean_up(run=None, delete=True) == 0
    printed = capsys.readouterr()
    assert "FAILED" not in printed.out, printed.out
    assert printed.err == ""
    assert "Nothing of the course is left on AWS" in printed.out
    assert run.everything() == before
    assert not versions_and_uploads(run)
    assert logs_of_endpoints(run) <= logs
    assert run.clean_up(run=None, delete=True) == 0
    assert "Found nothing that a run has left" in capsys.readouterr().out


def test_regions_are_looked_through_as_they_are_named(run, capsys):
    west = "eu-west-1"
    stand_in = run.service.stand_in
    bucket = f"sagemaker-{west}-123456789012"
    stand_in.client("s3", west).create_bucket(
        Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": west}
    )
    leave(run, STARTED[0])
    leave(run, STARTED[1], west)

    def models(region):
        found = stand_in.client("sagemaker", region).list_models(NameContains="kept")
        return [model["ModelName"] for model in found["Models"]]

    assert run.clean_up(run=STARTED[1], regions=["us-east-1"]) == 3
    assert run.clean_up(run=None, delete=True) == 0
    assert (models("us-east-1"), models(west)) == ([], [run.name("kept", STARTED[1])])
    leave(run, STARTED[0])
    capsys.readouterr()
    both = ["us-east-1", west, west]
    assert run.clean_up(run=None, regions=both) == 0
    printed = capsys.readouterr().out
    assert f"Run {STARTED[1]} on AWS, Regions us-east-1, {west}, account" in printed
    assert f"  model: {run.name('kept', STARTED[1])} in {west}, under a" in printed
    assert run.clean_up(run=None, regions=both, delete=True) == 0
    assert models("us-east-1") == models(west) == []
    assert not logs_of_endpoints(run, west)
    stand_in.client("s3", west).delete_bucket(Bucket=bucket)


@pytest.mark.parametrize("region", ["us-esat-1", "mars", "us-east-1a"])
def test_a_region_with_a_slip_in_it_is_told(run, capsys, region):
    """Nothing would be found there, which must not read as "all is clean"."""
    assert run.clean_up(run=None, regions=["us-east-1", region]) == 2
    assert capsys.readouterr().err == (
        f'boto3 knows no Region "{region}" that has SageMaker.\n'
    )


def test_a_word_is_not_taken_for_a_run_id(run, capsys):
    """Of a run id without a digit there must be files, or its owner has to name it."""
    run.put("a.csv", run=OTHER)
    model = run.model(run=OTHER)
    name = f"lesson97-{WORD}-sagemaker"
    run.s3.create_bucket(Bucket=name)
    assert run.clean_up(run=None, delete=True) == 0
    printed = capsys.readouterr().out
    assert f"model: {model} ... removed" in printed
    assert f"bucket: {name} ... removed" not in printed
    assert f"python -m course cleanup {WORD}" in printed
    assert name in [bucket["Name"] for bucket in run.s3.list_buckets()["Buckets"]]
    assert run.clean_up(run=None) == 0
    assert "Only the names look like the course's" in capsys.readouterr().out
    assert run.clean_up(run=WORD) == 0
    # With a file of the run, it is one.
    run.model(run=WORD)
    assert run.clean_up(run=None, delete=True) == 0
    assert "may be a run id" not in capsys.readouterr().out


@pytest.fixture
def refuse(run):
    """Refuse operations, as "service.Operation", until the test ends."""
    made = []

    def start(*operations, code="AccessDeniedException"):
        for name in operations:
            service, _, operation = name.partition(".")
            error = {"Error": {"Code": code, "Message": "You may not."}}

            def answer(error=error, operation=operation, **_):
                raise ClientError(error, operation)

            events = run.session.client(service, region_name="us-east-1").meta.events
            events.register_first(f"before-call.{name}", answer)
            made.append((events, f"before-call.{name}", answer))

    yield start
    for events, event, answer in made:
        events.unregister(event, answer)


def test_a_service_that_may_not_be_asked_is_told_and_the_rest_goes_on(
    run, capsys, refuse
):
    leave(run, STARTED[0])
    name = make_web_app(run, "app", STARTED[0])
    refuse("lambda.ListFunctions", "budgets.DescribeBudgets")
    assert run.clean_up(run=None) == 2
    told = capsys.readouterr().err
    assert "You may not list functions in us-east-1, budgets, so these were not" in told
    assert run.clean_up(run=None, delete=True) == 2
    printed = capsys.readouterr()
    assert "Nothing that could be looked for is left of the course" in printed.out
    assert {item for item in name if item in run.everything()} == {
        f"function: {run.name('app', STARTED[0])}"
    }
    # For one run: who may not list functions has made none. But endpoints?
    assert run.clean_up(run=STARTED[0]) == 3
    refuse("sagemaker.ListEndpoints")
    assert run.clean_up(run=STARTED[0]) == 2
    run.model(run=STARTED[0])
    assert run.clean_up(run=STARTED[0]) == 2
    assert "You may not list functions in us-east-1" in capsys.readouterr().err


def test_a_service_that_does_not_answer_is_told(run, capsys, refuse):
    leave(run, STARTED[0])
    refuse("apigatewayv2.GetApis", code="ServiceUnavailableException")
    assert run.clean_up(run=None, delete=True) == 2
    told = capsys.readouterr().err
    assert told.startswith("Could not look for HTTP APIs in us-east-1: An error occ")


def test_what_can_not_be_removed_is_told_and_the_rest_goes_on(run, capsys, refuse):
    """In the middle of all runs; and a bucket whose old versions may not be listed."""
    leave(run, STARTED[0])
    make_web_app(run, "app", STARTED[0])
    own = run.name("sagemaker", STARTED[0])
    run.s3.create_bucket(Bucket=own)
    on = {"Status": "Enabled"}
    run.s3.put_bucket_versioning(Bucket=own, VersioningConfiguration=on)
    run.s3.put_object(Bucket=own, Key="a.csv", Body=b"1")
    refuse("iam.DeleteRole", "s3.ListObjectVersions", code="AccessDenied")
    assert run.clean_up(run=None, delete=True) == 1
    printed = capsys.readouterr()
    assert printed.out.count("FAILED") == 2
    assert "(AccessDenied) when calling the DeleteRole" in printed.out
    assert "(BucketNotEmpty)" in printed.out
    assert "You may not list old versions of objects" in printed.err
    left = printed.out.partition("Left:\n")[2]
    assert f"  role: {run.name('app', STARTED[0])}, " in left
    assert f"  bucket: {own} (0 objects, 0.00 MB), " in left
    assert "things of 1 run." in left


# --- the list of kinds ----------------------------------------------------------------

PROCESSING = Kind(
    "ProcessingJob", "processing job", **JOB, component="processing", is_record=True
)


@pytest.mark.parametrize("kind", [*KINDS, PROCESSING], ids=lambda kind: kind.noun)
def test_the_names_of_a_kind_are_those_of_the_service_model(kind):
    """Of a processing job too, which is one row more."""
    operations = own_data_loader().load_service_model("sagemaker", "service-2")
    methods = {xform_name(name) for name in operations["operations"]}
    verbs = {"List", "Describe"}
    verbs |= {"Stop"} if kind.stops else set()
    verbs |= set() if kind.is_record else {"Delete"}
    assert {kind.operation(verb) for verb in verbs} <= methods
    shapes = operations["shapes"]

    def members_of(operation):
        return shapes[operations["operations"][operation]["output"]["shape"]]["members"]

    assert kind.list_key in members_of(f"List{kind.noun}s")
    members = members_of(f"Describe{kind.noun}")
    assert f"{kind.noun}Name" in members
    if kind.passing:
        statuses = set(shapes[members[f"{kind.noun}Status"]["shape"]]["enum"])
        assert kind.passing | ({kind.stops} - {None}) <= statuses


def test_what_nobody_knows_to_remove_is_not_taken_for_something_else():
    """As a row more of the inventory may be: not for a role or a bucket of its name."""
    topic = Part("topic", "lesson12-abc123-x", "lesson12-abc123-x")
    with pytest.raises(ValueError, match="how to remove a topic"):
        remove_part(None, topic)
    with pytest.raises(ValueError, match="how to remove a topic"):
        cleanup._remove(None, None, Item("topic", topic.name, "abc123"))


# --- the command ----------------------------------------------------------------------

# What `%pip install` of lesson 00 brings that the command may import.
ALLOWED = {"boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six"}
ONLY_THESE = f"""
import importlib.abc, sys
ours = {{"course", "utils", "local_aws"}}  # of which it has the files, and no more
allowed = {{*sys.stdlib_module_names, *ours, *{sorted(ALLOWED)!r}}}
class Others(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] not in allowed:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Others())
from course.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


def command(environment, *arguments, types="", program=ONLY_THESE):
    return subprocess.run(
        [sys.executable, "-c", program, "cleanup", *arguments],
        cwd=CHECKOUT,
        env=environment,
        input=types,
        capture_output=True,
        text=True,
        timeout=120,
    )


def as_on_an_instance(stand_in, folder: Path) -> dict[str, str]:
    """The environment of a notebook instance whose endpoints are the stand-in's."""
    environment = dict(stand_in.environment)
    del environment[HOME_VARIABLE]
    file = folder / "resource-metadata.json"
    file.write_text(json.dumps({"ResourceName": "x"}))
    return environment | {"SAGEMAKER_COURSE_METADATA_FILE": str(file)}


def test_it_needs_only_what_a_notebook_instance_has(run, tmp_path):
    environment = as_on_an_instance(run.service.stand_in, tmp_path)
    before = run.everything()
    run.put("a.csv")
    run.model()
    done = command(environment, RUN, types="yes\n")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Region us-east-1, account ending in 9012" in done.stdout
    assert run.everything() <= before


def test_locally_it_asks_the_stand_in(run, tmp_path):
    run.put("a.csv")
    environment = os.environ | {
        HOME_VARIABLE: str(run.service.stand_in.home),
        "SAGEMAKER_COURSE_METADATA_FILE": str(tmp_path / "none"),
    }
    program = "import sys; from course.__main__ import main; sys.exit(main())"
    done = command(environment, RUN, program=program)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "on the stand-in for AWS:" in done.stdout
    assert done.stdout.endswith("Nothing was removed.\n")


@pytest.mark.parametrize("run_id", ["", "ABC123", "abc12", "a1bc234", "../../"])
def test_a_bad_run_id_is_one_sentence(run_id, capsys):
    assert cleanup.clean_up(run_id) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f'"{run_id}" is no run id')


def test_without_credentials_it_is_one_sentence(tmp_path):
    environment = {
        "PATH": os.environ["PATH"],
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }
    done = command(environment, RUN, "--runs-on", "aws")
    assert (done.returncode, done.stderr) == (2, "Unable to locate credentials\n")
