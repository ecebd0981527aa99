"""Signature Version 4: is a request signed with keys that were made here?

What a client should have signed is computed by botocore's own signing classes, so
that server and client agree by construction; this module reads what the request
claims, checks the claim's parts one by one, and refuses in each protocol's own words.

Sources: AWS General Reference, "Signing AWS API requests" and "Troubleshooting
Signature Version 4"; Amazon S3 API Reference, "Authenticating Requests" and "Error
responses".
"""

import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache
from urllib.parse import parse_qsl

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from local_aws import services
from local_aws.errors import AwsError
from local_aws.messages import Head
from local_aws.services import Service, WireProtocol

ALGORITHM = "AWS4-HMAC-SHA256"
TERMINATOR = "aws4_request"
TIMESTAMP = "%Y%m%dT%H%M%SZ"
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
LONGEST_EXPIRY_S = 604_800
# Any of them says that a URL is meant to be presigned, with whatever version.
_QUERY_MARKS = {"X-Amz-Algorithm", "X-Amz-Signature", "AWSAccessKeyId"}

# S3, IAM and STS allow a quarter of an hour; the services with JSON protocols say
# "- 5 min." in their refusals (recorded responses of CloudWatch Logs and Kinesis).
SKEW = timedelta(minutes=15)
SKEW_JSON = timedelta(minutes=5)


@dataclass(frozen=True)
class Claim:
    """What a request says about its own signature."""

    access_key_id: str
    date: str
    region: str
    service: str
    terminator: str
    signed_headers: tuple[str, ...]
    signature: str
    signed_at: datetime
    expires_s: int | None  # presigned URLs only
    protocol: WireProtocol
    signs_as_s3: bool

    @property
    def presigned(self) -> bool:
        return self.expires_s is not None

    @property
    def timestamp(self) -> str:
        return self.signed_at.strftime(TIMESTAMP)


def read_claim(head: Head, service: Service | None, protocol: WireProtocol) -> Claim:
    """The claim in the Authorization header or in a presigned URL's query.

    Raises AwsError, in the words of `protocol`'s services, if there is none or it
    can't be read.
    """
    if head.header("authorization"):
        parts, signed_at, expires_s = _parts_of_header(head, protocol)
    elif _QUERY_MARKS & _query(head).keys():
        parts, signed_at, expires_s = _parts_of_query(head, protocol)
    else:
        raise _missing(protocol)
    scope = parts["Credential"].split("/")
    if len(scope) != 5:
        raise _refused(
            protocol,
            "incomplete",
            "Credential must have exactly 5 slash-delimited elements, e.g. "
            "keyid/date/region/service/term.",
            _malformed(
                "the Credential is mal-formed; expecting "
                '"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".'
            ),
        )
    names = tuple(n.strip().lower() for n in parts["SignedHeaders"].split(";"))
    as_s3 = service is not None and service.signs_as_s3
    signature = parts["Signature"]
    return Claim(*scope, names, signature, signed_at, expires_s, protocol, as_s3)


def claimed_name(head: Head) -> str | None:
    """The signing name in the credential scope, if one can be read there."""
    authorization = head.header("authorization")
    if authorization:
        match = re.search(r"Credential=([^,\s]+)", authorization)
        credential = match.group(1) if match else ""
    else:
        credential = _query(head).get("X-Amz-Credential", "")
    scope = credential.split("/")
    return scope[-2] if len(scope) >= 5 else None


def check_claim(
    head: Head,
    claim: Claim,
    keys: Credentials | None,
    expires_at: datetime | None,
    now: datetime,
) -> None:
    """All that can be said before the body is there and the signature is computed.

    Args:
        head: the request's head.
        claim: what it says of its signature.
        keys: those that the claim names, with a token if they are temporary ones; None
            if there are none such.
        expires_at: until when they count, None for long-term ones.
        now: the time.

    Raises:
        AwsError: wrong key, token, scope, date, or a header that should be signed.
    """
    _check_keys(claim, keys, _token(head))
    if expires_at is not None and now >= expires_at:
        raise _refused(
            claim.protocol,
            "expired",
            "The security token included in the request is expired",
            ("ExpiredToken", "The provided token has expired."),
        )
    _check_scope(head, claim)
    _check_time(claim, now)
    _check_signed_headers(head, claim)
    if claim.signs_as_s3 and not claim.presigned:
        _check_declared_hash(head)


def unknown_keys(protocol: WireProtocol) -> AwsError:
    """What a service says to keys that nobody has made, or that count no longer."""
    text = "The AWS Access Key Id you provided does not exist in our records."
    return _refused(protocol, "unknown", _UNKNOWN, ("InvalidAccessKeyId", text, 403))


