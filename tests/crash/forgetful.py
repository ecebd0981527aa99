"""A stand-in that writes nothing of moto's services down: the negative control.

Nothing in local_aws can be told to behave so; it is done from outside.
"""

import sys

from local_aws.__main__ import main
from local_aws.persistence.service import ServicePersistence

ServicePersistence.settle = lambda self, request, failed: None

if __name__ == "__main__":
    sys.exit(main([]))
