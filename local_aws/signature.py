"""Signature Version 4: is a request signed with this installation's own keys?

What a client should have signed is computed by botocore's own signing classes, so
that server and client agree by construction; this module reads what the request
claims, checks the claim's parts one by one, and says no in each service's own words.

Sources: AWS General Reference, "Signing AWS API requests" and "Troubleshooting
Signature Version 4"; Amazon S3 API Reference, "Authenticating Requests" and "Error
responses".
"""

import functools
import hmac
import re
from dataclasses import dataclass, replace
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
    timestamp: str
    expires_s: int | None  # presigned URLs only
    signs_as_s3: bool = False

    @property
    def presigned(self) -> bool:
        return self.expires_s is not None


def is_signed(head: Head) -> bool:
    """Whether the request carries any authentication at all, of whatever kind."""
    if head.header("authorization"):
        return True
    names = {name for name, _ in parse_qsl(head.query, keep_blank_values=True)}
    return (
        "X-Amz-Algorithm" in names
        or "X-Amz-Signature" in names
        or ("AWSAccessKeyId" in names)
    )


def read_claim(head: Head, service: Service | None, protocol: WireProtocol) -> Claim:
    """The claim in the Authorization header or in a presigned URL's query.

    Raises AwsError, in the words of `protocol`'s services, if there is none or it
    can't be read.
    """
    if not is_signed(head):
        raise missing(protocol)
    read = _claim_of_header if head.header("authorization") else _claim_of_query
    as_s3 = service is not None and service.signs_as_s3
    return replace(read(head, protocol), signs_as_s3=as_s3)


def claimed_name(head: Head) -> str | None:
    """The signing name in the credential scope, if one can be read there."""
    credential = None
    authorization = head.header("authorization")
    if authorization:
        match = re.search(r"Credential=([^,\s]+)", authorization)
        credential = match.group(1) if match else None
    else:
        credential = dict(parse_qsl(head.query)).get("X-Amz-Credential")
    parts = (credential or "").split("/")
    return parts[-2] if len(parts) >= 5 else None


def check_claim(
    head: Head,
    claim: Claim,
    protocol: WireProtocol,
    credentials: Credentials,
    now: datetime,
) -> None:
    """All that can be said before the body is there and the signature is computed.

    Raises AwsError: wrong key, scope, date, or a header that should be signed.
    """
    if not _same(claim.access_key_id, credentials.access_key):
        raise _unknown_key(protocol)
    if head.header("x-amz-security-token") or "X-Amz-Security-Token=" in head.query:
        # These keys are long-term ones; a token can't belong to them.
        raise _unknown_token(protocol)
    _check_scope(head, claim, protocol)
    _check_time(claim, protocol, now)
    _check_signed_headers(head, claim, protocol)
    if claim.signs_as_s3 and not claim.presigned:
        _check_declared_hash(head)


def declared_hash(head: Head, claim: Claim) -> str | None:
    """What stands for the body in the signature, if that is known without the body."""
    if claim.signs_as_s3 and claim.presigned:
        return UNSIGNED_PAYLOAD
    return head.header("x-amz-content-sha256")


def check_signature(
    head: Head,
    claim: Claim,
    protocol: WireProtocol,
    credentials: Credentials,
    payload_hash: str,
) -> None:
    """Compare the claimed signature with the one that the right keys give.

    `payload_hash` is the body's sha256 in hex, or UNSIGNED-PAYLOAD. Raises AwsError.
    """
    if not _same(claim.signature, _signature(head, claim, credentials, payload_hash)):
        raise _mismatch(protocol)


def check_body(
    head: Head, claim: Claim, protocol: WireProtocol, body_sha256: str
) -> None:
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
    raise _mismatch(protocol)


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


def _signature(
    head: Head, claim: Claim, credentials: Credentials, payload_hash: str
) -> str:
    """The signature in hex that `credentials` give to the request as claimed."""
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
    auth = verifier(credentials, claim.service, claim.region)
    text = auth.string_to_sign(request, auth.canonical_request(request))
    return auth.signature(text, request)


