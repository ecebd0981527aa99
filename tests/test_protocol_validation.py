"""The service model's constraints, as SageMaker words them.

First single cases, most of them messages that SageMaker really sent (users published
them); then the gate: requests with one fault, by the thousand.
"""

import copy
import json
from collections import Counter

import pytest
import regex
from aws_requests import respond, unpacked
from botocore.model import Shape
from model_requests import MODEL, OPERATIONS, Faulty, faulty_requests, sample

from local_aws import services
from local_aws.errors import AwsError
from local_aws.protocol import constraints, model

ROLE_ARN = "arn:aws:iam::123456789012:role/service-role/SageMakerCourse"
JOB_ARN = "arn:aws:sagemaker:us-east-1:123456789012:training-job/job"

TRAINING_JOB = {
    "TrainingJobName": "boston-1",
    "HyperParameters": {"objective": "reg:squarederror", "num_round": "200"},
    "AlgorithmSpecification": {
        "TrainingImage": "683313688378.dkr.ecr.us-east-1.amazonaws.com/xgb:3.2-0",
        "TrainingInputMode": "File",
    },
    "RoleArn": ROLE_ARN,
    "InputDataConfig": [
        {
            "ChannelName": "train",
            "DataSource": {
                "S3DataSource": {
                    "S3DataType": "S3Prefix",
                    "S3Uri": "s3://bucket/train",
                    "S3DataDistributionType": "FullyReplicated",
                }
            },
            "ContentType": "text/csv",
            "InputMode": "File",
        }
    ],
    "OutputDataConfig": {"S3OutputPath": "s3://bucket/output"},
    "ResourceConfig": {
        "InstanceType": "ml.m5.xlarge",
        "InstanceCount": 1,
        "VolumeSizeInGB": 10,
    },
    "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
    "Tags": [{"Key": "course", "Value": "boston"}],
}


def accept(params: dict, context: object) -> dict:
    """A handler that only says that the request came through."""
    raise AwsError("Accepted", "")


def send(operation: str, request: object) -> tuple[str, str]:
    """Send a request; returns the code and the message of the answer."""
    response = respond(operation, json.dumps(request).encode(), accept, None)
    status, _, body = unpacked(response)
    error = json.loads(body)
    assert status == 400
    return error["__type"], error.get("message", error.get("Message", ""))


def changed(path: str, value: object) -> dict:
    """The training job with one value changed; `path` is "ResourceConfig.0.Key"."""
    request = copy.deepcopy(TRAINING_JOB)
    *way, last = path.split(".")
    holder = request
    for key in way:
        holder = holder[int(key)] if isinstance(holder, list) else holder[key]
    holder[last] = value
    return request


