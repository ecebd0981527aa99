"""Temporary keys: with them a role's session signs its requests.

A function or a job gets them when its process starts, and they end with it. They are in
the memory of this process alone: what they are made for does not outlive it.

Sources: IAM User Guide, "Temporary security credentials in IAM" and "IAM identifiers".
"""

import secrets
import string
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from botocore.credentials import Credentials

from local_aws.installation import ACCOUNT_ID

# As long as a session can be (STS API Reference, AssumeRole).
LIFETIME = timedelta(hours=12)
# For so long a client is told that its keys have expired; then, that nobody knows them.
REMEMBERED = timedelta(hours=1)

_ID_CHARACTERS = string.ascii_uppercase + "234567"


@dataclass(frozen=True)
class RoleSession:
    """One session of a role, and the keys that it signs with."""

    role_arn: str
    session_name: str
    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str = field(repr=False)
    expires_at: datetime

    @property
    def arn(self) -> str:
        """Who the caller is, as sts:GetCallerIdentity says it."""
        return session_arn(self.role_arn, self.session_name)

    @property
    def environment(self) -> Mapping[str, str]:
        """The keys in the variables in which every AWS client looks for them."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret_access_key,
            "AWS_SESSION_TOKEN": self.session_token,
        }

    @property
    def keys(self) -> Credentials:
        """The keys as botocore's signers take them."""
        key_id = self.access_key_id
        return Credentials(key_id, self.secret_access_key, self.session_token)

    def has_expired(self, now: datetime) -> bool:
        """Whether requests that are signed with the keys are refused from now on."""
        return now >= self.expires_at


def session_arn(role_arn: str, session_name: str) -> str:
    """The ARN of a role's session; the path that the role's may have is not in it."""
    who = f"{role_arn.rpartition('/')[2]}/{session_name}"
    return f"arn:aws:sts::{ACCOUNT_ID}:assumed-role/{who}"


class TemporaryCredentials:
    """The sessions of roles in this process. Safe to use from several threads."""

    def __init__(self) -> None:
        self._sessions: dict[str, RoleSession] = {}
        self._lock = threading.Lock()

    def of_role(
        self, role_arn: str, session_name: str, lifetime: timedelta = LIFETIME
    ) -> RoleSession:
        """Make a session of a role.

        Args:
            role_arn: whether it exists, and whom it trusts, is for the caller to check.
            session_name: for example the function's name.
            lifetime: after it the keys are refused, if they have not been ended.
        """
        now = datetime.now(UTC)
        session = RoleSession(
            role_arn,
            session_name,
            "ASIA" + "".join(secrets.choice(_ID_CHARACTERS) for _ in range(16)),
            secrets.token_urlsafe(30),
            secrets.token_urlsafe(150),
            now + lifetime,
        )
        with self._lock:
            self._sessions = {
                key: known
                for key, known in self._sessions.items()
                if not known.has_expired(now - REMEMBERED)
            }
            self._sessions[session.access_key_id] = session
        return session

    def find(self, access_key_id: str) -> RoleSession | None:
        """The session with this key; it may have expired."""
        return self._sessions.get(access_key_id)

    def end(self, session: RoleSession) -> None:
        """Refuse its keys from now on, as if nobody had ever made them."""
        with self._lock:
            self._sessions.pop(session.access_key_id, None)