def _same(first: str, second: str) -> bool:
    """Equality in a time that does not depend on where the texts differ."""
    return hmac.compare_digest(first.encode(), second.encode())


def _claim_of_header(head: Head, protocol: WireProtocol) -> Claim:
    text = head.header("authorization") or ""
    algorithm, _, rest = text.partition(" ")
    if algorithm != ALGORITHM:
        raise _unsupported_algorithm(protocol)
    parts = dict(part.strip().partition("=")[::2] for part in rest.split(","))
    absent = [
        n for n in ("Credential", "Signature", "SignedHeaders") if not parts.get(n)
    ]
    timestamp = _header_timestamp(head)
    if absent or timestamp is None:
        sentences = [f"Authorization header requires '{n}' parameter." for n in absent]
        if timestamp is None:
            sentences.append(
                "Authorization header requires existence of either a 'X-Amz-Date' or "
                "a 'Date' header."
            )
        raise _incomplete(protocol, " ".join(sentences))
    return _claim(
        protocol,
        parts["Credential"],
        parts["SignedHeaders"],
        parts["Signature"],
        timestamp,
        None,
    )


def _header_timestamp(head: Head) -> str | None:
    """X-Amz-Date, else Date, as ISO 8601 basic; None if there is none that reads."""
    value = head.header("x-amz-date")
    if value is not None:
        return value if _time(value) else None
    try:
        date = parsedate_to_datetime(head.header("date") or "")
    except ValueError:
        return None
    return date.astimezone(UTC).strftime(TIMESTAMP)


@functools.lru_cache(maxsize=64)  # a client signs many requests in one second
def _time(timestamp: str) -> datetime | None:
    try:
        return datetime.strptime(timestamp, TIMESTAMP).replace(tzinfo=UTC)
    except ValueError:
        return None


def _claim_of_query(head: Head, protocol: WireProtocol) -> Claim:
    values = dict(parse_qsl(head.query, keep_blank_values=True))
    if values.get("X-Amz-Algorithm") != ALGORITHM:
        raise _unsupported_algorithm(protocol)
    names = ("Credential", "Date", "Expires", "SignedHeaders", "Signature")
    absent = [name for name in names if not values.get(f"X-Amz-{name}")]
    if absent == ["Expires"] and protocol != "rest-xml":
        absent, values["X-Amz-Expires"] = [], str(int(SKEW.total_seconds()))
    if absent or _time(values["X-Amz-Date"]) is None:
        raise _bad_query(
            protocol,
            "Query-string authentication version 4 requires the X-Amz-Algorithm, "
            "X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and "
            "X-Amz-Expires parameters.",
        )
    expires = values["X-Amz-Expires"]
    if not re.fullmatch(r"-?[0-9]{1,12}", expires):
        raise _bad_query(protocol, "X-Amz-Expires should be a number")
    if int(expires) < 0:
        raise _bad_query(protocol, "X-Amz-Expires must be non-negative")
    if int(expires) > LONGEST_EXPIRY_S:
        raise _bad_query(
            protocol,
            "X-Amz-Expires must be less than a week (in seconds); that is, the given "
            f"X-Amz-Expires must be less than {LONGEST_EXPIRY_S} seconds",
        )
    return _claim(
        protocol,
        values["X-Amz-Credential"],
        values["X-Amz-SignedHeaders"],
        values["X-Amz-Signature"],
        values["X-Amz-Date"],
        int(expires),
    )


def _claim(
    protocol: WireProtocol,
    credential: str,
    signed_headers: str,
    signature: str,
    timestamp: str,
    expires_s: int | None,
) -> Claim:
    parts = credential.split("/")
    if len(parts) != 5:
        raise _bad_scope(
            protocol,
            "the Credential is mal-formed; expecting "
            '"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".',
            "Credential must have exactly 5 slash-delimited elements, e.g. "
            "keyid/date/region/service/term.",
            incomplete=True,
        )
    names = tuple(name.strip().lower() for name in signed_headers.split(";"))
    return Claim(*parts, names, signature, timestamp, expires_s)


