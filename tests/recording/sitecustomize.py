"""Notes every call of botocore's clients: boto3's, the SDK's, the AWS CLI's.

A Python that finds this folder on its path imports it as it starts. One line of JSON
for each call, and another one if it succeeds: service, operation, those parameters
that are texts, whether it has succeeded. A role or a budget's name deeper in the
parameters is noted by its path ("TrainingJobDefinition.RoleArn"). A presigned URL is
noted when it is made.
"""

import json
import os
from collections.abc import Iterator
from typing import Any


def _texts(given: dict) -> dict[str, str]:
    texts = {name: text for name, text in given.items() if isinstance(text, str)}
    return texts | {path: text for path, text in _deeper(given, "") if "." in path}


def _deeper(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _deeper(item, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _deeper(item, f"{path}.{number}")
    elif isinstance(value, str) and path.endswith(("RoleArn", "BudgetName")):
        yield path, value


def _record(file: str) -> None:
    from botocore.client import BaseClient

    def note(client: Any, operation: str, given: dict, succeeded: bool) -> None:
        service = client.meta.service_model.service_name
        with open(file, "a") as calls:
            calls.write(
                json.dumps([service, operation, _texts(given), succeeded]) + "\n"
            )

    emit, call = BaseClient._emit_api_params, BaseClient._make_api_call

    # Presigning goes through the first one too, and not through the second.
    def emit_and_note(
        self: Any, api_params: dict, operation_model: Any, *more: Any, **named: Any
    ) -> Any:
        note(self, operation_model.name, api_params, succeeded=False)
        return emit(self, api_params, operation_model, *more, **named)

    def call_and_note(self: Any, operation_name: str, api_params: dict) -> Any:
        response = call(self, operation_name, api_params)
        note(self, operation_name, api_params, succeeded=True)
        return response

    BaseClient._emit_api_params = emit_and_note
    BaseClient._make_api_call = call_and_note


if "RECORDED_CALLS" in os.environ:
    _record(os.environ["RECORDED_CALLS"])
