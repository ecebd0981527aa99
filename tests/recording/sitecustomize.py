"""Notes every call of botocore's clients: boto3's, the SDK's, the AWS CLI's.

A Python that finds this folder on its path imports it as it starts. A presigned URL is
noted when it is made. One line of JSON for each call: service, operation, and those
parameters that are texts.
"""

import json
import os
from typing import Any


def _record(file: str) -> None:
    from botocore.client import BaseClient

    emit = BaseClient._emit_api_params

    def emit_and_note(
        self: Any, api_params: dict, operation_model: Any, *more: Any, **named: Any
    ) -> Any:
        texts = {k: v for k, v in api_params.items() if isinstance(v, str)}
        service = self.meta.service_model.service_name
        line = json.dumps([service, operation_model.name, texts])
        with open(file, "a") as calls:
            calls.write(line + "\n")
        return emit(self, api_params, operation_model, *more, **named)

    BaseClient._emit_api_params = emit_and_note


if "RECORDED_CALLS" in os.environ:
    _record(os.environ["RECORDED_CALLS"])
