"""The peer of the serving lines: the least that a person would write with Starlette.

`python -m benchmarks.minimal_server MODEL PORT`: parse csv, predict, format. It does
not look at content types, sizes or errors. It also answers at the path of
InvokeEndpoint, so that boto3 can call it as it calls SageMaker.
"""

import io
import sys
from pathlib import Path

import numpy as np
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from local_aws.containers.xgboost import library

xgboost = library.load()


def predicted(booster: object, body: bytes) -> str:
    """One prediction per line for rows of csv without empty fields."""
    rows = np.loadtxt(io.BytesIO(body), delimiter=",", dtype=np.float32, ndmin=2)
    answers = booster.inplace_predict(rows, validate_features=False)
    return "".join(f"{answer!r}\n" for answer in answers.tolist())


def load(path: str) -> object:
    """The booster of a model file, for one thread."""
    booster = xgboost.Booster()
    # As bytes, since the file's name does not say its format.
    booster.load_model(bytearray(Path(path).read_bytes()))
    booster.set_param({"nthread": 1})
    return booster


def create_app(booster: object) -> Starlette:
    """The application around one booster."""

    async def invocations(request: Request) -> Response:
        return Response(predicted(booster, await request.body()), media_type="text/csv")

    async def ping(request: Request) -> Response:
        return Response()

    return Starlette(
        routes=[
            Route("/ping", ping),
            Route("/invocations", invocations, methods=["POST"]),
            Route("/endpoints/{name}/invocations", invocations, methods=["POST"]),
        ]
    )


def main() -> None:
    """Serve until SIGTERM."""
    uvicorn.run(
        create_app(load(sys.argv[1])),
        host="127.0.0.1",
        port=int(sys.argv[2]),
        http="httptools",
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
    )


if __name__ == "__main__":
    main()
