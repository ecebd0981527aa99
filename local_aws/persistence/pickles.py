"""Objects of moto as bytes and back.

The form is pickle's, since that is the only one which moto's objects have. Reading is
restricted to plain data and to moto's own classes, so that a state folder which came
from somebody else can't run anything.
"""

import io
import pickle
from collections.abc import Callable, Mapping
from typing import Any

from local_aws.persistence.resources import StateFileError

_PLAIN = {
    "builtins": {"set", "frozenset", "bytearray", "complex", "object"},
    "collections": {"OrderedDict", "defaultdict", "deque"},
    "datetime": {"datetime", "date", "time", "timedelta", "timezone"},
    "dateutil.tz.tz": {"tzutc", "tzlocal", "tzoffset"},
    "requests.structures": {"CaseInsensitiveDict"},
}
_OWN = "local_aws.persistence."


class NotKeepable(Exception):
    """An object that `load` would refuse."""


def dump(value: Any, references: Mapping[int, Any] | None = None) -> bytes:
    """`value` as bytes.

    `references` maps the id() of objects that are kept elsewhere to what is written in
    their place. Raises NotKeepable.
    """
    buffer = io.BytesIO()
    _Writer(buffer, references or {}).dump(value)
    return buffer.getvalue()


def load(record: bytes, find: Callable[[Any], Any] | None = None) -> Any:
    """What `dump` made bytes of; `find` gives the object of a reference.

    Raises StateFileError.
    """
    try:
        return _Reader(io.BytesIO(record), find).load()
    except (pickle.UnpicklingError, EOFError, AttributeError, ImportError) as error:
        raise StateFileError(
            f"A record in the state file can't be read ({error}). Start afresh with "
            "`python -m local_aws reset`, or use the code that wrote it."
        ) from error


def _is_expected(module: str, name: str) -> bool:
    return module.startswith(("moto.", _OWN)) or name in _PLAIN.get(module, ())


class _Writer(pickle.Pickler):
    _known: set[type] = set()  # noqa: RUF012 - shared on purpose

    def __init__(self, file: io.BytesIO, references: Mapping[int, Any]) -> None:
        super().__init__(file, protocol=5)
        self._references = references

    def persistent_id(self, value: Any) -> Any:
        return self._references.get(id(value))

    def reducer_override(self, value: Any) -> Any:
        kind = value if isinstance(value, type) else type(value)
        if kind not in self._known:
            if not _is_expected(kind.__module__, kind.__qualname__):
                raise NotKeepable(f"{kind.__module__}.{kind.__qualname__}")
            self._known.add(kind)
        return NotImplemented


class _Reader(pickle.Unpickler):
    _known: dict[tuple[str, str], type] = {}  # noqa: RUF012 - shared on purpose

    def __init__(self, file: io.BytesIO, find: Callable[[Any], Any] | None) -> None:
        super().__init__(file)
        self._find = find

    def find_class(self, module: str, name: str) -> type:
        found = self._known.get((module, name))
        if found is None:
            if _is_expected(module, name):
                found = super().find_class(module, name)
            if not isinstance(found, type):
                raise pickle.UnpicklingError(f"{module}.{name} is not expected here")
            self._known[module, name] = found
        return found

    def persistent_load(self, reference: Any) -> Any:
        if self._find is None:
            raise pickle.UnpicklingError("a reference where none is expected")
        return self._find(reference)
