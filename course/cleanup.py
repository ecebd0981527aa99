"""Remove what one run of a lesson or of an exercise made: `course cleanup RUN_ID`.

It needs what the lessons themselves need on AWS and nothing more: no notebook tools.
"""

from __future__ import annotations

import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain, repeat
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from local_aws.terminal import say
from utils import cleanup, cost
from utils.cleanup import Part, Resource
from utils.connect import COURSE_HOME, Place, checked_run_id, default_bucket, reach

# Creating an endpoint takes minutes, a blue/green update with its guardrails longer.
PATIENCE_S = 3600
PAUSES_S = (0.5, 1, 2, 5, 10)  # the last one again and again
HOURS = 24


@dataclass
class Found:
    """All that there is of a run. The USD are per day; None: the table has no price.

    parts: those of a web app; unseen: the kinds of them that you may not list.
    bucket: the one that all runs share. objects: the run's in it, by their prefix.
    buckets: those of the run's own, with their objects. read_on: the days on which the
    prices of its instances were read.
    """

    place: Place
    run_id: str
    bucket: str
    resources: list[tuple[Resource, float | None]] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)
    objects: dict[str, list[dict]] = field(default_factory=dict)
    buckets: dict[str, list[dict]] = field(default_factory=dict)
    folders: list[Path] = field(default_factory=list)
    read_on: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        found = (self.resources, self.objects, self.buckets, self.folders)
        return any((*found, self.parts))


def clean_up(run_id: str, *, runs_on: str = "auto", yes: bool = False) -> int:
    """Show what there is of a run, ask, and remove it; return the exit code.

    0: nothing of the run is there any more. 1: something is. 2: it was not looked for.
    3: there was nothing to begin with, as with an id that no run has had.
    """
    try:
        checked_run_id(run_id)
        place = reach(runs_on)
    except (ValueError, RuntimeError, ClientError, BotoCoreError) as error:
        say(str(error), file=sys.stderr)
        return 2
    try:
        found = find(place, run_id)
        if not found:
            say(_nothing_found(place, run_id), file=sys.stderr)
            if found.unseen:
                _say_what_was_not_seen(found)
            return 3
        show(found)
        if not (yes or _agreed()):
            say("Nothing was removed.")
            return 1
        remove(found)
        return _say_what_is_left(find(place, run_id), _may_hide_parts(found))
    except (ClientError, BotoCoreError) as error:
        say(f"Could not look for what there is: {error}", file=sys.stderr)
        return 2


def find(place: Place, run_id: str) -> Found:
    """Look for everything that has the run id in its name or its prefix."""
    session = place.boto_session
    found = Found(place, run_id, default_bucket(session, place.account))
    for resource in cleanup.resources_of(session, run_id):
        usd, read_on = _usd_a_day(session, resource)
        found.resources.append((resource, usd))
        found.read_on += read_on
    _look_for_parts(found)
    found.objects = _objects(found)
    found.buckets = _buckets(found)
    found.folders = cleanup.folders_of(run_id)
    return found


def show(found: Found) -> None:
    """Print what was found and what it costs per day."""
    say(f"Run {found.run_id} {_where(found.place)}:")
    for part in found.parts:
        say(f"  {part.what}: {part.name}", indent=4)
    for resource, usd in found.resources:
        price = "no price in the table" if usd is None else f"{usd:.2f} USD a day"
        say(f"  {_text(resource)}" + (f": {price}" if usd != 0 else ""), indent=4)
    for prefix, objects in found.objects.items():
        say(f"  {_size(objects)}: s3://{found.bucket}/{prefix}/", indent=4)
    for bucket, objects in found.buckets.items():
        say(f"  bucket: {bucket} ({_size(objects)})", indent=4)
    for folder in found.folders:
        say(f"  local folder: {folder.relative_to(COURSE_HOME)}", indent=4)
    prices = [usd for _, usd in found.resources if usd]
    if prices:
        say(
            f"Until it is removed, an estimated {sum(prices):.2f} USD a day on AWS "
            f"(us-east-1, price list of {min(found.read_on)})."
        )
    if found.place.where == "local":
        say("Here, on the stand-in for AWS, it costs nothing.")


def remove(found: Found) -> None:
    """Remove it, one after the other; an error is printed and the rest goes on."""
    session = found.place.boto_session
    for part in found.parts:
        text = f"{part.what}: {part.name}"
        _attempt(text, lambda part=part: _remove_part(found, part))
    sm, shown = session.client("sagemaker"), [r.name for r, _ in found.resources]
    # Again, since it may have taken a while to agree. What is new has not been shown.
    for resource in cleanup.resources_of(session, found.run_id):
        if resource.name in shown:
            text = f"{resource.kind.what}: {resource.name}"
            _attempt(text, lambda r=resource: _remove_resource(sm, r))
    # A job that was stopped has still written its artifact.
    for prefix, objects in _objects(found).items():
        text = f"objects: s3://{found.bucket}/{prefix}/"
        keys = [item["Key"] for item in objects]
        _attempt(text, lambda keys=keys: _remove_objects(found, found.bucket, keys))
    for bucket, objects in _buckets(found).items():
        if bucket in found.buckets:
            keys = [item["Key"] for item in objects]
            _attempt(
                f"bucket: {bucket}",
                lambda bucket=bucket, keys=keys: _remove_bucket(found, bucket, keys),
            )
    for folder in found.folders:
        text = f"local folder: {folder.relative_to(COURSE_HOME)}"
        _attempt(text, lambda folder=folder: shutil.rmtree(folder))


