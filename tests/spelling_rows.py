"""Runs each row of a table of old spellings in a new process, against the stand-in.

Called with the table's file, it prints for each row (by its id) what is wrong with what
it says of v3 and of boto3, and the error that the old spelling gives today.
"""

import ast
import inspect
import json
import sys
from functools import cache
from pathlib import Path

import boto3
from botocore.client import BaseClient
from botocore.model import Shape

from course.migration.spellings import V3_PACKAGES, Spelling, load

CLIENTS = {
    "sm": "sagemaker",
    "sagemaker_client": "sagemaker",  # an attribute of the SDK's session
    "s3": "s3",
    "runtime": "sagemaker-runtime",
    "logs": "logs",
    "cloudwatch": "cloudwatch",
    "iam": "iam",
}


def main() -> None:
    """Print what running the rows gives, as JSON."""
    rows = load(Path(sys.argv[1])).rows
    told = {row.id: {"today": "", "v3": "", "boto3": ""} for row in rows}
    # As in a notebook of old: nothing of v3 has been imported yet.
    imports = [row for row in rows if row.tried.startswith(("import ", "from "))]
    of_v3 = tuple(f"from sagemaker.{package}." for package in V3_PACKAGES)
    imports.sort(key=lambda row: row.tried.startswith(of_v3))
    for row in imports:
        told[row.id]["today"] = error_of(row.tried, {})
    objects = made_by_v3()
    for row in rows:
        if row.tried and row not in imports:
            told[row.id]["today"] = error_of(row.tried, dict(objects))
        told[row.id]["v3"] = what_is_wrong_in_v3(row, dict(objects))
        told[row.id]["boto3"] = what_is_wrong_in_boto3(row)
    print(json.dumps(told))


def made_by_v3() -> dict[str, object]:
    """Make the objects of which the rows speak, without any job."""
    from sagemaker.core import image_uris
    from sagemaker.core.helper.session_helper import Session
    from sagemaker.core.parameter import IntegerParameter
    from sagemaker.core.resources import (
        Endpoint,
        HyperParameterTuningJob,
        TransformJob,
    )
    from sagemaker.core.transformer import Transformer
    from sagemaker.train import ModelTrainer
    from sagemaker.train.tuner import HyperparameterTuner

    from utils.connect import connect

    sys.stdout = sys.stderr
    course = connect(lesson="A", runs_on="local")
    sys.stdout = sys.__stdout__
    session = Session(boto_session=course.boto_session, default_bucket=course.bucket)
    image = image_uris.retrieve("xgboost", course.region, version="3.2-0")
    trainer = ModelTrainer(
        training_image=image,
        role=course.role,
        sagemaker_session=session,
        hyperparameters={"max_depth": 5},
    )
    course.folder.rmdir()
    tuner = HyperparameterTuner(
        trainer, "validation:rmse", {"max_depth": IntegerParameter(3, 12)}
    )
    tuner.latest_tuning_job = HyperParameterTuningJob(
        hyper_parameter_tuning_job_name="none"
    )
    transformer = Transformer("none", 1, "ml.m5.xlarge", sagemaker_session=session)
    transformer.latest_transform_job = TransformJob(transform_job_name="none")
    return {
        "session": session,
        "trainer": trainer,
        "tuner": tuner,
        "transformer": transformer,
        "endpoint": Endpoint(endpoint_name="none"),
        "ModelTrainer": ModelTrainer,
        "image": image,
        "name": "none",
    }


def error_of(code: str, names: dict[str, object]) -> str:
    """Run some code and tell its error as the table does, or "" if there is none."""
    names.setdefault("image", "")
    names.setdefault("role", "")
    try:
        exec(code, names)
    except (AttributeError, ImportError, TypeError, ValueError) as error:
        text = str(error).partition(" (/")[0]  # the path of a file
        if type(error).__name__ == "ValidationError":
            first = error.errors()[0]
            text = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        return f"{type(error).__name__}: {text}"
    return ""


# --- v3 -------------------------------------------------------------------------------


