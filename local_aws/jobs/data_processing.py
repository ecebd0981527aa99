"""DataProcessing of a transform job: filter the input, join it with the
predictions, filter the result.

Source: AWS page "Associate Prediction Results with Input Records". AWS evaluates the
paths with the Java library JsonPath, whose way with several results this follows: a
path that can have several gives a list, several names give an object.
"""

import csv
import io
import json
from collections.abc import Callable
from typing import Any

from jsonpath_ng import Child, Fields, Index, JSONPath, Root, Slice, parse
from jsonpath_ng.exceptions import JSONPathError
from jsonpath_ng.jsonpath import Wildcard

from local_aws.jobs.batches import FileFailed

CSV = "text/csv"
JSON_OPERATORS = (Index, Slice, Fields, Wildcard)
OPERATORS = {
    CSV: (Index, Slice),
    "application/json": JSON_OPERATORS,
    "application/jsonlines": JSON_OPERATORS,
}


class BadFilter(ValueError):
    """A filter that can't be used; the text says which and why."""


class NoMatch(Exception):
    """A record has nothing where the filter points."""


def compile_filter(expression: str, content_type: str) -> Callable[[Any], Any]:
    """A function from a record (a list for csv) to the part that the filter names.

    The function raises NoMatch. Raises BadFilter for what is no JSONPath or is outside
    of the operators that AWS supports for the content type.
    """
    steps = _steps(expression, content_type)
    return lambda record: _select(record, steps)


def _steps(expression: str, content_type: str) -> list[JSONPath]:
    try:
        path = parse(expression)
    except JSONPathError as error:
        raise BadFilter(f"{expression} is not a JSONPath: {error}") from error
    steps = []
    while isinstance(path, Child):
        steps.insert(0, path.right)
        path = path.left
    if not isinstance(path, Root):
        raise BadFilter(f"{expression} does not begin with $.")
    allowed = OPERATORS[content_type]
    for step in steps:
        if not isinstance(step, allowed) or getattr(step, "step", None) is not None:
            why = (
                ": a csv record has no names, only indexes"
                if content_type == CSV
                else ""
            )
            raise BadFilter(
                f"{expression} uses an operator that batch transform does not support "
                f"for {content_type}{why}."
            )
    if content_type == CSV and len(steps) > 1:
        raise BadFilter(f"{expression} goes deeper than a csv record is.")
    return steps


def _select(record: Any, steps: list[JSONPath]) -> Any:
    """What the steps of a path lead to. Raises NoMatch."""
    if not steps:
        return record
    step, *rest = steps
    names = getattr(step, "indices", None) or getattr(step, "fields", ())
    try:
        if len(names) == 1:
            return _select(record[names[0]], rest)
        if isinstance(step, Index):
            found = [record[index] for index in names]
        elif isinstance(step, Fields):
            found = {name: record[name] for name in names if name in record}
        elif isinstance(step, Wildcard) and isinstance(record, dict):
            found = list(record.values())
        elif isinstance(record, list):
            found = record[step.start : step.end] if isinstance(step, Slice) else record
        else:
            found = []
    except (IndexError, KeyError, TypeError) as error:
        raise NoMatch from error
    if not rest:
        return found
    values = found.values() if isinstance(found, dict) else found
    return [_select(value, rest) for value in values]


class DataProcessing:
    """The three steps for one job."""

    def __init__(self, settings: dict[str, str], content_type: str) -> None:
        """`settings`: InputFilter, JoinSource, OutputFilter. Raises BadFilter."""
        self._csv = content_type == CSV
        self._input = compile_filter(settings["InputFilter"], content_type)
        self._output = compile_filter(settings["OutputFilter"], content_type)
        self._join = settings["JoinSource"] == "Input"

    def before(self, batch: bytes) -> tuple[list, bytes]:
        """The batch's records and the body to send. Raises FileFailed."""
        records = self._parse(batch, "input")
        return records, self._write(self._each(self._input, records))

    def after(self, records: list, response: bytes) -> bytes:
        """The output of a batch, from its records and what the container made of them.

        Raises FileFailed.
        """
        predictions = self._parse(response, "output")
        if self._join:
            if len(predictions) != len(records):
                raise _failed(
                    f"The algorithm gave {len(predictions)} predictions for "
                    f"{len(records)} records; they can't be joined."
                )
            predictions = list(map(self._joined, records, predictions))
        return self._write(self._each(self._output, predictions))

    def _joined(self, record: Any, prediction: Any) -> Any:
        if self._csv:
            return record + prediction
        if isinstance(record, dict):
            return {**record, "SageMakerOutput": prediction}
        return {"SageMakerInput": record, "SageMakerOutput": prediction}

    @staticmethod
    def _each(select: Callable[[Any], Any], records: list) -> list:
        try:
            return [select(record) for record in records]
        except NoMatch as error:
            raise _failed(
                "A filter points to something that a record does not have."
            ) from error

    def _parse(self, text: bytes, what: str) -> list:
        kind = "CSV" if self._csv else "JSON"
        blame = "from the algorithm " if what == "output" else ""
        try:
            lines = text.decode("utf-8").split("\n")
            if self._csv:
                return [row for row in csv.reader(lines, strict=True) if row]
            return [json.loads(line) for line in lines if line.strip()]
        except (ValueError, csv.Error) as error:
            raise _failed(f"Failed to parse {what} {blame}as {kind}") from error

    def _write(self, records: list) -> bytes:
        if not self._csv:
            return "".join(f"{json.dumps(record)}\n" for record in records).encode()
        text = io.StringIO()
        rows = (row if isinstance(row, list) else [row] for row in records)
        csv.writer(text, lineterminator="\n").writerows(rows)
        return text.getvalue().encode()


def _failed(text: str) -> FileFailed:
    return FileFailed("ClientError", f"ClientError: {text}")
