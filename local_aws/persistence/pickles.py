"""Objects of moto as bytes and back.

The form is pickle's, since that is the only one which moto's objects have. Reading is
restricted to plain data and to the classes that are written here, so that a state
folder which came from somebody else can't run anything.
"""

import io
import pickle
from collections.abc import Callable, Mapping
from typing import Any

from local_aws.errors import StorageError
from local_aws.persistence.database import UNREADABLE, StateFileError

_CLASSES = {
    "builtins": {"set", "frozenset", "bytearray", "complex", "object"},
    "collections": {"OrderedDict", "defaultdict", "deque"},
    "datetime": {"datetime", "date", "time", "timedelta", "timezone"},
    "dateutil.tz.tz": {"tzutc", "tzlocal", "tzoffset"},
    "requests.structures": {"CaseInsensitiveDict"},
    "moto.utilities.tagging_service": {"TaggingService"},
    "moto.utilities.utils": {"CaseInsensitiveDict", "LowercaseDict"},
    "local_aws.persistence.s3_models": {"BlobKey", "BlobMultipart"},
}
# All classes that are defined in here.
_PACKAGES = ("moto.s3.", "moto.iam.", "moto.logs.", "moto.cloudwatch.", "moto.budgets.")
# What the first edition wrote.
_RENAMED = {
    ("local_aws.kept.s3_models", "KeptKey"): "BlobKey",
    ("local_aws.kept.s3_models", "KeptMultipart"): "BlobMultipart",
}


def dump(value: Any, references: Mapping[int, Any] | None = None) -> bytes:
    """`value` as bytes.

    `references` maps the id() of objects that have rows of their own to what is written
    in their place. Raises StorageError for an object that `load` would refuse.
    """
    buffer = io.BytesIO()
    _Pickler(buffer, references or {}).dump(value)
    return buffer.getvalue()


def load(record: bytes, find: Callable[[Any], Any] | None = None) -> Any:
    """What `dump` made bytes of; `find` gives the object of a reference.

    Raises StateFileError.
    """
    try:
        return _Unpickler(io.BytesIO(record), find).load()
    except (pickle.UnpicklingError, EOFError, *UNREADABLE) as error:
        raise StateFileError(
            f"A record in the state file can't be read ({error}). Use the code that "
            "wrote it, or start afresh with `make reset`, which removes all state."
        ) from error


def rebuild(kind: type, state: dict[str, Any]) -> Any:
    """An object with this state, made as pickle does it: without its __init__.

    And without the __new__ of moto's models, which remembers every object for ever.
    """
    entity = object.__new__(kind)
    vars(entity).update(state)
    return entity


def _is_expected(kind: Any) -> bool:
    if not isinstance(kind, type):
        return False
    module = kind.__module__
    return module.startswith(_PACKAGES) or kind.__qualname__ in _CLASSES.get(module, ())


class _Pickler(pickle.Pickler):
    _known: set[type] = set()  # noqa: RUF012 - shared on purpose

    def __init__(self, file: io.BytesIO, references: Mapping[int, Any]) -> None:
        super().__init__(file, protocol=5)
        self._references = references

    def persistent_id(self, value: Any) -> Any:
        return self._references.get(id(value))

    def reducer_override(self, value: Any) -> Any:
        kind = value if isinstance(value, type) else type(value)
        if kind not in self._known:
            if not _is_expected(kind):
                raise StorageError(
                    f"{kind.__module__}.{kind.__qualname__} can't be persisted"
                )
            self._known.add(kind)
        return NotImplemented


class _Unpickler(pickle.Unpickler):
    _known: dict[tuple[str, str], type] = {}  # noqa: RUF012 - shared on purpose

    def __init__(self, file: io.BytesIO, find: Callable[[Any], Any] | None) -> None:
        super().__init__(file)
        self._find = find

    def find_class(self, module: str, name: str) -> type:
        found = self._known.get((module, name))
        if found is None:
            if (module, name) in _RENAMED:
                found = super().find_class(
                    "local_aws.persistence.s3_models", _RENAMED[module, name]
                )
            elif module in _CLASSES or module.startswith(_PACKAGES):
                found = super().find_class(module, name)
            # Not what the module merely imports, and no attribute of that.
            if not _is_expected(found):
                raise pickle.UnpicklingError(f"{module}.{name} is not expected here")
            self._known[module, name] = found
        return found

    def persistent_load(self, reference: Any) -> Any:
        if self._find is None:
            raise pickle.UnpicklingError("a reference where none is expected")
        return self._find(reference)