def what_is_wrong_in_v3(row: Spelling, names: dict[str, object]) -> str:
    """Say what v3 has not of all that a row names, or ""."""
    if row.v3.startswith("# "):
        return ""
    try:
        exec(row.imports, names)
        for node in ast.walk(ast.parse(row.v3)):
            if isinstance(node, ast.Call):
                check_call(node, names)
            elif isinstance(node, ast.Attribute):
                resolved(node, names)
    except (AttributeError, ImportError, SyntaxError, TypeError) as error:
        return f"{type(error).__name__}: {error}"
    return ""


def resolved(node: ast.expr, names: dict[str, object]) -> object:
    """Return what an expression stands for; a class for the objects that it makes."""
    if isinstance(node, ast.Name):
        return names.get(node.id)
    if isinstance(node, ast.Call):
        called = resolved(node.func, names)
        owner = getattr(called, "__self__", None)
        return called if isinstance(called, type) else owner
    if not isinstance(node, ast.Attribute):
        return None
    owner = resolved(node.value, names)
    if owner is None or node.attr in getattr(owner, "model_fields", {}):
        return None
    return getattr(owner, node.attr)


def check_call(node: ast.Call, names: dict[str, object]) -> None:
    """TypeError if what is called does not know the arguments."""
    called = resolved(node.func, names)
    if called is None:
        raise TypeError(f"nothing is called {ast.unparse(node.func)}")
    given = {item.arg: None for item in node.keywords}
    if fields := getattr(called, "model_fields", None):
        if unknown := sorted(set(given) - set(fields)):
            raise TypeError(f"{called.__name__} has no {', '.join(unknown)}")
        return
    positional = [item for item in node.args if not is_ellipsis(item)]
    inspect.signature(called).bind_partial(*positional, **given)


def is_ellipsis(node: ast.expr) -> bool:
    """Tell whether an argument is the "..." for those that don't matter."""
    return isinstance(node, ast.Constant) and node.value is ...


# --- boto3 ----------------------------------------------------------------------------


def what_is_wrong_in_boto3(row: Spelling) -> str:
    """Say what boto3 has not of all that a row names, or ""."""
    if waiter := row.boto3.partition("# the waiter ")[2]:
        known = client_of("sagemaker").waiter_names
        return "" if waiter in known else f"no waiter {waiter}"
    if row.boto3.startswith("# "):
        return ""
    try:
        tree = ast.parse(row.boto3)
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
        problems = [problem for node in calls if (problem := of_call(node))]
    except (SyntaxError, AttributeError) as error:
        return f"{type(error).__name__}: {error}"
    return "; ".join(problems)


@cache
def client_of(service: str) -> BaseClient:
    """Make a client, of each service one."""
    return boto3.client(service, region_name="us-east-1")


def of_call(node: ast.Call) -> str:
    """Say what is wrong with a call of boto3, or ""."""
    owner, method = node.func.value, node.func.attr
    if ast.unparse(owner) in ("boto3", "boto_session"):
        getattr(boto3.Session if method == "client" else boto3, method)
        service = node.args[0].value if node.args else "s3"
        known = boto3.Session().get_available_services()
        return "" if service in known else f"no service {service}"
    name = owner.attr if isinstance(owner, ast.Attribute) else owner.id
    client = client_of(CLIENTS[name])
    operation = client.meta.method_to_api_mapping.get(method)
    if operation is None:
        return "" if hasattr(client, method) else f"no operation {method}"
    shape = client.meta.service_model.operation_model(operation).input_shape
    problems = []
    for item in node.keywords:
        if item.arg not in shape.members:
            problems.append(f"{operation} has no member {item.arg}")
        else:
            problems += unknown_members(item.value, shape.members[item.arg])
    return "; ".join(problems)


def unknown_members(node: ast.expr, shape: Shape) -> list[str]:
    """List the members of a request that its service does not know."""
    if isinstance(node, ast.List) and shape.type_name == "list":
        lists = [unknown_members(item, shape.member) for item in node.elts]
        return [problem for problems in lists for problem in problems]
    if not isinstance(node, ast.Dict) or shape.type_name != "structure":
        return []
    problems = []
    for key, value in zip(node.keys, node.values, strict=True):
        if key.value not in shape.members:
            problems.append(f"{shape.name} has no member {key.value}")
        else:
            problems += unknown_members(value, shape.members[key.value])
    return problems


if __name__ == "__main__":
    main()
