"""What the persistence of each of moto's services has in common."""

import gc
from collections.abc import Iterator
from dataclasses import dataclass
from sqlite3 import Connection
from typing import TYPE_CHECKING, Any, ClassVar

from local_aws.installation import plain_errors
from local_aws.persistence import pickles
from local_aws.persistence.blobs import Content
from local_aws.persistence.database import UNREADABLE, Database

if TYPE_CHECKING:
    from local_aws.messages import Head


@dataclass(frozen=True)
class Change:
    """A request that may have changed something.

    `upload` is the body if that was taken ahead of moto (S3 only).
    """

    head: "Head"
    region: str
    operation: str
    upload: Content | None = None


class ServicePersistence:
    """One service of moto, on disk. All is called under that service's lock.

    An error may leave a change behind in moto's memory. It is persisted along with the
    next change, since everything is compared; only S3, which does not, takes it back.
    """

    # How the names of operations begin that change nothing.
    reading: ClassVar[tuple[str, ...]] = ()

    def __init__(self, database: Database) -> None:
        self._database = database

    def fill(self) -> None:
        """Fill moto with what is persisted. Raises InstallationError, StorageError."""
        # The collector would walk through all that is there again and again, which
        # takes as long as the rest, and find nothing.
        gc.disable()
        try:
            with plain_errors():
                self.load()
        except UNREADABLE as error:
            raise self._database.unreadable(error) from error
        finally:
            gc.enable()

    def load(self) -> None:
        """The service's own part of `fill`."""
        raise NotImplementedError

    def persist(self, change: Change) -> None:
        """Commit what moto has changed. Raises StorageError."""
        raise NotImplementedError

    def roll_back(self, change: Change) -> None:
        """Take back in moto's memory what is not committed."""
        raise NotImplementedError

    def is_change(self, change: Change) -> bool:
        """Whether the response has to wait for a commit."""
        return not change.operation.startswith(self.reading)

    def fail(self, change: Change) -> None:
        """moto has responded to a request with an error."""

    def skip(self) -> None:
        """A request that changes nothing has been responded to."""

    def settle(self, change: Change, failed: bool) -> None:
        """After moto's response: what it changed is on disk when this returns.

        Raises StorageError if it can't be; `roll_back` has to follow then.
        """
        if not self.is_change(change):
            self.skip()
        elif failed:
            self.fail(change)
        else:
            self.persist(change)


Key = tuple[str, str]  # collection and name; ("", attribute) for a single


class Entities:
    """Small things of one of moto's backends: each is a row, all are compared.

    `collections` are the backend's attributes that are dictionaries of entities,
    `singles` attributes that are persisted as one. A collection comes after those that
    its members refer to.
    """

    def __init__(
        self,
        database: Database,
        service: str,
        collections: tuple[str, ...],
        singles: tuple[str, ...],
    ) -> None:
        self._database = database
        self._service = service
        self._collections = collections
        self._singles = singles
        self._persisted: dict[str, dict[Key, bytes]] = {}  # by Region

    def regions(self) -> list[str]:
        """The Regions that have entities on disk."""
        rows = self._database.rows(
            "SELECT DISTINCT region FROM entities WHERE service=?", (self._service,)
        )
        return [region for (region,) in rows]

    def load(self, region: str, backend: Any) -> None:
        """Make the backend's entities those that are persisted."""
        rows = {
            (collection, name): record
            for collection, name, record in self._database.rows(
                "SELECT collection, name, record FROM entities WHERE service=? AND "
                "region=? ORDER BY id",
                (self._service, region),
            )
        }
        for collection in self._collections:
            entities = getattr(backend, collection)
            for name in [n for n, e in entities.items() if not self.is_given(e)]:
                del entities[name]

        def find(key: Key) -> Any:
            collection, name = key
            entities = getattr(backend, collection)
            if name not in entities:
                kind, state = pickles.load(rows[key], find)
                entities[name] = pickles.rebuild(kind, state)
            return entities[name]

        for collection, name in rows:
            if collection:
                find((collection, name))
            else:
                setattr(backend, name, pickles.load(rows["", name], find))
        missing = [name for name in self._singles if ("", name) not in rows]
        if missing:
            fresh = type(backend)(backend.region_name, backend.account_id)
            for name in missing:
                setattr(backend, name, getattr(fresh, name))
        self._persisted[region] = rows

    def write(self, connection: Connection, region: str, backend: Any) -> None:
        """Write what differs. If the transaction fails, `load` has to follow."""
        persisted = self._persisted.get(region, {})
        present = dict(self._records(backend))
        for collection, name in persisted.keys() - present.keys():
            connection.execute(
                "DELETE FROM entities WHERE service=? AND region=? AND collection=? "
                "AND name=?",
                (self._service, region, collection, name),
            )
        for key, record in present.items():
            if persisted.get(key) != record:
                connection.execute(
                    "INSERT INTO entities (service, region, collection, name, record) "
                    "VALUES (?, ?, ?, ?, ?) ON CONFLICT (service, region, collection, "
                    "name) DO UPDATE SET record=excluded.record",
                    (self._service, region, *key, record),
                )
        self._persisted[region] = present

    def is_given(self, entity: Any) -> bool:
        """Whether moto makes this entity by itself, so that it is not persisted."""
        return False

    def _records(self, backend: Any) -> Iterator[tuple[Key, bytes]]:
        # An entity inside another one is written as a reference to its own row.
        references = {
            id(entity): (collection, name)
            for collection in self._collections
            for name, entity in getattr(backend, collection).items()
        }
        for collection in self._collections:
            for name, entity in getattr(backend, collection).items():
                if not self.is_given(entity):
                    state = (type(entity), vars(entity))
                    yield (collection, name), pickles.dump(state, references)
        for name in self._singles:
            yield ("", name), pickles.dump(getattr(backend, name), references)