def declared_hash(head: Head, claim: Claim) -> str | None:
    """What stands for the body in the signature, if that is known without the body."""
    if claim.signs_as_s3 and claim.presigned:
        return UNSIGNED_PAYLOAD
    return head.header("x-amz-content-sha256")


def check_signature(
    head: Head, claim: Claim, keys: Credentials, payload_hash: str
) -> None:
    """Compare the claimed signature with the one that the right keys give.

    `payload_hash` is the body's sha256 in hex, or UNSIGNED-PAYLOAD. Raises AwsError.
    """
    if not _same(claim.signature, _signature(head, claim, keys, payload_hash)):
        raise _mismatch(claim.protocol)


def check_body(head: Head, claim: Claim, body_sha256: str) -> None:
    """Compare the declared hash with the bytes that came. Raises AwsError."""
    declared = declared_hash(head, claim)
    if declared in (None, UNSIGNED_PAYLOAD) or _same(declared, body_sha256):
        return
    if claim.signs_as_s3:
        raise AwsError(
            "XAmzContentSHA256Mismatch",
            "The provided 'x-amz-content-sha256' header does not match what was "
            "computed.",
        )
    raise _mismatch(claim.protocol)


class _AsClaimed:
    """Sign exactly the given headers and payload hash, as a claim says."""

    def headers_to_sign(self, request: AWSRequest) -> object:
        return request.headers

    def payload(self, request: AWSRequest) -> str:
        return request.context["payload_hash"]


class _Verifier(_AsClaimed, SigV4Auth):
    """Any service but S3: the path is normalised and quoted once more."""


class _S3Verifier(_AsClaimed, S3SigV4Auth):
    """S3: the path is taken as it is."""


def _signature(head: Head, claim: Claim, keys: Credentials, payload_hash: str) -> str:
    """The signature in hex that `keys` give to the request as claimed."""
    query = head.query
    if claim.presigned:
        pairs = query.split("&")
        query = "&".join(p for p in pairs if not p.startswith("X-Amz-Signature="))
    request = AWSRequest(
        method=head.method, url=f"http://{head.header('host')}{head.raw_path}?{query}"
    )
    for name, value in head.headers:
        if name in claim.signed_headers:
            request.headers[name] = value
    request.context["timestamp"] = claim.timestamp
    request.context["payload_hash"] = payload_hash
    verifier = _S3Verifier if claim.signs_as_s3 else _Verifier
    auth = verifier(keys, claim.service, claim.region)
    text = auth.string_to_sign(request, auth.canonical_request(request))
    return auth.signature(text, request)


def _check_keys(claim: Claim, keys: Credentials | None, token: str | None) -> None:
    """Raise AwsError unless the keys are known and the token is theirs."""
    if keys is None or (keys.token and not token):
        raise unknown_keys(claim.protocol)
    if not _same(token or "", keys.token or ""):  # long-term keys have none
        text = "The provided token is malformed or otherwise invalid."
        s3 = ("InvalidToken", text)
        raise _refused(claim.protocol, "unknown", _UNKNOWN, s3)


def _token(head: Head) -> str | None:
    """The session token that a request brings, in a header or in its query."""
    in_query = "X-Amz-Security-Token=" in head.query
    token = _query(head).get("X-Amz-Security-Token") if in_query else None
    return token or head.header("x-amz-security-token")


def _same(first: str, second: str) -> bool:
    """Equality in a time that does not depend on where the texts differ."""
    return hmac.compare_digest(first.encode(), second.encode())


def _query(head: Head) -> dict[str, str]:
    return dict(parse_qsl(head.query, keep_blank_values=True))


# Credential, SignedHeaders and Signature; when it was signed; for how long.
Parts = tuple[dict[str, str], datetime, int | None]


def _parts_of_header(head: Head, protocol: WireProtocol) -> Parts:
    algorithm, _, rest = (head.header("authorization") or "").partition(" ")
    if algorithm != ALGORITHM:
        raise _unsupported_algorithm(protocol)
    parts = dict(part.strip().partition("=")[::2] for part in rest.split(","))
    signed_at = _header_time(head)
    sentences = [
        f"Authorization header requires '{name}' parameter."
        for name in ("Credential", "Signature", "SignedHeaders")
        if not parts.get(name)
    ]
    s3 = _malformed(" ".join(sentences))
    if signed_at is None:
        sentences.append(
            "Authorization header requires existence of either a 'X-Amz-Date' or a "
            "'Date' header."
        )
        text = "AWS authentication requires a valid Date or x-amz-date header"
        s3 = ("AccessDenied", text, 403)
    if sentences:
        raise _refused(protocol, "incomplete", " ".join(sentences), s3)
    return parts, signed_at, None