@lru_cache(maxsize=1)
def known_regions() -> frozenset[str]:
    """AWS's Regions, of all partitions (botocore's partition data)."""
    data = services.own_data_loader().load_data("partitions")
    return frozenset(
        region
        for partition in data["partitions"]
        for region in partition["regions"]
        if not region.endswith("-global")
    )


def _check_scope(head: Head, claim: Claim, protocol: WireProtocol) -> None:
    if claim.date != claim.timestamp[:8]:
        raise _bad_scope(
            protocol,
            f'Invalid credential date "{claim.date}". This date is not the same as '
            f'X-Amz-Date: "{claim.timestamp[:8]}".',
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version "
            f"of date from HTTP: '{claim.date}' != '{claim.timestamp[:8]}', from "
            f"'{claim.timestamp}'.",
        )
    # IAM in AWS takes us-east-1 only. A client that is given one address for all
    # services signs for its own Region instead, so any is right here.
    if claim.region not in known_regions():
        raise _bad_scope(
            protocol,
            f"the region '{claim.region}' is wrong; expecting 'us-east-1'",
            f"Credential should be scoped to a valid region, not '{claim.region}'. ",
        )
    target = services.of_target(head)
    if target is not None and claim.service != target.signing_name:
        name = target.signing_name
        raise _bad_scope(
            protocol,
            f'incorrect service "{claim.service}". This endpoint belongs to "{name}".',
            f"Credential should be scoped to correct service: '{name}'. ",
        )
    if claim.terminator != TERMINATOR:
        raise _bad_scope(
            protocol,
            f'incorrect terminal "{claim.terminator}". This endpoint uses '
            f'"{TERMINATOR}".',
            f"Credential should be scoped with a valid terminator: '{TERMINATOR}', "
            f"not '{claim.terminator}'.",
        )


