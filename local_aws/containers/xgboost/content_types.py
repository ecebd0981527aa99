"""The content types that the image names, and what each of them means."""

from local_aws.containers import media_types
from local_aws.containers.xgboost.errors import UserError

CSV = "csv"
LIBSVM = "libsvm"
PARQUET = "parquet"
RECORDIO_PROTOBUF = "recordio-protobuf"

_FORMATS = {
    "csv": CSV,
    "libsvm": LIBSVM,
    "parquet": PARQUET,
    "recordio-protobuf": RECORDIO_PROTOBUF,
    "text/csv": CSV,
    "text/libsvm": LIBSVM,
    "text/x-libsvm": LIBSVM,
    "application/x-parquet": PARQUET,
    "application/x-recordio-protobuf": RECORDIO_PROTOBUF,
}

FILE_MODE = list(_FORMATS)
PIPE_MODE = [name for name, form in _FORMATS.items() if form != LIBSVM]


def data_format(content_type: str | None) -> str:
    """CSV, LIBSVM, PARQUET or RECORDIO_PROTOBUF; libsvm when there is no type.

    UserError with the official text for any other type, and for a csv whose
    label_size is not 1.
    """
    if content_type is None:
        return LIBSVM
    name, parameters = media_types.parse(content_type.lower())
    if name not in _FORMATS:
        raise UserError(
            f"{content_type} is not an accepted ContentType: {', '.join(FILE_MODE)}."
        )
    if _FORMATS[name] == CSV and parameters.get("label_size", "1") != "1":
        raise UserError(
            f"{content_type} is not an accepted csv ContentType. "
            "Optional parameter label_size must be equal to 1"
        )
    return _FORMATS[name]
