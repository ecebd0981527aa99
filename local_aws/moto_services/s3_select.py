"""S3 Select: what of it moto's answers are right for. All else is refused by name.

moto passes over delimiters, LIMIT, functions, AND and much else that it does not know.
"""

import re
from xml.etree import ElementTree

from local_aws import errors

_COLUMN = r"(?:\w+\.)?(?:\w+|\"[^\"]+\")"
_CONDITION = rf"{_COLUMN}\s*=\s*'[^']*'"
_EXPRESSION = re.compile(
    rf"\s*select\s+(?:\*|count\(\*\)|{_COLUMN}(?:\s*,\s*{_COLUMN})*)"
    r"\s+from\s+s3object(?:\s+\w+)?"
    rf"(?:\s+where\s+{_CONDITION})?\s*",
    re.IGNORECASE,
)
# What may be said, since it is what is done anyway (S3 API Reference, CSVInput).
_DEFAULTS = {
    "FieldDelimiter": {","},
    "RecordDelimiter": {"\n"},
    "QuoteCharacter": {'"'},
    "QuoteEscapeCharacter": {'"'},
    "QuoteFields": {"ASNEEDED"},
    "AllowQuotedRecordDelimiter": {"false"},
    "FileHeaderInfo": {"NONE", "USE"},
    "Parquet": set(),
    "ScanRange": set(),
}


def check_select(document: bytes) -> None:
    """Raise AwsError for a request beyond what works; the document is one for S3."""
    for element in ElementTree.fromstring(document).iter():  # noqa: S314 - see check_xml
        name, text = element.tag.rpartition("}")[2], element.text or ""
        if name == "Expression" and not _EXPRESSION.fullmatch(text):
            raise _not_built("this SQL")
        if text not in _DEFAULTS.get(name, {text}):
            raise _not_built(name)


def _not_built(what: str) -> errors.AwsError:
    return errors.not_built("s3", f"SelectObjectContent with {what}")
