"""Where does the lesson run, as whom, and where do its files go?

`connect` answers this once, in a lesson's first cells. Everything after it is plain
boto3 and the plain SageMaker SDK.
"""

import json
import logging
import os
import re
import secrets
import string
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import boto3
from boto3.exceptions import Boto3Error
from botocore import exceptions
from botocore.exceptions import ClientError

from utils import METADATA_FILE, check_stand_in

COURSE_HOME = Path(__file__).resolve().parent.parent
BUCKET_FOLDER = "sagemaker-course"
SCRATCH = COURSE_HOME / "notebooks" / "scratch"  # local files of all runs
WORD = re.compile("[a-z]+[0-9]*|[0-9]+[a-z]*")  # "design", "week02", "202601", "2nd"


@dataclass(frozen=True)
class Course:
    """What a lesson needs to know of its surroundings. Hidden fields aren't shown."""

    where: str  # "local" or "AWS"
    region: str
    role: str = field(repr=False)  # the ARN of the execution role
    bucket: str = field(repr=False)
    prefix: str = field(repr=False)  # where in the bucket this run's objects are
    run_id: str = field(repr=False)  # six letters and digits, new in every run
    folder: Path = field(repr=False)  # this run's local files, ignored by git
    lesson: str
    boto_session: boto3.Session = field(repr=False)

    def name(self, what: str) -> str:
        """Name a resource of this run: unique, and found again by its run id."""
        return f"lesson{self.lesson}-{self.run_id}-{what}"


def connect(lesson: str, runs_on: str = "auto", run_id: str | None = None) -> Course:
    """Find out where the lesson runs, reach it, and print the answer.

    lesson: its number, such as "01". runs_on: "local", "aws", or "auto": AWS on a
    SageMaker notebook instance and in Studio, local everywhere else. The environment
    variable SAGEMAKER_COURSE_RUNS_ON does the same for all lessons. run_id: that of an
    earlier run, to go on with it after the kernel was restarted.

    Raises ValueError for another word or for what is no run id, RuntimeError if no
    execution role can be found or if this kernel can reach the other place only,
    WrongKernel if its Python can't run the stand-in, and botocore's ClientError where
    AWS refuses.
    """
    earlier = _latest_run.get(lesson) if run_id is None else None
    if run_id is None:
        run_id = new_run_id()
    checked_run_id(run_id)
    _calm_the_sdk()
    place = reach(runs_on)
    session = place.boto_session
    course = Course(
        where=place.where,
        region=place.region,
        role=_execution_role(session, place.metadata),
        bucket=_default_bucket(session, place.account),
        prefix=f"{BUCKET_FOLDER}/lesson{lesson}/{run_id}",
        run_id=run_id,
        folder=SCRATCH / f"lesson{lesson}-{run_id}",
        lesson=lesson,
        boto_session=session,
    )
    course.folder.mkdir(parents=True, exist_ok=True)
    _latest_run[lesson] = run_id
    if place.where == "local":
        print("This lesson runs locally, against the course's stand-in for AWS.")
        print("It needs no account and costs nothing.")
        print("Run id:", run_id)
        _shorten_what_a_lost_stand_in_raises(run_id)
    else:
        print(f"This lesson runs on AWS, in Region {course.region}.")
        print(f"It is billed to the account whose number ends in {place.account[-4:]}.")
        print("Run id:", run_id)
        print("To remove everything of this run, in a terminal in the course's folder:")
        # In a terminal nobody says where to run, unless this machine does.
        named = "" if where_to_run() == "AWS" else " --runs-on aws"
        print(f"    python -m course cleanup {run_id}{named}")
    if earlier:
        print("You have run this cell again: what you make from here on has new names.")
        print(f'To go on with the old ones, add run_id="{earlier}" to connect(...).')
    return course


# The run id that each lesson was last given in this process.
_latest_run: dict[str, str] = {}


def checked_run_id(run_id: str) -> str:
    """Give it back if it is a run id; ValueError if not."""
    if not re.fullmatch("[a-z0-9]{6}", run_id):
        raise ValueError(
            f'"{run_id}" is no run id: that is six lower-case letters or digits, such '
            'as "k3x9ab".'
        )
    return run_id


def new_run_id() -> str:
    """Draw one that can't be mistaken for a part of somebody else's name."""
    letters = string.ascii_lowercase + string.digits
    while True:
        run_id = "".join(secrets.choice(letters) for _ in range(6))
        if not reads_like_a_word(run_id):
            return run_id


def reads_like_a_word(run_id: str) -> bool:
    """Whether it could be a word, a number or both in another name, as "week02"."""
    return WORD.fullmatch(run_id) is not None


@dataclass(frozen=True)
class Place:
    """Where this process has connected to. metadata: of a notebook instance or {}."""

    where: str  # "local" or "AWS"
    region: str
    account: str
    boto_session: boto3.Session
    metadata: dict