def test_a_sound_request_is_accepted():
    assert send("CreateTrainingJob", TRAINING_JOB) == ("Accepted", "")


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        # Recorded from SageMaker, but for the names and the values of enumerations.
        pytest.param(
            "TrainingJobName",
            "my_image_with_underscores",
            "1 validation error detected: Value 'my_image_with_underscores' at "
            "'trainingJobName' failed to satisfy constraint: Member must satisfy "
            "regular expression pattern: [a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}",
            id="pattern",
        ),
        pytest.param(
            "TrainingJobName",
            "a" * 64,
            f"2 validation errors detected: Value '{'a' * 64}' at 'trainingJobName' "
            "failed to satisfy constraint: Member must satisfy regular expression "
            f"pattern: [a-zA-Z0-9](-*[a-zA-Z0-9]){{0,62}}; Value '{'a' * 64}' at "
            "'trainingJobName' failed to satisfy constraint: Member must have length "
            "less than or equal to 63",
            id="pattern and length",
        ),
        pytest.param(
            "InputDataConfig.0.InputMode",
            "fastfile",
            "1 validation error detected: Value 'fastfile' at "
            "'inputDataConfig.1.member.inputMode' failed to satisfy constraint: "
            "Member must satisfy enum value set: [Pipe, File, FastFile]",
            id="enumeration in a list",
        ),
        pytest.param(
            "HyperParameters",
            {"classes": "x" * 2501, "seed": "0"},
            f"1 validation error detected: Value '{{classes={'x' * 2501}, seed=0}}' "
            "at 'hyperParameters' failed to satisfy constraint: Map value must "
            "satisfy constraint: [Member must have length less than or equal to 2500, "
            "Member must have length greater than or equal to 0, Member must satisfy "
            "regular expression pattern: .*]",
            id="map value",
        ),
        pytest.param(
            "HyperParameters",
            {f"p{n}": "1" for n in range(101)},
            "1 validation error detected: Value '{"
            + ", ".join(f"p{n}=1" for n in range(101))
            + "}' at 'hyperParameters' failed to satisfy constraint: Member must have "
            "length less than or equal to 100",
            id="map size",
        ),
        # Recorded from other services of the same framework.
        pytest.param(
            "ResourceConfig.InstanceCount",
            -1,
            "1 validation error detected: Value '-1' at 'resourceConfig.instanceCount' "
            "failed to satisfy constraint: Member must have value greater than or "
            "equal to 0",
            id="range",
        ),
        pytest.param(
            "RoleArn",
            None,
            "1 validation error detected: Value null at 'roleArn' failed to satisfy "
            "constraint: Member must not be null",
            id="null",
        ),
        pytest.param(
            "HyperParameters",
            {"k" * 257: "1"},
            f"1 validation error detected: Value '{{{'k' * 257}=1}}' at "
            "'hyperParameters' failed to satisfy constraint: Map keys must satisfy "
            "constraint: [Member must have length less than or equal to 256, Member "
            "must have length greater than or equal to 0, Member must satisfy regular "
            "expression pattern: .*]",
            id="map key",
        ),
        # The printed form of a structure is ours.
        pytest.param(
            "Tags",
            [{"Key": "k", "Value": "v"}] * 51,
            "1 validation error detected: Value '["
            + ", ".join(["Tag(key=k, value=v)"] * 51)
            + "]' at 'tags' failed to satisfy constraint: Member must have length less "
            "than or equal to 50",
            id="list size",
        ),
    ],
)
def test_wording(path, value, message):
    request = changed(path, value)
    assert send("CreateTrainingJob", request) == ("ValidationException", message)


def test_rules_of_list_elements_are_in_brackets():
    code, message = send(
        "DeleteTags",
        {
            "ResourceArn": "arn:aws:sagemaker:us-east-1:123456789012:model/m",
            "TagKeys": ["good", "bad!"],
        },
    )
    assert code == "ValidationException"
    assert message == (
        "1 validation error detected: Value '[good, bad!]' at 'tagKeys' failed to "
        "satisfy constraint: Member must satisfy constraint: [Member must have length "
        "less than or equal to 128, Member must have length greater than or equal to "
        "1, Member must satisfy regular expression pattern: "
        r"([\p{L}\p{Z}\p{N}_.:/=+\-@]*)]"
    )


def test_an_empty_request_misses_every_required_member():
    null = "failed to satisfy constraint: Member must not be null"
    assert send("CreateTrainingJob", {}) == (
        "ValidationException",
        f"3 validation errors detected: Value null at 'trainingJobName' {null}; "
        f"Value null at 'roleArn' {null}; Value null at 'outputDataConfig' {null}",
    )


def test_violations_of_the_whole_request_are_reported_together():
    request = changed("TrainingJobName", "bad_name")
    request["ResourceConfig"]["InstanceType"] = "ml.t2.medium"
    del request["OutputDataConfig"]["S3OutputPath"]
    code, message = send("CreateTrainingJob", request)
    assert code == "ValidationException"
    assert message.startswith("3 validation errors detected: ")
    assert "at 'trainingJobName'" in message
    assert "Value 'ml.t2.medium' at 'resourceConfig.instanceType'" in message
    assert "Value null at 'outputDataConfig.s3OutputPath'" in message


def test_no_more_than_ten_violations_are_reported():
    tags = [{"Key": "k"}] * 40
    code, message = send("CreateTrainingJob", changed("Tags", tags))
    assert code == "ValidationException"
    assert message.startswith("10 validation errors detected: ")
    assert message.count("Member must not be null") == 10


def test_a_pattern_must_match_the_whole_string():
    for name in ("ok\n", "\nok", "ok-", "-ok"):
        code, message = send("CreateTrainingJob", changed("TrainingJobName", name))
        assert (code, "regular expression" in message) == ("ValidationException", True)


