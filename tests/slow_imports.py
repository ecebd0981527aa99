"""A stand-in that takes its time to import moto's IAM.

Python refuses to import when one thread imports a package that imports a module of its
own, and another thread imports this module meanwhile.
"""

import sys
import time
from importlib.machinery import PathFinder

from local_aws.__main__ import main

SLOW = "moto.iam"
SECONDS = 1.0
SAID = f"{SLOW} is being imported"


class SlowFinder:
    """Finds one package, and makes it late."""

    @staticmethod
    def find_spec(name, path, target=None):
        if name != SLOW:
            return None
        spec = PathFinder.find_spec(name, path, target)
        create = spec.loader.create_module

        def create_late(spec):
            print(SAID, flush=True)
            time.sleep(SECONDS)
            return create(spec)

        spec.loader.create_module = create_late
        return spec


if __name__ == "__main__":
    sys.meta_path.insert(0, SlowFinder)
    sys.exit(main([]))
