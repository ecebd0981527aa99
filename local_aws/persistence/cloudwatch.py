"""CloudWatch: metric values, alarms, dashboards."""

from typing import Any

from moto.cloudwatch.models import cloudwatch_backends

from local_aws.installation import ACCOUNT_ID
from local_aws.persistence import pickles
from local_aws.persistence.database import Database
from local_aws.persistence.metric_times import patch_cloudwatch
from local_aws.persistence.service import Change, Entities, ServicePersistence

COLLECTIONS = ("alarms", "dashboards", "insight_rules")
SINGLES = ("tagger",)


class CloudWatchPersistence(ServicePersistence):
    """CloudWatch on disk."""

    reading = ("Get", "Describe", "List")

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._entities = Entities(database, "cloudwatch", COLLECTIONS, SINGLES)
        self._persisted_values: dict[str, int] = {}  # by Region: how many values

    def load(self) -> None:
        patch_cloudwatch()
        for region in self._entities.regions():
            self._entities.load(region, _backend(region))
        for region, record in self._database.rows(
            "SELECT region, record FROM metric_data ORDER BY id"
        ):
            values = _backend(region).metric_data
            values += pickles.load(record)
            self._persisted_values[region] = len(values)

    def persist(self, change: Change) -> None:
        region = change.region
        backend = _backend(region)
        new = backend.metric_data[self._persisted_values.get(region, 0) :]
        with self._database.transaction() as connection:
            if new:
                connection.execute(
                    "INSERT INTO metric_data (region, record) VALUES (?, ?)",
                    (region, pickles.dump(new)),
                )
            if change.operation != "PutMetricData":
                self._entities.write(connection, region, backend)
        self._persisted_values[region] = len(backend.metric_data)

    def roll_back(self, change: Change) -> None:
        backend = _backend(change.region)
        del backend.metric_data[self._persisted_values.get(change.region, 0) :]
        self._entities.load(change.region, backend)


def _backend(region: str) -> Any:
    return cloudwatch_backends[ACCOUNT_ID][region]
