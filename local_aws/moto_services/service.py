"""A service that moto responds for: its application, its lock, what is persisted.

A request comes here after its signature has been checked. What moto can't do becomes an
AWS error that names the operation.
"""

import asyncio
import importlib
import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from local_aws import errors
from local_aws.errors import AwsError, StorageError
from local_aws.installation import InstallationError
from local_aws.messages import Request, Response
from local_aws.moto_services import bridge, validation
from local_aws.persistence.blobs import Content
from local_aws.persistence.service import Change, ServicePersistence
from local_aws.services import Service

if TYPE_CHECKING:
    from local_aws.server.responders import Responders

log = logging.getLogger(__name__)


class MotoService:
    """One of moto's applications, made on first use."""

    def __init__(self, service: Service, responders: "Responders") -> None:
        """`responders` has threads, what is persisted and the other services."""
        self._service = service
        self._responders = responders
        self._persistence: ServicePersistence | None = None
        self._made: Callable | None = None
        # moto changes and walks through its dictionaries without locking, so requests
        # to one service are taken one at a time.
        self.lock = threading.Lock()

    async def respond(self, request: Request) -> Response:
        """Respond on a thread of moto's pool. Raises AwsError."""
        return await asyncio.get_running_loop().run_in_executor(
            self._responders.moto_threads, self._respond, request
        )

    def app(self) -> Callable:
        """The application, filled with what is persisted.

        Raises InstallationError or StorageError.
        """
        if self._made is None:
            with self._responders.making_moto:
                if self._made is None:
                    # Each first request to moto imports this, outside of the lock.
                    importlib.import_module("moto.iam.models")
                    self._made = self.make_app()
        return self._made

    # What a service can have of its own:

    def make_app(self) -> Callable:
        """Make the application and fill moto with what is persisted."""
        from moto.server import create_backend_app

        app = create_backend_app(self._service.name)
        app.debug = False
        app.config["PROPAGATE_EXCEPTIONS"] = True
        self._persistence = self._responders.persistence(self._service)
        if self._persistence is not None:
            self._persistence.fill()
        return app

    def check(self, request: Request, operation: str) -> None:
        """Raise AwsError for what AWS would not take."""
        if request.protocol == "smithy-rpc-v2-cbor":
            raise self.not_built(f"{request.head.raw_path} in CBOR")
        self.check_parameters(operation, validation.check(request, operation))

    def check_parameters(self, operation: str, params: dict[str, Any]) -> None:
        """Raise AwsError for what the service model allows and moto fails at.

        It is called without the lock.
        """

    def take_upload(self, request: Request) -> Content | None:
        """The body, if it is stored before moto sees the request."""

    def environ(self, request: Request, upload: Content | None) -> dict[str, Any]:
        """What the application gets."""
        return bridge.environ_of(request)

    def respond_itself(self, request: Request, operation: str) -> Response | None:
        """The response to an operation that moto does not have."""

    def is_unknown(self, response: Response) -> bool:
        """Whether this is one of Flask's own pages: no such path, no such method."""
        headers = {name.lower(): value for name, value in response.headers}
        is_page = headers.get("content-type", "").startswith("text/html")
        return response.status >= 400 and is_page

    # The way of a request:

    def _respond(self, request: Request) -> Response:
        try:
            app = self.app()
        except (InstallationError, StorageError) as error:
            raise self.unusable(error) from error
        operation = self._operation(request)
        self.check(request, operation)
        upload = self.take_upload(request)
        request.body.file.seek(0)
        change = Change(request.head, request.region, operation, upload)
        with self.lock:
            response = self.respond_itself(request, change.operation)
            if response is not None:
                return response
            return self._ask_and_persist(app, request, change)

    def _operation(self, request: Request) -> str:
        """The operation's name, "" in the protocols that have none in a request."""
        operation = request.head.target[1]
        if not operation and "query" in self._service.protocols:
            body = request.body.read()
            operation = request.head.form(body).get("Action", "")
        return operation

    def _ask_and_persist(
        self, app: Callable, request: Request, change: Change
    ) -> Response:
        """Let moto respond; what it changed is on disk before this returns.

        If it can't be stored it is taken back, and the client told so.
        """
        persistence = self._persistence
        if persistence is None:
            return self._ask(app, request, change)
        try:
            response = self._ask(app, request, change)
            persistence.settle(change, failed=response.status >= 400)
        except AwsError:
            persistence.fail(change)
            raise
        except StorageError as error:
            persistence.roll_back(change)
            raise self.unusable(error) from error
        return response

    def _ask(self, app: Callable, request: Request, change: Change) -> Response:
        head = request.head
        name = change.operation or f"{head.method} {head.raw_path}"
        try:
            response = bridge.call(app, self.environ(request, change.upload))
        except NotImplementedError:
            raise self.not_built(name) from None
        except (AwsError, StorageError):
            raise
        except Exception:
            # moto fails with whatever Python raises on input that it does not expect.
            # The client gets an AWS error, the log the trace.
            log.exception("%s: %s failed in moto", self._service.name, name)
            raise AwsError(
                "InternalFailure",
                f"The local stand-in for AWS failed in {self._service.signing_name} on "
                f"{name}. Its log says more.",
                500,
            ) from None
        if self.is_unknown(response):
            raise self.not_built(name)
        return response

    def not_built(self, operation: str) -> AwsError:
        """The error for what moto can't do."""
        return errors.not_built(self._service.signing_name, operation)

    def unusable(self, reason: object) -> AwsError:
        """The error for state that can't be read or written."""
        log.error("%s: %s", self._service.name, reason)
        return errors.state_unusable(self._service, reason)
