"""The server: the ASGI application, connections, a request's body, the process."""

from local_aws.server.process import serve

__all__ = ["serve"]