def _attempt(text: str, action: Callable[[], None]) -> None:
    say(f"{text} ...", indent=4, end=" ")
    try:
        action()
    except (ClientError, BotoCoreError, OSError) as error:  # TimeoutError is an OSError
        say()
        say(f"    FAILED: {error}", indent=4)
    else:
        say("removed")


def _look_for_parts(found: Found) -> None:
    """List a web app's parts, and the kinds of them that you may not list."""
    for what in cleanup.WEB_APP_KINDS:
        try:
            found.parts += cleanup.web_app_of(
                found.place.boto_session, found.run_id, [what]
            )
        except ClientError as error:
            if not error.response["Error"]["Code"].startswith("AccessDenied"):
                raise
            found.unseen.append(what)


def _may_hide_parts(found: Found) -> bool:
    """Say whether a run of which something was found may have parts that were not.

    It has none if all that was found belongs to lessons that make no web app.
    """
    names = [resource.name for resource, _ in found.resources]
    names += [part.name for part in found.parts]
    names += [*found.buckets, *(folder.name for folder in found.folders)]
    makers = {re.split("[-/]", name)[0] for name in names}
    makers |= {prefix.split("/")[1] for prefix in found.objects}
    ours = {f"lesson{number}" for number in cleanup.WEB_APPS}
    return bool(found.unseen and makers & ours)


def _say_what_was_not_seen(found: Found) -> None:
    kinds = " and ".join(f"{what}s" for what in found.unseen)
    say(
        f"You may not list {kinds}, so those of lesson 11 were not looked for. Attach "
        "data/web-app-policy.json to your role, and run this again.",
        file=sys.stderr,
    )


def _remove_part(found: Found, part: Part) -> None:
    """Remove it. A refusal is none if it is gone by now."""
    session = found.place.boto_session
    try:
        cleanup.remove_part(session, part)
    except ClientError:
        if part in cleanup.web_app_of(session, found.run_id, [part.what]):
            raise


def _remove_resource(sm: object, resource: Resource) -> None:
    """Stop it if it runs, delete it if it can be deleted; wait until that is done.

    AWS refuses to touch what is being created, changed or stopped, so that is waited
    for as well. Its status is asked for again: since it was listed others may have been
    waited for, which takes minutes.
    """
    kind = resource.kind
    status = _status(sm, resource)
    if status in kind.passing and status != kind.stops:
        status = _settled(sm, resource)
    if kind.stops and status == kind.stops:
        _call(sm, "Stop", resource, lambda now: now != kind.stops)
        status = _settled(sm, resource)
    if status is not None and not kind.is_record:
        _call(sm, "Delete", resource, lambda now: now in (None, "Deleting"))
        if kind.passing:
            _settled(sm, resource)


def _call(
    sm: object, verb: str, resource: Resource, is_done: Callable[[str | None], bool]
) -> None:
    """Stop or delete it. A refusal is none if its status says that it is done."""
    kind = resource.kind
    try:
        getattr(sm, kind.operation(verb))(**{f"{kind.noun}Name": resource.name})
    except ClientError:
        if not is_done(_status(sm, resource)):
            raise


def _settled(sm: object, resource: Resource) -> str | None:
    """Wait until its status is none that passes; return it, None if it is gone.

    Raises TimeoutError.
    """
    deadline = time.monotonic() + PATIENCE_S
    pauses = chain(PAUSES_S, repeat(PAUSES_S[-1]))
    while (status := _status(sm, resource)) in resource.kind.passing:
        if time.monotonic() > deadline:
            raise TimeoutError(f"still {status} after {PATIENCE_S // 60} minutes")
        print(f"{status} ...", end=" ", flush=True)
        time.sleep(next(pauses))
    return status


def _status(sm: object, resource: Resource) -> str | None:
    """Ask for its status: "" for a kind without one, None if it is gone."""
    kind = resource.kind
    describe = getattr(sm, kind.operation("Describe"))
    try:
        description = describe(**{f"{kind.noun}Name": resource.name})
    except ClientError as error:
        if _is_gone(error):
            return None
        raise
    return description.get(f"{kind.noun}Status", "")


def _is_gone(error: ClientError) -> bool:
    """Say whether an error means "there is none of this name" (SageMaker's words)."""
    code, message = error.response["Error"]["Code"], error.response["Error"]["Message"]
    missing = message.startswith(
        ("Could not find", "RecordNotFound", "Requested resource not found")
    )
    return code == "ResourceNotFound" or (code == "ValidationException" and missing)


