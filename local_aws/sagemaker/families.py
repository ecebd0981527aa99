"""Families of resources: what all models, all endpoints, all training jobs share.

A family is declared once, by a `Family` in a module of its own that holds only what is
peculiar to it. What Describe and List show is cut from the shapes of the service model,
so that a record may hold more than a client gets to see.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from botocore.model import Shape

from local_aws import services
from local_aws.errors import AwsError
from local_aws.installation import ACCOUNT_ID
from local_aws.persistence.resources import AlreadyExists, NotFound
from local_aws.sagemaker import pagination, preconditions
from local_aws.sagemaker.operations import Context, operation

Change = Callable[[dict], None]


@dataclass(frozen=True)
class Family:
    """One kind of resource.

    Args:
        noun: the word in its operations and members ("TrainingJob" as in
            DescribeTrainingJob, TrainingJobName, TrainingJobArn, TrainingJobStatus).
        kind: the resource type in its ARN, under which its records are stored too.
        not_found: AWS's words for a name that is not there; {arn} and {name} are
            filled in.
        already_exists: AWS's words for a name that is taken; {arn} and {name} are
            filled in.
        words: what it is called in other messages; by default the kind, spelt out.
        not_found_code: the code of that error.
        already_exists_code: the code of that error.
        refused: what a Create request can't have here, and what that would be; a
            member of a structure or of a list's structures is written "Outer.Inner".
        transitional: the statuses of a resource that is on its way to another one.
        progress: a member that tells how far it has come, if there is one.
        sort_by: what its List operation sorts by if the request does not say.
        sort_order: in which order it sorts if the request does not say.
    """

    noun: str
    kind: str
    not_found: str
    already_exists: str
    not_found_code: str = "ValidationException"
    already_exists_code: str = "ValidationException"
    words: str = ""
    refused: Mapping[str, str] = field(default_factory=dict)
    transitional: frozenset[str] = frozenset()
    progress: str = ""
    sort_by: str = "CreationTime"
    sort_order: str = "Descending"

    @property
    def name_member(self) -> str:
        return f"{self.noun}Name"

    @property
    def arn_member(self) -> str:
        return f"{self.noun}Arn"

    @property
    def status_member(self) -> str:
        """A family without statuses (models) has no such member in its records."""
        return f"{self.noun}Status"

    @cached_property
    def described_members(self) -> frozenset[str]:
        """What Describe may show."""
        return frozenset(output_members(f"Describe{self.noun}"))

    @cached_property
    def _page(self) -> tuple[str, frozenset[str]]:
        """The member of List's output that holds the page, and what each entry has."""
        members = output_members(f"List{self.noun}s")
        (page,) = (name for name in members if members[name].type_name == "list")
        return page, frozenset(members[page].member.members)

    def arn(self, name: str, context: Context) -> str:
        """The ARN of a new resource; one made by an earlier edition has another: that
        lower-cased names, and what has an ARN keeps it.
        """
        return f"arn:aws:sagemaker:{context.region}:{ACCOUNT_ID}:{self.kind}/{name}"

    def is_transitional(self, record: dict) -> bool:
        """Whether the resource is on its way to another status."""
        return record.get(self.status_member) in self.transitional

    def key(self, params: Mapping[str, Any], region: str) -> tuple[str, str, str]:
        """Where the resource of a request is persisted."""
        return region, self.kind, params[self.name_member]

    def refuse(self, request: dict) -> None:
        """Raise for members of a Create request that would be ignored."""
        preconditions.refuse_members(request, self.refused)

    def create(self, members: dict, context: Context) -> dict:
        """Store a new resource; raises AWS's error if its name is taken.

        Args:
            members: the request, with what else the record is to hold.
            context: the operation's context.

        Returns:
            What a Create operation returns: the ARN.
        """
        name = members[self.name_member]
        arn = self.arn(name, context)
        now = time.time()
        times = {"CreationTime": now, "LastModifiedTime": now}
        record = {**times, **members, self.arn_member: arn}
        record.pop("Tags", None)
        tags = preconditions.tags_of_request(members)
        try:
            context.resources.create(context.region, self.kind, name, record, arn, tags)
        except AlreadyExists as error:
            text = self.already_exists.format(
                arn=error.record[self.arn_member], name=name
            )
            raise AwsError(self.already_exists_code, text) from error
        return {self.arn_member: arn}

    def get(self, name: str, context: Context) -> dict:
        """The resource's record; raises AWS's error if there is none."""
        with self._exists(name, context):
            return context.resources.get(context.region, self.kind, name)

    def update(self, name: str, context: Context, change: Change) -> dict:
        """Apply `change` to the record, or leave it as it was if that raises."""
        with self._exists(name, context):
            return context.resources.update(context.region, self.kind, name, change)

    def delete(
        self, request: dict, context: Context, check: Change | None = None
    ) -> dict:
        """Delete the record and its tags unless `check` raises."""
        name = request[self.name_member]
        with self._exists(name, context):
            context.resources.delete(context.region, self.kind, name, check)
        return {}

    @contextmanager
    def _exists(self, name: str, context: Context) -> Iterator[None]:
        """Raise AWS's error if there is no resource of this name."""
        try:
            yield
        except NotFound as error:
            text = self.not_found.format(arn=self.arn(name, context), name=name)
            raise AwsError(self.not_found_code, text) from error

    def describe(self, request: dict, context: Context) -> dict:
        """The resource as its Describe operation shows it."""
        record = self.get(request[self.name_member], context)
        members = self.described_members
        return {name: value for name, value in record.items() if name in members}

    def list(self, request: dict, context: Context) -> dict:
        """A page of the family's resources in the request's Region."""
        member, summary = self._page
        records, token = pagination.page(
            context.resources.list(context.region, self.kind, summary),
            request,
            self.noun,
            summary,
            self.sort_by,
            self.sort_order,
        )
        return {member: records, "NextToken": token}


def output_members(operation_name: str) -> Mapping[str, Shape]:
    """The members of an operation's output, by name."""
    model = services.named("sagemaker").model
    return model.operation_model(operation_name).output_shape.members


# By resource type in ARNs, and by the name of the Describe operation.
FAMILIES: dict[str, Family] = {}
DESCRIBED: dict[str, Family] = {}


def declare(family: Family) -> Family:
    """Make the family known and register its Describe and List operations."""
    FAMILIES[family.kind] = family
    DESCRIBED[f"Describe{family.noun}"] = family
    operation(f"Describe{family.noun}")(family.describe)
    operation(f"List{family.noun}s")(family.list)
    return family
