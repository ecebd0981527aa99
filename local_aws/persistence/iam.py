"""IAM: roles, users, groups, policies, instance profiles and what belongs to them."""

import base64
import hashlib
from typing import Any

from moto.iam.models import AWSManagedPolicy, iam_backends

from local_aws.installation import ACCOUNT_ID
from local_aws.persistence.database import Database
from local_aws.persistence.service import Change, Entities, ServicePersistence

COLLECTIONS = (
    "managed_policies",
    "access_keys",
    "roles",
    "users",
    "groups",
    "instance_profiles",
    "virtual_mfa_devices",
    "certificates",
    "saml_providers",
    "open_id_providers",
    "inline_policies",
)
SINGLES = ("account_aliases", "account_password_policy", "tagger")
REGION = "aws"  # IAM is the same in all Regions


class _IamEntities(Entities):
    def is_given(self, entity: Any) -> bool:
        """AWS's own policies come with moto."""
        return isinstance(entity, AWSManagedPolicy)


class IamPersistence(ServicePersistence):
    """IAM on disk."""

    reading = ("Get", "List", "Simulate", "Generate")

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._entities = _IamEntities(database, "iam", COLLECTIONS, SINGLES)

    @property
    def is_new(self) -> bool:
        """Whether nothing has ever been persisted."""
        return not self._entities.regions()

    def load(self) -> None:
        for policy in _backend().aws_managed_policies:
            policy.id = _policy_id(policy.arn)
        if not self.is_new:
            self._load()

    def persist(self, _: Change | None = None) -> None:
        with self._database.transaction() as connection:
            self._entities.write(connection, REGION, _backend())

    def roll_back(self, _: Change) -> None:
        self._load()

    def _load(self) -> None:
        backend = _backend()
        self._entities.load(REGION, backend)
        # How often each is attached follows from the rest.
        policies = backend.managed_policies
        for policy in backend.aws_managed_policies:
            policy.attachment_count = 0
        for collection in (backend.roles, backend.users, backend.groups):
            for entity in collection.values():
                for arn in entity.managed_policies:
                    policy = policies.get(arn)
                    if self._entities.is_given(policy):
                        policy.attachment_count += 1


def _backend() -> Any:
    return iam_backends[ACCOUNT_ID][REGION]


def _policy_id(arn: str) -> str:
    """The same id at each start; moto makes up a new one each time.

    ANPA is what ids of managed policies begin with (IAM User Guide, "IAM identifiers").
    """
    digest = base64.b32encode(hashlib.sha256(arn.encode()).digest()).decode()
    return "ANPA" + digest[:17]
