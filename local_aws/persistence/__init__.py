"""What moto holds in memory, kept on disk.

moto's applications do the work; after each request that changed something, and before
its answer is given out, the change is committed to one SQLite file, `services.sqlite`.
The bytes of larger objects are in files of their own, in `s3/`. At start moto is filled
again from there. So a request that was answered is not lost, however the process ends;
a change that could not be stored is taken back in memory too, and its request answered
with an error.

database.py    the SQLite file: versions, transactions
records.py     objects of moto as bytes and back
content.py     the bytes of S3's objects: files, ranges, who still reads them
s3.py, s3_models.py, iam.py, logs.py, cloudwatch.py    what each service keeps

Not kept, since nothing could use it after a restart: sessions made by STS (requests
signed with them are not accepted anyway) and queries of Logs Insights.
"""

from pathlib import Path

from local_aws.persistence.cloudwatch import CloudWatchKeeper
from local_aws.persistence.database import Database
from local_aws.persistence.iam import IamKeeper
from local_aws.persistence.keeper import Keeper
from local_aws.persistence.logs import LogsKeeper
from local_aws.persistence.s3 import S3Keeper

DATABASE = "services.sqlite"
OBJECTS = "s3"


class Kept:
    """The keepers of all services, on one database."""

    def __init__(self, home: Path) -> None:
        """Open or create what is kept in the state folder. Raises StateFileError."""
        self.database = Database(home / DATABASE)
        self.s3 = S3Keeper(self.database, home / OBJECTS)
        self.iam = IamKeeper(self.database)
        self.by_service: dict[str, Keeper] = {
            "s3": self.s3,
            "iam": self.iam,
            "logs": LogsKeeper(self.database),
            "monitoring": CloudWatchKeeper(self.database),
        }
