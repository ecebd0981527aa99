"""A stand-in that writes nothing of moto's services down: the negative control.

Nothing in local_aws can be told to behave so; it is done from outside.
"""

import sys

from local_aws.__main__ import main
from local_aws.persistence.cloudwatch import CloudWatchKeeper
from local_aws.persistence.iam import IamKeeper
from local_aws.persistence.logs import LogsKeeper
from local_aws.persistence.s3 import S3Keeper

for keeper in (CloudWatchKeeper, IamKeeper, LogsKeeper, S3Keeper):
    keeper.keep = lambda self, request=None: None

if __name__ == "__main__":
    sys.exit(main([]))
