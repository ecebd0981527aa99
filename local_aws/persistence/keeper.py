"""What all keepers have in common, and the one for small things."""

from collections.abc import Iterator
from dataclasses import dataclass
from sqlite3 import Connection
from typing import Any, Protocol

from local_aws.persistence import pickles as records
from local_aws.persistence.blobs import Content
from local_aws.persistence.database import Database
from local_aws.signature import Head


@dataclass(frozen=True)
class Request:
    """What a keeper has to know of a request.

    `upload` is the body if that was taken ahead of moto (S3 only).
    """

    head: Head
    region: str
    operation: str
    upload: Content | None = None


class Keeper(Protocol):
    """Keeps one service of moto. All is called under that service's lock.

    An error may leave a change behind in moto's memory; but for S3 it is then stored
    along with the next change, since `keep` compares everything.
    """

    def refill(self) -> None:
        """Fill moto with what is stored. Raises StateFileError."""

    def is_change(self, request: Request) -> bool:
        """Whether the answer has to wait for `keep`."""

    def keep(self, request: Request) -> None:
        """Store what the request changed. Raises StorageError or sqlite3.Error."""

    def restore(self, request: Request) -> None:
        """Take back in moto's memory what the request changed and is not stored."""

    def refused(self, request: Request) -> None:
        """moto has answered a request with an error."""

    def passed(self, request: Request) -> None:
        """A request that changes nothing has been answered."""


Key = tuple[str, str]  # collection and name; ("", attribute) for a single


class Entities:
    """Small things of one of moto's backends: each is a row, all are compared.

    `collections` are the backend's attributes that are dictionaries of entities,
    `singles` attributes that are stored as one. A collection comes after those that
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
        self._stored: dict[str, dict[Key, bytes]] = {}  # by Region

    def regions(self) -> list[str]:
        """The Regions that something is stored for."""
        rows = self._database.rows(
            "SELECT DISTINCT region FROM entities WHERE service=?", (self._service,)
        )
        return [region for (region,) in rows]

    def load(self, region: str, backend: Any) -> None:
        """Make the backend's entities those that are stored."""
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
                kind, state = records.load(rows[key], find)
                entities[name] = entity = kind.__new__(kind)
                entity.__dict__.update(state)
            return entities[name]

        for collection, name in rows:
            if collection:
                find((collection, name))
            else:
                setattr(backend, name, records.load(rows["", name], find))
        missing = [name for name in self._singles if ("", name) not in rows]
        if missing:
            fresh = type(backend)(backend.region_name, backend.account_id)
            for name in missing:
                setattr(backend, name, getattr(fresh, name))
        self._stored[region] = rows

    def save(self, connection: Connection, region: str, backend: Any) -> dict:
        """Write what differs; returns what `saved` is to be told."""
        stored = self._stored.get(region, {})
        present = dict(self._records(backend))
        for collection, name in stored.keys() - present.keys():
            connection.execute(
                "DELETE FROM entities WHERE service=? AND region=? AND collection=? "
                "AND name=?",
                (self._service, region, collection, name),
            )
        for key, record in present.items():
            if stored.get(key) != record:
                connection.execute(
                    "INSERT INTO entities (service, region, collection, name, record) "
                    "VALUES (?, ?, ?, ?, ?) ON CONFLICT (service, region, collection, "
                    "name) DO UPDATE SET record=excluded.record",
                    (self._service, region, *key, record),
                )
        return present

    def saved(self, region: str, present: dict) -> None:
        """The transaction with this `save` has been committed."""
        self._stored[region] = present

    def is_given(self, entity: Any) -> bool:
        """Whether moto makes this entity by itself, so that it is not stored."""
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
                    yield (collection, name), records.dump(state, references)
        for name in self._singles:
            yield ("", name), records.dump(getattr(backend, name), references)