def _objects(found: Found) -> dict[str, list[dict]]:
    """List a run's objects by their prefix."""
    session, bucket = found.place.boto_session, found.bucket
    if not cleanup.bucket_is_there(session, bucket):
        return {}
    prefixes = cleanup.prefixes_of(session, bucket, found.run_id)
    every = {p: list(cleanup.objects_of(session, bucket, p)) for p in prefixes}
    return {prefix: objects for prefix, objects in every.items() if objects}


def _buckets(found: Found) -> dict[str, list[dict]]:
    """List the run's own buckets with the objects in them."""
    session = found.place.boto_session
    buckets = cleanup.buckets_of(session, found.run_id)
    return {name: list(cleanup.objects_of(session, name, "")) for name in buckets}


def _size(objects: list[dict]) -> str:
    megabytes = sum(item["Size"] for item in objects) / 1e6
    return f"{len(objects)} objects, {megabytes:.2f} MB"


def _remove_objects(found: Found, bucket: str, keys: list[str]) -> None:
    session = found.place.boto_session
    if errors := cleanup.delete_objects(session, bucket, keys):
        raise OSError("; ".join(errors))


def _remove_bucket(found: Found, bucket: str, keys: list[str]) -> None:
    """Empty it and delete it: S3 deletes no bucket that holds something."""
    _remove_objects(found, bucket, keys)
    found.place.boto_session.client("s3").delete_bucket(Bucket=bucket)


def _usd_a_day(session: object, resource: Resource) -> tuple[float | None, list[str]]:
    """What its instances cost in a day, and the days on which their prices were read.

    0 for what has none, None without a price.
    """
    try:
        instances = list(_instances(session.client("sagemaker"), resource))
        component = resource.kind.component
        prices = [(cost.price_of(kind, component), n) for kind, n in instances]
    except (LookupError, ClientError):
        return None, []
    hourly = sum(price.usd_per_hour * n for price, n in prices)
    return hourly * HOURS, [price.read_on for price, _ in prices]


def _instances(sm: object, resource: Resource) -> Iterator[tuple[str, int]]:
    """Yield instance type and number of what is billed of a resource. KeyError."""
    kind = resource.kind
    if kind.component is None:
        return
    name = {f"{kind.noun}Name": resource.name}
    item = getattr(sm, kind.operation("Describe"))(**name)
    if kind.component == "training":
        yield _type_and_count(item["ResourceConfig"])
    elif kind.component == "transform":
        yield _type_and_count(item["TransformResources"])
    elif kind.component == "notebook":
        if resource.status != "Stopped":
            yield item["InstanceType"], 1
    else:
        configuration = sm.describe_endpoint_config(
            EndpointConfigName=item["EndpointConfigName"]
        )
        running = {v["VariantName"]: v for v in item.get("ProductionVariants", [])}
        for variant in configuration["ProductionVariants"]:
            wanted = variant["InitialInstanceCount"]
            now = running.get(variant["VariantName"], {})
            yield variant["InstanceType"], now.get("CurrentInstanceCount", wanted)


def _type_and_count(settings: dict) -> tuple[str, int]:
    return settings["InstanceType"], settings["InstanceCount"]


def _agreed() -> bool:
    """Ask. Only a yes is one; the end of the input is a no."""
    try:
        return input("Remove all of this? [y/N] ").strip().lower() in {"y", "yes"}
    except EOFError:
        print()
        say("There was no answer; --yes (to make: ARGS=--yes) removes without asking.")
        return False


def _say_what_is_left(found: Found, may_hide: bool) -> int:
    if found:
        say("\nNot everything could be removed. Run the command again later. Left:")
        show(found)
        return 1
    if may_hide:
        say(f"Nothing else of run {found.run_id} is left {_where(found.place)}.")
        _say_what_was_not_seen(found)
        return 2
    say(f"Nothing of run {found.run_id} is left {_where(found.place)}.")
    say("Records of ended jobs and log streams in CloudWatch stay.")
    return 0


def _nothing_found(place: Place, run_id: str) -> str:
    """Say where it was looked for in vain, and what may be wrong with the id."""
    folder = cleanup.SCRATCH.relative_to(COURSE_HOME)
    other = "aws" if place.where == "local" else "local"
    where_else = {
        "aws": "If that run was on AWS",
        "local": "If that run was on your own computer, on the stand-in",
    }
    return (
        f'Found nothing of a run with the id "{run_id}": neither {_where(place)} '
        f"nor in {folder} on this machine.\n"
        "If you expected something, compare the id with the one that your notebook "
        'printed after "Run id:".\n'
        f"{where_else[other]}, add --runs-on {other} "
        f'(to make: ARGS="--runs-on {other}").'
    )


def _text(resource: Resource) -> str:
    status = f" ({resource.status})" if resource.status else ""
    return f"{resource.kind.what}: {resource.name}{status}"


def _where(place: Place) -> str:
    if place.where == "local":
        return "on the stand-in for AWS"
    return f"on AWS, Region {place.region}, account ending in {place.account[-4:]}"