def _check_time(claim: Claim, protocol: WireProtocol, now: datetime) -> None:
    signed_at = _time(claim.timestamp)
    if signed_at is None:  # read_claim has checked that
        raise _mismatch(protocol)
    skew = SKEW if protocol in ("rest-xml", "query") else SKEW_JSON
    oldest = now - skew
    if claim.expires_s is not None:
        oldest = now - timedelta(seconds=claim.expires_s)
    if oldest <= signed_at <= now + skew:
        return
    late = signed_at < oldest
    if protocol == "rest-xml" and claim.presigned:
        text = "Request has expired" if late else "Request is not yet valid"
        raise AwsError("AccessDenied", text, 403)
    if protocol == "rest-xml":
        raise AwsError(
            "RequestTimeTooSkewed",
            "The difference between the request time and the current time is too "
            "large.",
            403,
        )
    minutes = int(skew.total_seconds() // 60)
    now_text = now.strftime(TIMESTAMP)
    if late:
        text = (
            f"Signature expired: {claim.timestamp} is now earlier than "
            f"{oldest.strftime(TIMESTAMP)} ({now_text} - {minutes} min.)"
        )
    else:
        newest = (now + skew).strftime(TIMESTAMP)
        text = (
            f"Signature not yet current: {claim.timestamp} is still later than "
            f"{newest} ({now_text} + {minutes} min.)"
        )
    raise _invalid(protocol, text)


def _check_signed_headers(head: Head, claim: Claim, protocol: WireProtocol) -> None:
    """host and every x-amz- header must be signed; what is signed must be there."""
    present = {name for name, _ in head.headers}
    needed = {"host"} | {name for name in present if name.startswith("x-amz-")}
    unsigned = needed - set(claim.signed_headers)
    if unsigned and protocol == "rest-xml":
        raise AwsError(
            "AccessDenied",
            "There were headers present in the request which were not signed",
            403,
        )
    if unsigned:
        raise _invalid(
            protocol,
            f"'{sorted(unsigned)[0]}' must be a 'SignedHeader' in the AWS "
            "Authorization.",
        )
    if not set(claim.signed_headers) <= present:
        raise _mismatch(protocol)


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


# The services' own words. The JSON services use status 400 (recorded responses of
# SageMaker, CloudWatch Logs, Kinesis), the REST JSON, query and S3 ones mostly 403.


def _json_status(protocol: WireProtocol) -> int:
    return 403 if protocol == "rest-json" else 400


def missing(protocol: WireProtocol) -> AwsError:
    """What a service says to a request without any signature."""
    if protocol == "rest-xml":
        return AwsError("AccessDenied", "Access Denied", 403)
    if protocol == "query":
        text = "Request is missing Authentication Token"
        return AwsError("MissingAuthenticationToken", text, 403)
    text = "Missing Authentication Token"
    return AwsError("MissingAuthenticationTokenException", text, _json_status(protocol))


def _unknown_key(protocol: WireProtocol) -> AwsError:
    if protocol == "rest-xml":
        text = "The AWS Access Key Id you provided does not exist in our records."
        return AwsError("InvalidAccessKeyId", text, 403)
    text = "The security token included in the request is invalid."
    if protocol == "query":
        return AwsError("InvalidClientTokenId", text, 403)
    return AwsError("UnrecognizedClientException", text, _json_status(protocol))


def _unknown_token(protocol: WireProtocol) -> AwsError:
    if protocol == "rest-xml":
        text = "The provided token is malformed or otherwise invalid."
        return AwsError("InvalidToken", text)
    return _unknown_key(protocol)


def _invalid(protocol: WireProtocol, text: str) -> AwsError:
    if protocol == "query":
        return AwsError("SignatureDoesNotMatch", text, 403)
    return AwsError("InvalidSignatureException", text, _json_status(protocol))


def _mismatch(protocol: WireProtocol) -> AwsError:
    if protocol == "rest-xml":
        return AwsError(
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you "
            "provided. Check your key and signing method.",
            403,
        )
    return _invalid(
        protocol,
        "The request signature we calculated does not match the signature you "
        "provided. Check your AWS Secret Access Key and signing method. Consult the "
        "service documentation for details.",
    )


def _incomplete(protocol: WireProtocol, text: str) -> AwsError:
    if protocol == "rest-xml" and "X-Amz-Date" in text:
        return AwsError(
            "AccessDenied",
            "AWS authentication requires a valid Date or x-amz-date header",
            403,
        )
    if protocol == "rest-xml":
        return AwsError(
            "AuthorizationHeaderMalformed",
            f"The authorization header is malformed; {text}",
        )
    if protocol == "query":
        return AwsError("IncompleteSignature", text, 400)
    return AwsError("IncompleteSignatureException", text, _json_status(protocol))


def _bad_scope(
    protocol: WireProtocol, s3_text: str, text: str, incomplete: bool = False
) -> AwsError:
    if protocol == "rest-xml":
        return AwsError(
            "AuthorizationHeaderMalformed",
            f"The authorization header is malformed; {s3_text}",
        )
    return _incomplete(protocol, text) if incomplete else _invalid(protocol, text)


def _bad_query(protocol: WireProtocol, text: str) -> AwsError:
    if protocol == "rest-xml":
        return AwsError("AuthorizationQueryParametersError", text)
    return _incomplete(protocol, text)


def _unsupported_algorithm(protocol: WireProtocol) -> AwsError:
    if protocol == "rest-xml":
        return AwsError(
            "InvalidRequest",
            "The authorization mechanism you have provided is not supported. "
            f"Please use {ALGORITHM}.",
        )
    return _incomplete(
        protocol, f"Unsupported AWS 'algorithm'; this service takes '{ALGORITHM}'."
    )
