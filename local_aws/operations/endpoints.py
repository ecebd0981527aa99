"""ListEndpoints and ListEndpointConfigs, so that clean-up can ask.

Creating an endpoint is refused, so there is none to list.
"""

from local_aws.operations.context import Context


def list_endpoints(request: dict, context: Context) -> dict:
    """No endpoint can exist."""
    return {"Endpoints": []}


def list_endpoint_configs(request: dict, context: Context) -> dict:
    """No endpoint configuration can exist."""
    return {"EndpointConfigs": []}
