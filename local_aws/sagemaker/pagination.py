"""The part that every List operation shares: filter, sort, cut into pages."""

import base64
import json
import operator
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

from local_aws.errors import validation_exception
from local_aws.sagemaker import preconditions

# ListTransformJobs documents 10 as its default page; the others name none.
DEFAULT_PAGE = 10

# What SortBy may say, and what such a member is in a record.
SORTED_BY = {"Name": str, "CreationTime": float, "Status": str}

# How the members of a List request that filter end, and when a value passes.
FILTERS: dict[str, Callable[[Any, Any], bool]] = {
    "Contains": lambda value, text: text.lower() in value.lower(),
    "Equals": operator.eq,
    "After": lambda seconds, time: seconds > time.timestamp(),
    "Before": lambda seconds, time: seconds <= time.timestamp(),
}


def page(
    records: Iterable[dict],
    request: dict,
    noun: str,
    summary: Collection[str],
    sort_by: str,
    sort_order: str,
) -> tuple[list[dict], str | None]:
    """One page of `records` as a List request asks for it, and the next token.

    A token names the last record shown and the order, whatever the next request says:
    so what is created or deleted between two pages neither hides nor repeats another.

    Args:
        records: all that there are.
        request: SortBy, SortOrder, MaxResults, NextToken and filters (List operations,
            botocore sagemaker service model).
        noun: what members like Name begin with in a record ("TrainingJob").
        summary: the members that the operation shows.
        sort_by: the operation's default.
        sort_order: the operation's default.

    Raises:
        AwsError: ValidationException for a token that is not of this operation, or a
            filter by what it does not show.
    """

    def value(record: dict, member: str) -> Any:
        return record.get(member, record.get(noun + member))

    def position(record: dict) -> list:
        return [value(record, sort_by), value(record, "Name")]

    sort_by = request.get("SortBy", sort_by)
    descending = request.get("SortOrder", sort_order) == "Descending"
    last = None
    if "NextToken" in request:
        sort_by, descending, last = _read_token(request["NextToken"], noun)
    shown = list(records)
    for member, passes, asked in _filters(request):
        if not {member, noun + member} & set(summary):
            raise preconditions.not_built(f"Listing by {member}")
        found = ((record, value(record, member)) for record in shown)
        shown = [
            record for record, has in found if has is not None and passes(has, asked)
        ]
    shown.sort(key=position, reverse=descending)
    if last is not None:
        is_later = operator.lt if descending else operator.gt
        shown = [record for record in shown if is_later(position(record), last)]
    size = request.get("MaxResults", DEFAULT_PAGE)
    if len(shown) <= size:
        return shown, None
    return shown[:size], _token(noun, sort_by, descending, position(shown[size - 1]))


def _filters(request: dict) -> Iterator[tuple[str, Callable[[Any, Any], bool], Any]]:
    """Member, test and value asked for of each filter in the request."""
    for name, asked in request.items():
        for ending, passes in FILTERS.items():
            if name.endswith(ending):
                yield name.removesuffix(ending), passes, asked


def _token(*content: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode()


def _read_token(token: str, noun: str) -> tuple[str, bool, list]:
    """What it is sorted by, whether descending, and the last record's position."""
    try:
        made_for, sort_by, descending, last = json.loads(
            base64.urlsafe_b64decode(token.encode())
        )
        types = [SORTED_BY[sort_by], str]
        if made_for != noun or [type(part) for part in last] != types:
            raise ValueError(token)
    except (ValueError, TypeError, KeyError) as error:
        raise validation_exception("Invalid NextToken.") from error
    return sort_by, descending, last