def _header_time(head: Head) -> datetime | None:
    """X-Amz-Date, else Date; None if there is none that can be read."""
    value = head.header("x-amz-date")
    if value is not None:
        return _time(value)
    try:
        return parsedate_to_datetime(head.header("date") or "").astimezone(UTC)
    except (ValueError, OverflowError):
        return None


@lru_cache(maxsize=64)  # a client signs many requests in one second
def _time(timestamp: str) -> datetime | None:
    try:
        return datetime.strptime(timestamp, TIMESTAMP).replace(tzinfo=UTC)
    except ValueError:
        return None


def _parts_of_query(head: Head, protocol: WireProtocol) -> Parts:
    values = _query(head)
    parts = {name.removeprefix("X-Amz-"): values[name] for name in values}
    if parts.get("Algorithm") != ALGORITHM:
        raise _unsupported_algorithm(protocol)
    if protocol != "rest-xml":
        parts.setdefault("Expires", str(int(SKEW.total_seconds())))
    names = ("Credential", "Date", "Expires", "SignedHeaders", "Signature")
    signed_at = _time(parts.get("Date", ""))
    expires = parts.get("Expires", "")
    if signed_at is None or not all(map(parts.get, names)):
        text = (
            "Query-string authentication version 4 requires the X-Amz-Algorithm, "
            "X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and "
            "X-Amz-Expires parameters."
        )
    elif not re.fullmatch(r"-?[0-9]{1,12}", expires):
        text = "X-Amz-Expires should be a number"
    elif int(expires) < 0:
        text = "X-Amz-Expires must be non-negative"
    elif int(expires) > LONGEST_EXPIRY_S:
        text = (
            "X-Amz-Expires must be less than a week (in seconds); that is, the given "
            f"X-Amz-Expires must be less than {LONGEST_EXPIRY_S} seconds"
        )
    else:
        return parts, signed_at, int(expires)
    s3 = ("AuthorizationQueryParametersError", text)
    raise _refused(protocol, "incomplete", text, s3)


@lru_cache(maxsize=1)
def _known_regions() -> frozenset[str]:
    """AWS's Regions, of all partitions (botocore's partition data)."""
    data = services.own_data_loader().load_data("partitions")
    return frozenset(
        region
        for partition in data["partitions"]
        for region in partition["regions"]
        if not region.endswith("-global")
    )


def _check_scope(head: Head, claim: Claim) -> None:
    target = services.of_target(head)
    day = claim.timestamp[:8]
    if claim.date != day:
        text = (
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version "
            f"of date from HTTP: '{claim.date}' != '{day}', from '{claim.timestamp}'."
        )
        s3 = (
            f'Invalid credential date "{claim.date}". This date is not the same as '
            f'X-Amz-Date: "{day}".'
        )
    # IAM in AWS takes us-east-1 only. A client that is given one address for all
    # services signs for its own Region instead, so any is right here.
    elif claim.region not in _known_regions():
        text = f"Credential should be scoped to a valid region, not '{claim.region}'. "
        s3 = f"the region '{claim.region}' is wrong; expecting 'us-east-1'"
    elif target is not None and claim.service != target.signing_name:
        name = target.signing_name
        text = f"Credential should be scoped to correct service: '{name}'. "
        s3 = f'incorrect service "{claim.service}". This endpoint belongs to "{name}".'
    elif claim.terminator != TERMINATOR:
        text = (
            f"Credential should be scoped with a valid terminator: '{TERMINATOR}', "
            f"not '{claim.terminator}'."
        )
        s3 = (
            f'incorrect terminal "{claim.terminator}". This endpoint uses '
            f'"{TERMINATOR}".'
        )
    else:
        return
    raise _refused(claim.protocol, "invalid", text, _malformed(s3))


