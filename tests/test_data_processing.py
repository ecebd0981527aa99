"""Filters and joins of batch transform, as AWS's page describes them."""

import json

import pytest

from local_aws.jobs.batches import FileFailed
from local_aws.jobs.data_processing import (
    BadFilter,
    DataProcessing,
    NoMatch,
    compile_filter,
)

JSONLINES = "application/jsonlines"
RECORD = {"id": 7, "features": [1, 2, 3], "deep": {"a": 1, "b": 2, "c": 3}}


def processing(content_type, **settings):
    defaults = {"InputFilter": "$", "JoinSource": "None", "OutputFilter": "$"}
    return DataProcessing({**defaults, **settings}, content_type)


@pytest.mark.parametrize(
    ("expression", "selected"),
    [
        ("$", [1, 2, 3, 4]),
        ("$[0]", 1),
        ("$[-1]", 4),
        ("$[1:]", [2, 3, 4]),
        ("$[:2]", [1, 2]),
        ("$[1:3]", [2, 3]),
        ("$[0,-1]", [1, 4]),
        ("$[1,3]", [2, 4]),
        ("$[9:]", []),
    ],
)
def test_paths_over_a_csv_row(expression, selected):
    assert compile_filter(expression, "text/csv")([1, 2, 3, 4]) == selected


@pytest.mark.parametrize(
    ("expression", "selected"),
    [
        ("$", RECORD),
        ("$.id", 7),
        ("$['id']", 7),
        ("$.features", [1, 2, 3]),
        ("$.features[1:]", [2, 3]),
        ("$.features[-1]", 3),
        ("$.deep.*", [1, 2, 3]),
        ("$['id','features']", {"id": 7, "features": [1, 2, 3]}),
        ("$.deep['a','c']", {"a": 1, "c": 3}),
        ("$.deep.['a','c']", {"a": 1, "c": 3}),
        ("$['id','absent']", {"id": 7}),
    ],
)
def test_paths_over_an_object(expression, selected):
    assert compile_filter(expression, JSONLINES)(RECORD) == selected


@pytest.mark.parametrize("expression", ["$.absent", "$.features[9]", "$.id.x"])
def test_a_path_to_nothing(expression):
    with pytest.raises(NoMatch):
        compile_filter(expression, JSONLINES)(RECORD)


@pytest.mark.parametrize(
    "expression", ["", "id", "$..id", "$[?(@.id>1)]", "$[::2]", "$.id.`parent`", "$["]
)
def test_what_aws_does_not_support(expression):
    with pytest.raises(BadFilter):
        compile_filter(expression, JSONLINES)


def test_csv_is_joined_and_its_text_is_kept():
    steps = processing("text/csv", InputFilter="$[1:]", JoinSource="Input")
    records, body = steps.before(b'"a, ""1""",1.50,\nb,2e3,x\n')
    assert body == b"1.50,\n2e3,x\n"
    assert steps.after(records, b"0.5\n0.25") == (
        b'"a, ""1""",1.50,,0.5\nb,2e3,x,0.25\n'
    )


def test_objects_get_the_answer_as_one_more_member():
    steps = processing(
        JSONLINES,
        InputFilter="$.features",
        JoinSource="Input",
        OutputFilter="$['id','SageMakerOutput']",
    )
    records, body = steps.before(json.dumps(RECORD).encode() + b"\n")
    assert body == b"[1, 2, 3]\n"
    answer = steps.after(records, b'{"score": 0.5}\n')
    assert json.loads(answer) == {"id": 7, "SageMakerOutput": {"score": 0.5}}


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("separator", ["\u2028", "\x0b", "\x85"])
def test_only_a_newline_ends_a_record(end, separator):
    name = json.dumps({"name": f"a{separator}b"}, ensure_ascii=False)
    records, _ = processing(JSONLINES).before(f"{name}{end}{name}{end}".encode())
    assert records == [{"name": f"a{separator}b"}] * 2
    records, _ = processing("text/csv").before(f"1,a{separator}b{end}".encode())
    assert records == [["1", f"a{separator}b"]]


def test_what_is_no_object_is_put_beside_the_answer():
    steps = processing(JSONLINES, JoinSource="Input")
    records, _ = steps.before(b"[1, 2]\n")
    assert json.loads(steps.after(records, b"3\n")) == {
        "SageMakerInput": [1, 2],
        "SageMakerOutput": 3,
    }


@pytest.mark.parametrize(
    ("content_type", "settings", "batch", "answer"),
    [
        (JSONLINES, {"JoinSource": "Input"}, b"{}\n{}\n", b"1\n"),
        (JSONLINES, {"JoinSource": "Input"}, b"{}\n", b"no json\n"),
        ("text/csv", {"OutputFilter": "$[5]"}, b"1,2\n", b"1\n"),
    ],
)
def test_answers_that_do_not_fit_fail_the_file(content_type, settings, batch, answer):
    steps = processing(content_type, **settings)
    records, _ = steps.before(batch)
    with pytest.raises(FileFailed) as caught:
        steps.after(records, answer)
    assert caught.value.fault == "ClientError"


@pytest.mark.parametrize(
    ("content_type", "batch"),
    [(JSONLINES, b"no json\n"), (JSONLINES, b"\xff\n"), ("text/csv", b'a,"b"c\n')],
)
def test_input_that_is_not_of_its_type_fails_the_file(content_type, batch):
    steps = processing(content_type, InputFilter="$[0]")
    with pytest.raises(FileFailed):
        steps.before(batch)