def test_tags_may_hold_any_letter():
    tags = [{"Key": "Kurs-é", "Value": "日本語 \u0661"}]
    assert send("CreateTrainingJob", changed("Tags", tags))[0] == "Accepted"


def test_digits_in_other_patterns_are_ascii():
    role = ROLE_ARN.replace("123456789012", "\u0661" * 12)
    assert send("CreateTrainingJob", changed("RoleArn", role))[0] != "Accepted"


def test_lengths_are_counted_as_java_counts_them():
    # The longest tag value has 256 characters; one beyond the 16-bit plane is two.
    letter = "\U00010400"
    fits = [{"Key": "k", "Value": letter * 128}]
    too_long = [{"Key": "k", "Value": letter * 128 + "a"}]
    assert send("CreateTrainingJob", changed("Tags", fits))[0] == "Accepted"
    code, message = send("CreateTrainingJob", changed("Tags", too_long))
    assert code == "ValidationException"
    assert "length less than or equal to 256" in message


def test_shapes_that_contain_themselves():
    expression = {"Filters": [{"Name": "a", "Value": "b"}]}
    for _ in range(5):
        expression = {"SubExpressions": [expression]}
    request = {"Resource": "TrainingJob", "SearchExpression": expression}
    assert send("Search", request) == ("Accepted", "")
    inner = expression
    while "SubExpressions" in inner:
        inner = inner["SubExpressions"][0]
    del inner["Filters"][0]["Name"]
    assert (
        "Value null at 'searchExpression.subExpressions.1.member"
        in (send("Search", request)[1])
    )


def test_a_pattern_that_backtracks_does_not_hold_the_server(monkeypatch):
    name = "a" * 2000 + "!"
    operation = services.named("sagemaker").model.operation("CreateComputeQuota")
    target = operation.input_shape.members["ComputeQuotaTarget"]
    pattern = target.members["TeamName"].metadata["pattern"]
    with pytest.raises(TimeoutError):  # or this shows nothing
        model.compile_pattern(pattern).fullmatch(name, timeout=0.01)
    monkeypatch.setattr(constraints, "PATTERN_TIMEOUT", 0.01)
    code, message = send(
        "CreateComputeQuota",
        {
            "Name": "quota",
            "ClusterArn": JOB_ARN.replace("training-job/job", "cluster/a1b2c3d4e5f6"),
            "ComputeQuotaConfig": {},
            "ComputeQuotaTarget": {"TeamName": name},
        },
    )
    assert code == "ValidationException"
    assert "at 'computeQuotaTarget.teamName' failed to satisfy constraint: " in message


def input_shapes() -> list[Shape]:
    """Every shape that a request to SageMaker can hold."""
    found: dict[str, Shape] = {}
    waiting = [
        MODEL.operation_model(name).input_shape for name in MODEL.operation_names
    ]
    while waiting:
        shape = waiting.pop()
        if shape is None or shape.name in found:
            continue
        found[shape.name] = shape
        if shape.type_name == "structure":
            waiting.extend(shape.members.values())
        elif shape.type_name == "list":
            waiting.append(shape.member)
        elif shape.type_name == "map":
            waiting.extend((shape.key, shape.value))
    return list(found.values())


def test_every_operation_and_every_pattern_of_the_model_can_be_read():
    service = services.named("sagemaker").model
    assert set(service.operation_names) == set(MODEL.operation_names)
    for name in service.operation_names:
        assert service.operation(name).name == name
    shapes = input_shapes()
    patterns = {s.metadata["pattern"] for s in shapes if "pattern" in s.metadata}
    assert len(patterns) > 100
    for pattern in patterns:
        assert isinstance(model.compile_pattern(pattern), regex.Pattern)
        # Otherwise leaving out the ASCII flag would change what \w, \d or \s match.
        assert not (r"\p" in pattern and regex.search(r"\\[wdsWDSb]", pattern)), pattern


def test_a_pattern_with_a_pair_of_surrogates():
    pattern = r"[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\t]*"
    compiled = model.compile_pattern(pattern)
    assert compiled.fullmatch("a é \U0001f600 \U0010ffff\t")
    assert not compiled.fullmatch("\x07")


