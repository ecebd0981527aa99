"""The part that every List operation shares: filter, sort, cut into pages."""

import base64
import binascii
import json
from collections.abc import Callable, Iterable
from datetime import datetime

from local_aws.errors import validation_exception

# ListTransformJobs documents 10 as its default page; the others name none.
DEFAULT_PAGE = 10


def page(
    records: Iterable[dict],
    request: dict,
    *,
    name: str,
    status: str | None = None,
    sort_by: str = "CreationTime",
    sort_order: str = "Descending",
) -> tuple[list[dict], str | None]:
    """One page of `records` as a List request asks for it, and the next token.

    `name` and `status` are the record's keys of those meanings; `sort_by` and
    `sort_order` are the operation's defaults. Source: the List operations of the
    botocore sagemaker service model. Raises ValidationException for a token that
    is not one of ours.
    """
    keys = {
        "Name": lambda record: record[name],
        "CreationTime": lambda record: record["CreationTime"],
        "Status": lambda record: record[status] if status else "",
    }
    key = keys[request.get("SortBy", sort_by)]
    kept = [record for record in records if _wanted(record, request, name, status)]

    def position(record: dict) -> list:
        return [key(record), record[name]]

    kept.sort(
        key=position, reverse=request.get("SortOrder", sort_order) == "Descending"
    )
    start = _start(kept, request, position)
    end = start + request.get("MaxResults", DEFAULT_PAGE)
    token = _token(position(kept[end - 1])) if end < len(kept) else None
    return kept[start:end], token


def _wanted(record: dict, request: dict, name: str, status: str | None) -> bool:
    created = record["CreationTime"]
    modified = record.get("LastModifiedTime", created)
    return (
        request.get("NameContains", "").lower() in record[name].lower()
        and _after(created, request.get("CreationTimeAfter"))
        and not _after(created, request.get("CreationTimeBefore"), default=False)
        and _after(modified, request.get("LastModifiedTimeAfter"))
        and not _after(modified, request.get("LastModifiedTimeBefore"), default=False)
        and (
            "StatusEquals" not in request
            or status is None
            or record[status] == request["StatusEquals"]
        )
    )


def _after(seconds: float, time: datetime | None, default: bool = True) -> bool:
    return default if time is None else seconds > time.timestamp()


def _token(position: list) -> str:
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode()


def _start(kept: list[dict], request: dict, position: Callable[[dict], list]) -> int:
    """The index after the record that the token names.

    A token holds a place in the order, not a number, so that what is created or
    deleted between two pages makes no record appear twice.
    """
    token = request.get("NextToken")
    if token is None:
        return 0
    try:
        last = json.loads(base64.urlsafe_b64decode(token.encode()))
        descending = kept and position(kept[0]) > position(kept[-1])
        return sum(
            position(record) >= last if descending else position(record) <= last
            for record in kept
        )
    except (binascii.Error, UnicodeError, ValueError, TypeError) as error:
        raise validation_exception("Invalid NextToken.") from error