def _check_time(claim: Claim, now: datetime) -> None:
    protocol = claim.protocol
    skew = SKEW if protocol in ("rest-xml", "query") else SKEW_JSON
    oldest, newest = now - skew, now + skew
    if claim.expires_s is not None:
        oldest = now - timedelta(seconds=claim.expires_s)
    if oldest <= claim.signed_at <= newest:
        return
    minutes = int(skew.total_seconds() // 60)
    now_text = now.strftime(TIMESTAMP)
    if claim.signed_at < oldest:
        s3_text = "Request has expired"
        text = (
            f"Signature expired: {claim.timestamp} is now earlier than "
            f"{oldest.strftime(TIMESTAMP)} ({now_text} - {minutes} min.)"
        )
    else:
        s3_text = "Request is not yet valid"
        text = (
            f"Signature not yet current: {claim.timestamp} is still later than "
            f"{newest.strftime(TIMESTAMP)} ({now_text} + {minutes} min.)"
        )
    s3 = ("AccessDenied", s3_text, 403)
    if not claim.presigned:
        s3_text = "The difference between the request time and the current time is too"
        members = {
            "RequestTime": claim.timestamp,
            "ServerTime": f"{now:%Y-%m-%dT%H:%M:%SZ}",
            "MaxAllowedSkewMilliseconds": f"{skew // timedelta(milliseconds=1)}",
        }
        s3 = ("RequestTimeTooSkewed", f"{s3_text} large.", 403, members)
    raise _refused(protocol, "invalid", text, s3)


def _check_signed_headers(head: Head, claim: Claim) -> None:
    """host and every x-amz- header must be signed; what is signed must be there."""
    present = {name for name, _ in head.headers}
    needed = {"host"} | {name for name in present if name.startswith("x-amz-")}
    if unsigned := needed - set(claim.signed_headers):
        s3 = "There were headers present in the request which were not signed"
        text = f"'{min(unsigned)}' must be a 'SignedHeader' in the AWS Authorization."
        raise _refused(claim.protocol, "invalid", text, ("AccessDenied", s3, 403))
    if not set(claim.signed_headers) <= present:
        raise _mismatch(claim.protocol)


def _check_declared_hash(head: Head) -> None:
    """S3 wants the body's hash in a header, and here in one of two forms."""
    value = head.header("x-amz-content-sha256")
    if value is None:
        raise AwsError(
            "InvalidRequest",
            "Missing required header for this request: x-amz-content-sha256",
        )
    if value.startswith("STREAMING-"):
        # boto3 and the AWS CLI send these over https only.
        raise AwsError(
            "NotImplemented",
            "A header you provided implies functionality that is not implemented: "
            f"x-amz-content-sha256: {value}",
            501,
        )
    if value != UNSIGNED_PAYLOAD and not re.fullmatch("[0-9a-f]{64}", value):
        raise AwsError(
            "InvalidArgument",
            "x-amz-content-sha256 must be UNSIGNED-PAYLOAD or a valid sha256 value.",
        )


# The protocols' own words. The JSON services use status 400 (recorded responses of
# SageMaker, CloudWatch Logs, Kinesis), the REST JSON, query and S3 ones mostly 403.

_UNKNOWN = "The security token included in the request is invalid."
# By kind: code and status in the query protocol, code with JSON.
_CODES = {
    "missing": (
        "MissingAuthenticationToken",
        403,
        "MissingAuthenticationTokenException",
    ),
    "unknown": ("InvalidClientTokenId", 403, "UnrecognizedClientException"),
    "expired": ("ExpiredToken", 403, "ExpiredTokenException"),
    "invalid": ("SignatureDoesNotMatch", 403, "InvalidSignatureException"),
    "incomplete": ("IncompleteSignature", 400, "IncompleteSignatureException"),
}


def _refused(protocol: WireProtocol, kind: str, text: str, s3: tuple) -> AwsError:
    """A refusal of this kind; `s3` is what AwsError is made of where S3 says it."""
    if protocol == "rest-xml":
        return AwsError(*s3)
    query_code, query_status, json_code = _CODES[kind]
    if protocol == "query":
        return AwsError(query_code, text, query_status)
    return AwsError(json_code, text, 403 if protocol == "rest-json" else 400)


def _malformed(text: str) -> tuple[str, str]:
    text = f"The authorization header is malformed; {text}"
    return "AuthorizationHeaderMalformed", text


def _missing(protocol: WireProtocol) -> AwsError:
    """What a service says to a request without any signature."""
    text = "Missing Authentication Token"
    if protocol == "query":
        text = "Request is missing Authentication Token"
    return _refused(protocol, "missing", text, ("AccessDenied", "Access Denied", 403))


def _mismatch(protocol: WireProtocol) -> AwsError:
    begin = (
        "The request signature we calculated does not match the signature you "
        "provided. Check your"
    )
    s3 = ("SignatureDoesNotMatch", f"{begin} key and signing method.", 403)
    text = (
        f"{begin} AWS Secret Access Key and signing method. Consult the service "
        "documentation for details."
    )
    return _refused(protocol, "invalid", text, s3)


def _unsupported_algorithm(protocol: WireProtocol) -> AwsError:
    text = f"Unsupported AWS 'algorithm'; this service takes '{ALGORITHM}'."
    s3 = (
        "The authorization mechanism you have provided is not supported. Please use "
        f"{ALGORITHM}."
    )
    return _refused(protocol, "incomplete", text, ("InvalidRequest", s3))
