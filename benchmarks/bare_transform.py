"""The floor of batch transform: csv to predictions, one process, nothing around it."""

import importlib.util
import io
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from benchmarks import minimal_server

CHUNK = 16 * 2**20


def reader() -> str:
    """The fastest reader that is installed."""
    for name in ("polars", "pandas"):
        if importlib.util.find_spec(name):
            return name
    return "numpy"


def transform(model: str, source: Path, destination: Path) -> None:
    """Predict every row of `source` in pieces of 16 MB, with all cores."""
    booster = minimal_server.load(model)
    booster.set_param({"nthread": 0})
    by = reader()
    with source.open("rb") as rows, destination.open("wb") as file:
        for piece in pieces(rows):
            predictions = booster.inplace_predict(
                table(piece, by), validate_features=False
            )
            file.write(text(predictions, by))


def pieces(file: BinaryIO) -> Iterator[bytes]:
    """The file's bytes, cut at line ends."""
    rest = b""
    while piece := file.read(CHUNK):
        end = piece.rfind(b"\n") + 1
        yield rest + piece[:end]
        rest = piece[end:]
    if rest:
        yield rest


def table(piece: bytes, by: str) -> np.ndarray:
    """(rows, columns) of numbers."""
    if by == "polars":
        import polars

        frame = polars.read_csv(piece, has_header=False, infer_schema_length=1000)
        return frame.cast(polars.Float32).to_numpy()
    if by == "pandas":
        import pandas

        return pandas.read_csv(io.BytesIO(piece), header=None, dtype="float32").values
    return np.loadtxt(io.BytesIO(piece), delimiter=",", dtype=np.float32, ndmin=2)


def text(predictions: np.ndarray, by: str) -> bytes:
    """One prediction per line, with the digits of a 64 bit number."""
    if by == "polars":
        import polars

        frame = polars.DataFrame({"": predictions.astype(np.float64)})
        return frame.write_csv(include_header=False).encode()
    return ("\n".join(map(repr, predictions.tolist())) + "\n").encode()
