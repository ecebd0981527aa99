"""The SQLite file of moto's services."""

import importlib.metadata
from pathlib import Path

from local_aws.persistence import OBJECTS
from local_aws.persistence.database import Database

# The tables of S3 and Logs keep rowids: their order is the order of creation.
SCHEMA = """
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

-- Bytes of objects. data is NULL where they are in the file s3/<name>. refs counts
-- how often objects and parts name it: copies share their bytes.
CREATE TABLE blobs (name TEXT PRIMARY KEY, refs INTEGER NOT NULL, data BLOB);
CREATE TABLE buckets (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, record BLOB NOT NULL);
-- One row for each version of an object and each delete marker (content NULL).
CREATE TABLE objects (
    id INTEGER PRIMARY KEY, bucket TEXT NOT NULL, key TEXT NOT NULL,
    version TEXT NOT NULL, size INTEGER NOT NULL, content TEXT, record BLOB NOT NULL,
    UNIQUE (bucket, key, version));
CREATE TABLE uploads (
    id INTEGER PRIMARY KEY, bucket TEXT NOT NULL, upload TEXT NOT NULL,
    record BLOB NOT NULL, UNIQUE (bucket, upload));
CREATE TABLE parts (
    bucket TEXT NOT NULL, upload TEXT NOT NULL, number INTEGER NOT NULL,
    content TEXT NOT NULL, record BLOB NOT NULL,
    PRIMARY KEY (bucket, upload, number)) WITHOUT ROWID;

-- Anything small: one row for each member of a collection of a service in a Region.
CREATE TABLE entities (
    id INTEGER PRIMARY KEY, service TEXT NOT NULL, region TEXT NOT NULL,
    collection TEXT NOT NULL, name TEXT NOT NULL, record BLOB NOT NULL,
    UNIQUE (service, region, collection, name));

CREATE TABLE log_groups (
    id INTEGER PRIMARY KEY, region TEXT NOT NULL, name TEXT NOT NULL,
    record BLOB NOT NULL, UNIQUE (region, name));
CREATE TABLE log_streams (
    id INTEGER PRIMARY KEY, region TEXT NOT NULL, log_group TEXT NOT NULL,
    name TEXT NOT NULL, created TEXT NOT NULL, stored_bytes INTEGER NOT NULL,
    token INTEGER NOT NULL, ingested TEXT, UNIQUE (region, log_group, name));
-- Append only. id is the event's id in CloudWatch Logs.
CREATE TABLE log_events (
    id INTEGER PRIMARY KEY, stream INTEGER NOT NULL, timestamp INTEGER NOT NULL,
    ingestion_time INTEGER NOT NULL, message TEXT NOT NULL);
CREATE INDEX log_events_of_stream ON log_events (stream, id);

-- One row for each PutMetricData.
CREATE TABLE metric_data (
    id INTEGER PRIMARY KEY, region TEXT NOT NULL, record BLOB NOT NULL);
"""


def open_moto_database(path: Path) -> Database:
    """Open or create the file at `path`.

    Raises StateFileError when Database does, or when the file was written with another
    version of moto: it holds moto's own objects, which change from version to version.
    """
    installed = importlib.metadata.version("moto")
    about = f"INSERT INTO about VALUES ('moto', '{installed}')"  # noqa: S608
    database = Database(path, SCHEMA + about, made_later=OBJECTS)
    rows = database.rows("SELECT value FROM about WHERE name='moto'")
    if not rows:
        database.close()
        raise database.unusable("does not say which version of moto wrote it")
    [(wrote,)] = rows
    if wrote != installed:
        database.close()
        raise database.unusable(
            f"was written with moto {wrote}, and moto {installed} is installed: "
            f"install moto=={wrote} to go on with what is in it"
        )
    return database
