"""Cross-origin requests: which pages of other origins get what.

Source: API Gateway Developer Guide, "Configure CORS for HTTP APIs in API Gateway"; the
texts of errors are as users have recorded them.
"""

from collections.abc import Mapping
from typing import Any

SCHEMES = ("https://", "moz-extension://", "http://", "chrome-extension://")


def problem(configuration: Mapping[str, Any]) -> str:
    """What is wrong with a CorsConfiguration; "" for nothing."""
    origins = configuration.get("AllowOrigins", [])
    for origin in origins:
        if origin != "*" and not origin.lower().startswith(SCHEMES):
            return (
                f"Invalid format for origin {origin}. Origin should begin with a valid "
                f"scheme or be *. Supported schemes are [{', '.join(SCHEMES)}]"
            )
    if configuration.get("AllowCredentials") and "*" in origins:
        return "allow-credentials is not supported if 'allow-origin' is *"
    texts = [*origins, *configuration.get("ExposeHeaders", [])]
    texts += configuration.get("AllowHeaders", [])
    texts += configuration.get("AllowMethods", [])
    for text in texts:
        if not text.isascii() or not text.isprintable() or "," in text:
            return f"Invalid value {text!r} in the CORS configuration."
    return ""


def allowed_origin(configuration: Mapping[str, Any], origin: str | None) -> str | None:
    """What Access-Control-Allow-Origin says to a page of this origin; None: nothing."""
    if origin is None:
        return None
    for allowed in configuration.get("AllowOrigins", []):
        if allowed == "*":
            return "*"
        is_scheme = allowed.endswith("://*")
        if is_scheme and origin.lower().startswith(allowed[:-1].lower()):
            return origin
        if origin.lower() == allowed.lower():
            return origin
    return None


def is_preflight(method: str, headers: Mapping[str, str]) -> bool:
    """Whether a browser asks on behalf of a page."""
    asked = "access-control-request-method"
    return method == "OPTIONS" and "origin" in headers and asked in headers


def preflight_headers(
    configuration: Mapping[str, Any], origin: str | None
) -> list[tuple[str, str]]:
    """The answer to a preflight request: nothing for an origin that is not allowed."""
    headers = _common_headers(configuration, origin)
    if not headers:
        return []
    for name, member in (
        ("access-control-allow-methods", "AllowMethods"),
        ("access-control-allow-headers", "AllowHeaders"),
    ):
        if configuration.get(member):
            headers.append((name, ",".join(configuration[member])))
    if "MaxAge" in configuration:
        headers.append(("access-control-max-age", str(configuration["MaxAge"])))
    return headers


def response_headers(
    configuration: Mapping[str, Any], origin: str | None
) -> list[tuple[str, str]]:
    """What is added to a response; nothing for an origin that is not allowed."""
    headers = _common_headers(configuration, origin)
    if headers and configuration.get("ExposeHeaders"):
        exposed = ",".join(configuration["ExposeHeaders"])
        headers.append(("access-control-expose-headers", exposed))
    return headers


def _common_headers(
    configuration: Mapping[str, Any], origin: str | None
) -> list[tuple[str, str]]:
    allowed = allowed_origin(configuration, origin)
    if allowed is None:
        return []
    headers = [("access-control-allow-origin", allowed)]
    if configuration.get("AllowCredentials"):
        headers.append(("access-control-allow-credentials", "true"))
    return headers