# --- the gate -----------------------------------------------------------------------


def whole_request(operation: str) -> dict:
    """A valid request with every member that can be made from the model alone."""
    request = sample(MODEL.operation_model(operation).input_shape)
    assert request
    return request


def wrongly_answered(operation: str, faulty: Faulty) -> str | None:
    """What is wrong with the answer to a faulty request; None if it is right."""
    code, message = send(operation, faulty.request)
    if code != faulty.code:
        return f"{operation}: {faulty.fault}: {code} {message[:200]}"
    if code == "SerializationException":
        right = message == faulty.text
    else:
        count, _, listed = message.partition(" detected: ")
        violations = listed.split("; Value ")
        where = f" at '{faulty.path}' failed to satisfy constraint: "
        right = (
            count.split()[0] == str(len(violations))
            # the one fault is named, and nothing else is said to be wrong
            and all(where in violation for violation in violations)
            and any(faulty.text in violation for violation in violations)
        )
    return None if right else f"{operation}: {faulty.fault}: {message[:300]}"


def all_faulty(operation: str) -> list[Faulty]:
    shape = MODEL.operation_model(operation).input_shape
    return list(faulty_requests(whole_request(operation), shape))


@pytest.mark.parametrize("operation", OPERATIONS)
def test_one_field_wrong_is_refused_by_name(operation):
    assert send(operation, whole_request(operation)) == ("Accepted", "")
    faulty = all_faulty(operation)
    failures = [
        failure
        for failure in (wrongly_answered(operation, each) for each in faulty)
        if failure
    ]
    assert not failures, "\n".join(failures[:20])


def test_there_are_many_faulty_requests_of_every_kind():
    faults = Counter(
        each.fault.split(" at ")[0]
        for operation in OPERATIONS
        for each in all_faulty(operation)
    )
    assert faults.total() > 2000
    for fault in (
        "missing",
        "null",
        "text",
        "number",
        "boolean",
        "list",
        "structure",
        "too long",
        "too short",
        "too small",
        "too great",
        "too few",
        "too many",
        "pattern broken",
        "not in the enumeration",
        "key too long",
        "key pattern broken",
    ):
        assert faults[fault] >= 5, (fault, faults)


def test_the_gate_notices_a_check_that_does_nothing(monkeypatch):
    monkeypatch.setattr(constraints, "check", lambda params, shape: None)
    faulty = [
        each for each in all_faulty("CreateModel") if each.code == "ValidationException"
    ]
    assert faulty
    assert all(wrongly_answered("CreateModel", each) for each in faulty)


def test_the_gate_notices_a_wrong_member_name(monkeypatch):
    monkeypatch.setattr(constraints, "lower_camel", lambda name: name)
    faulty = [
        each for each in all_faulty("CreateModel") if each.code == "ValidationException"
    ]
    assert all(wrongly_answered("CreateModel", each) for each in faulty)


NOT_NULL = "failed to satisfy constraint: Member must not be null"


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (
            "InputDataConfig",
            [None],
            f"Value null at 'inputDataConfig.1.member' {NOT_NULL}",
        ),
        (
            "HyperParameters",
            {"eta": None},
            "Value '{eta=null}' at 'hyperParameters' failed to satisfy constraint: Map "
            "value must satisfy constraint: [",
        ),
        (
            "TuningObjective",
            None,
            None,  # a member that is null is absent
        ),
    ],
)
def test_a_null_in_a_list_or_a_map_is_refused(path, value, said) -> None:
    request = copy.deepcopy(TRAINING_JOB) | {path: value}
    code, message = send("CreateTrainingJob", request)
    if said is None:
        assert (code, message) == ("Accepted", "")
        return
    assert code == "ValidationException"
    assert message.startswith("1 validation error detected: ")
    assert said in message
    assert message.endswith(("Member must not be null", "Member must not be null]"))


def test_a_null_in_a_list_of_texts_is_refused() -> None:
    request = {"ResourceArn": JOB_ARN, "TagKeys": ["a", None]}
    code, message = send("DeleteTags", request)
    assert code == "ValidationException"
    assert "Value '[a, null]' at 'tagKeys' failed to satisfy constraint" in message
    assert message.endswith(", Member must not be null]")