def reach(runs_on: str = "auto") -> Place:
    """Find out where to run and connect to it; nothing is made there.

    Raises ValueError, RuntimeError and ClientError as `connect` does.
    """
    where = where_to_run(runs_on)
    _refuse_a_mixture(where)
    metadata = {}
    if where == "local":
        _join_the_stand_in()
    else:
        metadata = _notebook_metadata() or {}
        _take_region_from(metadata)
    # The SDK makes some clients from boto3's default session: give it a fresh one.
    boto3.setup_default_session()
    session = boto3.Session()
    account = session.client("sts").get_caller_identity()["Account"]
    return Place(where, session.region_name, account, session, metadata)


def where_to_run(runs_on: str = "auto") -> str:
    """Decide between "local" and "AWS". Local unless there is a reason: AWS costs."""
    if runs_on == "auto":
        runs_on = os.environ.get("SAGEMAKER_COURSE_RUNS_ON", "auto")
    if runs_on == "auto":
        return "local" if _notebook_metadata() is None else "AWS"
    if runs_on.lower() not in {"local", "aws"}:
        raise ValueError(f'runs_on is "{runs_on}"; use "auto", "local" or "aws"')
    return "local" if runs_on.lower() == "local" else "AWS"


# Where this Python process has connected to before, if it has.
_connected: set[str] = set()


def _refuse_a_mixture(where: str) -> None:
    """RuntimeError rather than a lesson half of which goes somewhere else.

    The SDK keeps its first client for as long as the process lives. So a kernel that
    has spoken to AWS would go on doing so in a lesson that runs locally, and pay for
    it.
    """
    if _connected - {where}:
        raise RuntimeError(
            f"This kernel is connected to run {' '.join(_connected)}. Restart the "
            f"kernel, then run the lesson again: it can't change to {where} on the way."
        )
    if where == "AWS" and "LOCAL_AWS_HOME" in os.environ:
        raise RuntimeError(
            "This Jupyter was started for the course's stand-in (by make lab, make "
            "course or local_aws exec) and reaches nothing else. To use AWS, start "
            "Jupyter by itself: SAGEMAKER_COURSE_RUNS_ON=aws jupyter lab"
        )
    _connected.add(where)


def _notebook_metadata() -> dict | None:
    """Read what SageMaker says of this notebook instance; None anywhere else."""
    file = Path(os.environ.get("SAGEMAKER_COURSE_METADATA_FILE", METADATA_FILE))
    return json.loads(file.read_text()) if file.is_file() else None


def _join_the_stand_in() -> None:
    """Start the stand-in if none runs; point this process at it and nowhere else."""
    check_stand_in()
    if str(COURSE_HOME) not in sys.path:
        sys.path.insert(0, str(COURSE_HOME))
    from local_aws import lifetime  # only here: on AWS there is no stand-in

    sealed = lifetime.join()
    for name in set(os.environ) - set(sealed):
        del os.environ[name]
    os.environ.update(sealed)
    # The sealed environment forgets it; a second `connect` must not.
    os.environ["SAGEMAKER_COURSE_RUNS_ON"] = "local"
    # `!aws ...` in a cell must find the AWS CLI that came with this Python.
    programs = str(Path(sys.executable).parent)
    path = os.environ.get("PATH", os.defpath)
    if programs not in path.split(os.pathsep):
        os.environ["PATH"] = programs + os.pathsep + path
    # The SDK's moving panel, shown while it waits, leaves its traces in a stored
    # notebook. Here jobs take seconds; on AWS the panel is a sign of life and stays.
    import rich

    rich.reconfigure(force_jupyter=False, force_terminal=False, quiet=True)


# What a client raises if nobody listens at the stand-in's address (any more).
NO_CONNECTION = (
    exceptions.EndpointConnectionError,
    exceptions.ConnectionClosedError,
)
# What the cell raises then: that, or what a library makes of it.
WHAT_IT_MAY_BE_WRAPPED_IN = (
    exceptions.BotoCoreError,
    Boto3Error,
    OSError,
    RuntimeError,
    ValueError,
)


def _shorten_what_a_lost_stand_in_raises(run_id: str) -> None:
    """In a notebook, let such an error say what to do, in place of 300 lines.

    It stays the error that it is: the cell fails, and whoever runs the notebook learns
    its type and its text.
    """
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if shell is None:
        return
    advice = (
        "The stand-in for AWS does not run any more.\nRun the cell with connect(...) "
        f'again, with run_id="{run_id}" in it to go on with the names of this run.'
    )

    def show(
        shell: object,
        kind: type[BaseException],
        error: BaseException,
        trace: TracebackType,
        tb_offset: int | None = None,
    ) -> None:
        if any(isinstance(item, NO_CONNECTION) for item in _causes(error)):
            lines = [f"{kind.__name__}: {error}", advice]
            error._render_traceback_ = lambda: lines  # which IPython asks for
        shell.showtraceback((kind, error, trace), running_compiled_code=True)

    shell.set_custom_exc(WHAT_IT_MAY_BE_WRAPPED_IN, show)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and those that led to it."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _take_region_from(metadata: dict) -> None:
    """Use the notebook instance's own Region if nothing else names one."""
    if boto3.Session().region_name is None and "ResourceArn" in metadata:
        os.environ["AWS_DEFAULT_REGION"] = metadata["ResourceArn"].split(":")[3]
    if boto3.Session().region_name is None:
        raise RuntimeError(
            "No AWS Region is set. Set the environment variable AWS_DEFAULT_REGION, "
            'for example to "us-east-1", and restart the kernel.'
        )


