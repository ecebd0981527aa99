"""The part that every List operation shares: sort, cut into pages, filter."""

import base64
import json
import operator
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

from local_aws.errors import AwsError, validation_exception
from local_aws.sagemaker import preconditions

# ListTransformJobs documents 10 as its default page; the others name none.
DEFAULT_PAGE = 10

# What SortBy may say, and what such a member is in a record.
SORTED_BY = {
    "Name": str,
    "CreationTime": float,
    "Status": str,
    "FinalObjectiveMetricValue": float,
}

# How the members of a List request that filter end, and when a value passes.
FILTERS: dict[str, Callable[[Any, Any], bool]] = {
    "Contains": lambda value, text: text.lower() in value.lower(),
    "Equals": lambda value, asked: (
        asked in value if isinstance(value, list) else value == asked
    ),
    "After": lambda seconds, time: seconds > time.timestamp(),
    "Before": lambda seconds, time: seconds <= time.timestamp(),
}

# Members of a record that are called otherwise in the filter.
FILTERED_AS = {"AdditionalCodeRepository": "AdditionalCodeRepositories"}


def page(
    records: Iterable[dict],
    request: dict,
    noun: str,
    summary: Collection[str],
    sort_by: str,
    sort_order: str,
) -> tuple[list[dict], str | None]:
    """One page of `records` as a List request asks for it, and the next token.

    As on AWS the page is cut first, and then the filters apply: a page may be empty
    and have a next token all the same (ListTrainingJobs, botocore sagemaker service
    model; boto3 issues 2521, 2838 and 4020, the last one of ListModels).

    A token names the last record of its page and the order, whatever the next request
    says: so what is created or deleted between two pages neither hides nor repeats
    another.

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
    filters = list(_filters(request))
    for member, _, _ in filters:
        if not {member, noun + member} & set(summary):
            raise preconditions.not_built(f"Listing by {member}")
    ordered = sorted(records, key=position, reverse=descending)
    if last is not None:
        is_later = operator.lt if descending else operator.gt
        ordered = [record for record in ordered if is_later(position(record), last)]
    size = request.get("MaxResults", DEFAULT_PAGE)
    shown = ordered[:size]
    token = None
    if len(ordered) > size:
        token = _token(noun, sort_by, descending, position(shown[-1]))
    for member, passes, asked in filters:
        found = ((record, value(record, member)) for record in shown)
        shown = [
            record for record, has in found if has is not None and passes(has, asked)
        ]
    return shown, token


def _filters(request: dict) -> Iterator[tuple[str, Callable[[Any, Any], bool], Any]]:
    """Member, test and value asked for of each filter in the request."""
    for name, asked in request.items():
        for ending, passes in FILTERS.items():
            if name.endswith(ending):
                member = name.removesuffix(ending)
                yield FILTERED_AS.get(member, member), passes, asked


def invalid_token() -> AwsError:
    """The error for a NextToken that the operation has not given."""
    return validation_exception("Invalid NextToken.")


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
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise invalid_token() from error
    return sort_by, descending, last
