"""CloudWatch: metric values, alarms, dashboards."""

from typing import Any

from local_aws.installation import ACCOUNT_ID
from local_aws.persistence import pickles as records
from local_aws.persistence.database import Database
from local_aws.persistence.keeper import Entities, Request

READING = ("Get", "Describe", "List")
COLLECTIONS = ("alarms", "dashboards", "insight_rules")
SINGLES = ("tagger",)


class CloudWatchKeeper:
    """Keeps CloudWatch."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._entities = Entities(database, "cloudwatch", COLLECTIONS, SINGLES)
        self._stored_values: dict[str, int] = {}  # by Region: how many values

    def refill(self) -> None:
        """Fill moto with what is stored. Raises StateFileError."""
        for region in self._entities.regions():
            self._entities.load(region, self._backend(region))
        for region, record in self._database.rows(
            "SELECT region, record FROM metric_data ORDER BY id"
        ):
            values = self._backend(region).metric_data
            values += records.load(record)
            self._stored_values[region] = len(values)

    def is_change(self, request: Request) -> bool:
        """Whether the answer has to wait for `keep`."""
        return not request.operation.startswith(READING)

    def keep(self, request: Request) -> None:
        """Store what is new. Raises sqlite3.Error."""
        region = request.region
        backend = self._backend(region)
        new = backend.metric_data[self._stored_values.get(region, 0) :]
        present = None
        with self._database.transaction() as connection:
            if new:
                connection.execute(
                    "INSERT INTO metric_data (region, record) VALUES (?, ?)",
                    (region, records.dump(new)),
                )
            if request.operation != "PutMetricData":
                present = self._entities.save(connection, region, backend)
        self._stored_values[region] = len(backend.metric_data)
        if present is not None:
            self._entities.saved(region, present)

    def restore(self, request: Request) -> None:
        """Go back to what is stored."""
        backend = self._backend(request.region)
        del backend.metric_data[self._stored_values.get(request.region, 0) :]
        self._entities.load(request.region, backend)

    def refused(self, request: Request) -> None:
        """Nothing to do."""

    def passed(self, request: Request) -> None:
        """Nothing to do."""

    @staticmethod
    def _backend(region: str) -> Any:
        from moto.cloudwatch.models import cloudwatch_backends

        return cloudwatch_backends[ACCOUNT_ID][region]