def _execution_role(session: boto3.Session, metadata: dict) -> str:
    """Find the ARN of the role that SageMaker's jobs run as.

    The SDK's get_execution_role knows notebook instances and assumed roles; it reaches
    STS at a fixed address, which a stand-in can't answer. The order here is its own,
    with one setting before it.
    """
    if named := os.environ.get("SAGEMAKER_COURSE_ROLE"):
        return named
    if "ExecutionRoleArn" in metadata:  # Studio
        return metadata["ExecutionRoleArn"]
    if "ResourceName" in metadata and "DomainId" not in metadata:  # notebook instance
        return session.client("sagemaker").describe_notebook_instance(
            NotebookInstanceName=metadata["ResourceName"]
        )["RoleArn"]
    identity = session.client("sts").get_caller_identity()["Arn"]
    assumed = re.fullmatch(r"arn:[\w-]+:sts::\d{12}:assumed-role/([^/]+)/.+", identity)
    if assumed is None:
        raise RuntimeError(
            "Your AWS identity is a user, not a role, so SageMaker can't run jobs as "
            "it. Set the environment variable SAGEMAKER_COURSE_ROLE to the ARN of a "
            "SageMaker execution role, and restart the kernel."
        )
    # The role's path is not part of an assumed role's ARN, so IAM is asked.
    try:
        return session.client("iam").get_role(RoleName=assumed[1])["Role"]["Arn"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "AccessDenied":
            raise
        raise RuntimeError(
            f'You work as the role "{assumed[1]}", which may not look up its own ARN '
            "(iam:GetRole, see data/course-policy.json). Set the environment variable "
            "SAGEMAKER_COURSE_ROLE to the ARN of a SageMaker execution role, and "
            "restart the kernel."
        ) from error


def default_bucket(session: boto3.Session, account: str) -> str:
    """Name SageMaker's default bucket, which is one for each account and Region."""
    return f"sagemaker-{session.region_name}-{account}"


def _default_bucket(session: boto3.Session, account: str) -> str:
    """Name it; make it if it is missing, as the SDK does."""
    bucket = default_bucket(session, account)
    s3 = session.client("s3")
    try:
        s3.head_bucket(Bucket=bucket, ExpectedBucketOwner=account)
    except ClientError as error:
        if error.response["Error"]["Code"] != "404":
            raise
        # us-east-1 is S3's first Region and the one that must not be named.
        elsewhere = {"LocationConstraint": session.region_name}
        if session.region_name == "us-east-1":
            s3.create_bucket(Bucket=bucket)
        else:
            s3.create_bucket(Bucket=bucket, CreateBucketConfiguration=elsewhere)
    return bucket


def _calm_the_sdk() -> None:
    """Keep the SDK's and boto3's chatter out of the lesson; errors still show.

    The root logger gets a handler before the SDK is imported, since one of the SDK's
    modules would otherwise turn on everybody's INFO lines (sagemaker 3.27).
    """
    warnings.filterwarnings("ignore", message='install "ipywidgets"')
    errors = logging.StreamHandler()
    errors.setLevel(logging.ERROR)
    logging.basicConfig(handlers=[errors])


class _JobLogLine(logging.Formatter):
    """The SDK logs "<stream>:<newline><line>"; a learner wants the line."""

    def format(self, record: logging.LogRecord) -> str:
        message = record.getMessage().replace("[bold]", "")
        stream, separator, line = message.partition(":\n")
        return line if separator and "/" in stream else message


# What SageMaker's XGBoost logs about its own files, settings and the machine, and what
# the SDK logs about each of its calls.
HOUSEKEEPING = re.compile(
    r"symlink|smlink|[Ff]iles? path|to Json|Returning the value|delimiter|GPU|CALLBACK"
    r"|^Creating |^Deleting "
)


def show_job_logs(every: int = 1) -> None:
    """Show a job's log as plain lines while the SDK waits for the job.

    The SDK sends these lines to Python's logging, where by default nobody listens.
    every: of the lines "[round] ..." that XGBoost prints, show each n-th. Lines on
    housekeeping are left out, all others shown.
    """

    def is_wanted(record: logging.LogRecord) -> bool:
        message = record.getMessage()
        boosting = re.search(r"^\[(\d+)\]", message, re.MULTILINE)
        if boosting is not None:
            return int(boosting[1]) % every == 0
        return HOUSEKEEPING.search(message) is None

    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_JobLogLine())
    handler.addFilter(is_wanted)
    logger = logging.getLogger("sagemaker.core.resources")
    logger.handlers = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False
