"""moto's own settings, which it reads from the environment when it is imported."""

import sys
from collections.abc import MutableMapping

from local_aws.installation import ACCOUNT_ID

SWITCHES = {
    "MOTO_ACCOUNT_ID": ACCOUNT_ID,
    "MOTO_DISABLE_GLOBAL_CORS": "true",
    "MOTO_IAM_LOAD_MANAGED_POLICIES": "true",
    "S3_IGNORE_SUBDOMAIN_BUCKETNAME": "true",
}


def set_switches(environment: MutableMapping[str, str]) -> None:
    """Leave none of moto's settings in `environment` but ours.

    Raises RuntimeError if moto has been imported, and so has read others.
    """
    if "moto" in sys.modules:
        raise RuntimeError("moto was imported before its settings were made")
    for name in list(environment):
        if name.upper().startswith("MOTO_") or name.startswith("S3_"):
            del environment[name]
    environment.update(SWITCHES)
