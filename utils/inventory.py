"""What the course has left in an account, in several Regions, and what it costs.

`take_inventory` looks through every service that the lessons use. It goes by names and
keys, as utils/cleanup.py has them, and changes nothing.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

import boto3
from botocore.client import BaseClient
from botocore.exceptions import BotoCoreError, ClientError

from utils import cleanup, cost
from utils.cleanup import KINDS, Part, Resource
from utils.connect import reads_like_a_word

HOURS = 24
# What there is besides the kinds of SageMaker.
OBJECTS, UPLOAD, BUCKET, FOLDER = "objects", "unfinished upload", "bucket", "folder"
# In this order it is removed: first what is billed by the hour, then what the public
# can reach, then what is billed by its size, and a bucket after what is in it.
ORDER = (
    *(kind.what for kind in KINDS),
    cleanup.API,
    cleanup.FUNCTION,
    cleanup.LOG_GROUP,
    cleanup.ROLE,
    UPLOAD,
    OBJECTS,
    BUCKET,
    cleanup.BUDGET,
    FOLDER,
)


@dataclass(frozen=True)
class Item:
    """One thing that a run has left.

    region: "" for what is in none. usd_per_day: None if the table has no price. count
    and size: of objects, in a bucket too; size in bytes. source: what a clean-up needs
    to know of it.
    """

    what: str
    name: str
    run_id: str
    region: str = ""
    status: str = ""
    created: datetime | None = None
    usd_per_day: float | None = 0.0
    count: int = 0
    size: int = 0
    source: object = field(default=None, compare=False, repr=False)


@dataclass
class Inventory:
    """What was found, in the order in which it is to be removed.

    skipped: what could not be looked for, and why, by what it is. read_on: the days on
    which the prices of instances were read.
    """

    items: list[Item] = field(default_factory=list)
    skipped: dict[str, Exception] = field(default_factory=dict)
    read_on: list[str] = field(default_factory=list)

    @property
    def usd_per_day(self) -> float:
        """The sum of what is known."""
        return sum(item.usd_per_day or 0 for item in self.items)


@dataclass
class InRegion:
    """A session whose clients are those of one Region, each made once."""

    session: boto3.Session
    region: str
    clients: dict[str, BaseClient] = field(default_factory=dict, repr=False)

    def client(self, service: str) -> BaseClient:
        if service not in self.clients:
            made = self.session.client(service, region_name=self.region)
            self.clients[service] = made
        return self.clients[service]


def take_inventory(
    session: boto3.Session,
    account: str,
    run_id: str | None = None,
    regions: Iterable[str] = (),
) -> Inventory:
    """Find everything that carries the course's names: of one run, or of all runs.

    account: its number. regions: where to look; the session's own if none is named. A
    service that refuses to be asked, or does not answer, is noted in `skipped`, and the
    others are asked all the same.
    """
    found = Inventory()
    names = list(dict.fromkeys(regions)) or [session.region_name]
    places = [InRegion(session, region) for region in names]
    for there in places:
        _look_in_region(found, there, account, run_id)
    home = places[0]  # the rest is the account's, whichever Region is asked
    _look(found, "roles", lambda: _parts(cleanup.roles_of(home, run_id)))
    _look(found, "budgets", lambda: _parts(cleanup.budgets_of(home, run_id, account)))
    _look(found, "buckets", lambda: _buckets(found, home, run_id))
    found.items += _folders(run_id)
    found.items.sort(key=lambda item: ORDER.index(item.what))
    return found


def _look_in_region(
    found: Inventory, there: InRegion, account: str, run_id: str | None
) -> None:
    region = there.region
    for kind in KINDS:
        _look(
            found,
            f"{kind.what}s in {region}",
            lambda kind=kind: _resources(found, there, kind, run_id),
        )
    lists = {
        "HTTP APIs": lambda: cleanup.apis_of(there, run_id),
        "functions": lambda: cleanup.functions_of(there, run_id),
        "logs of functions": lambda: cleanup.log_groups_of(
            there, run_id, cleanup.LOGS_OF_FUNCTIONS
        ),
        "logs of endpoints": lambda: cleanup.log_groups_of(
            there, run_id, cleanup.LOGS_OF_ENDPOINTS
        ),
    }
    for what, of in lists.items():
        _look(found, f"{what} in {region}", lambda of=of: _parts(of(), region))
    bucket = f"sagemaker-{region}-{account}"
    _look(
        found,
        f"objects in {region}",
        lambda: _in_shared_bucket(found, there, bucket, run_id),
    )


def _look(found: Inventory, what: str, ask: Callable[[], Iterable[Item]]) -> None:
    """Add what there is, all of it or nothing; if it can't be asked for, note why."""
    try:
        found.items += list(ask())
    except (ClientError, BotoCoreError) as error:
        found.skipped[what] = error


def is_refusal(error: Exception) -> bool:
    """Say whether the caller is not allowed to ask."""
    if not isinstance(error, ClientError):
        return False
    return error.response["Error"]["Code"].startswith(("AccessDenied", "UnauthorizedO"))


def _resources(
    found: Inventory, there: InRegion, kind: cleanup.Kind, run_id: str | None
) -> Iterator[Item]:
    for one in cleanup.resources_of_kind(there, kind, run_id):
        usd, read_on = usd_per_day(there, one)
        found.read_on += read_on
        yield Item(
            kind.what,
            one.name,
            cleanup.run_of(one.name),
            there.region,
            one.status,
            one.created,
            usd,
            source=one,
        )


def _parts(parts: Iterable[Part], region: str = "") -> Iterator[Item]:
    """Of these, only a log costs anything while nobody uses it."""
    for part in parts:
        usd = cost.storage_usd_per_day("logs", part.size)
        yield Item(
            part.what,
            part.identifier if part.what == cleanup.LOG_GROUP else part.name,
            cleanup.run_of(part.name),
            region,
            created=part.created,
            usd_per_day=usd,
            size=part.size,
            source=part,
        )


def _in_shared_bucket(
    found: Inventory, there: InRegion, bucket: str, run_id: str | None
) -> Iterator[Item]:
    if not cleanup.bucket_is_there(there, bucket):
        return
    for prefix in cleanup.prefixes_of(there, bucket, run_id):
        objects = contents(found, there, bucket, prefix)
        if objects:
            run = cleanup.run_of_key(f"{prefix}/")
            yield _stored(OBJECTS, f"s3://{bucket}/{prefix}/", run, there, objects)
    where = f"unfinished uploads in {bucket}"
    wanted = cleanup.BUCKET_FOLDER
    _look(found, where, lambda: _uploads(there, bucket, wanted, run_id))


def _buckets(found: Inventory, there: InRegion, run_id: str | None) -> Iterator[Item]:
    """Buckets are the account's: each is found, in whichever Region it is."""
    s3 = there.client("s3")
    made = {b["Name"]: b.get("CreationDate") for b in s3.list_buckets()["Buckets"]}
    for name in cleanup.buckets_of(there, run_id):
        run = cleanup.run_of(name)
        place = s3.get_bucket_location(Bucket=name).get("LocationConstraint")
        region = place or "us-east-1"
        at = there if region == there.region else InRegion(there.session, region)
        objects = contents(found, at, name, "")
        yield _stored(BUCKET, name, run, at, objects, made.get(name))
        where = f"unfinished uploads in {name}"
        _look(found, where, lambda at=at, name=name: _uploads(at, name, "", run_id))


def contents(found: Inventory, there: InRegion, bucket: str, prefix: str) -> list[dict]:
    """List the objects under a prefix, with their old versions if that is allowed."""
    what = "old versions of objects"
    if what not in found.skipped:
        try:
            return list(cleanup.versions_of(there, bucket, prefix))
        except ClientError as error:
            if not is_refusal(error):
                raise
            found.skipped[what] = error
    return list(cleanup.objects_of(there, bucket, prefix))


def _stored(
    what: str,
    name: str,
    run_id: str,
    there: InRegion,
    objects: list[dict],
    created: datetime | None = None,
) -> Item:
    size = sum(item["Size"] for item in objects)
    oldest = min((item["LastModified"] for item in objects), default=None)
    return Item(
        what,
        name,
        run_id,
        there.region,
        created=created or oldest,
        usd_per_day=cost.storage_usd_per_day("objects", size),
        count=len(objects),
        size=size,
    )


def _uploads(
    there: InRegion, bucket: str, prefix: str, run_id: str | None
) -> Iterator[Item]:
    """An upload's parts are billed by their size, which no list gives."""
    for upload in cleanup.uploads_of(there, bucket, prefix):
        run = cleanup.run_of_key(upload["Key"]) if prefix else cleanup.run_of(bucket)
        if run is not None and run_id in (None, run):
            yield Item(
                UPLOAD,
                f"s3://{bucket}/{upload['Key']}",
                run,
                there.region,
                usd_per_day=None,
                source=(bucket, upload["Key"], upload["UploadId"]),
            )


def _folders(run_id: str | None) -> Iterator[Item]:
    for folder in cleanup.folders_of(run_id):
        name = str(folder.relative_to(cleanup.SCRATCH.parent.parent))
        yield Item(FOLDER, name, cleanup.run_of(folder.name), source=folder)


def show_items(items: Iterable[Item]) -> None:
    """Print what each thing costs per day (USD), what it is, its name and Region."""
    print(f"{'USD a day':>9}  what")
    total = 0.0
    for item in items:
        usd = item.usd_per_day
        total += usd or 0
        price = "unknown" if usd is None else f"{usd:.2f}"
        region = f" ({item.region})" if item.region else ""
        print(f"{price:>9}  {item.what}{region}")
        print(f"{'':9}    {item.name}")
    print(f"{total:9.2f}  in all, as far as known")


def doubtful_runs(items: Iterable[Item]) -> set[str]:
    """Name the run ids that may be a word in somebody else's name.

    A run id never reads like a word, a number or both, unless somebody has chosen it or
    an earlier edition of the course has drawn it. One that does, of which nothing is
    known but names, is rather the "design" of "lesson12-design-x" or the "week02" of
    "lesson12-week02-x". What only a run makes are files: its own in the shared bucket,
    and on this machine. They are there from its first step to its last.
    """
    items = list(items)
    known = {item.run_id for item in items if item.what in (OBJECTS, FOLDER)}
    return {item.run_id for item in items if reads_like_a_word(item.run_id)} - known


def usd_per_day(there: InRegion, resource: Resource) -> tuple[float | None, list[str]]:
    """What its instances cost in a day, and the days on which their prices were read.

    0 for what has none, None without a price. A failed endpoint counts as if it were in
    service, since AWS's documentation does not say that it is free. A notebook instance
    has a disk, which is billed while it is stopped, too.
    """
    kind, sm = resource.kind, there.client("sagemaker")
    if kind.component is None:
        return 0.0, []
    try:
        name = {f"{kind.noun}Name": resource.name}
        item = getattr(sm, kind.operation("Describe"))(**name)
        instances = list(_instances(sm, resource, item))
        prices = [(cost.price_of(type_, kind.component), n) for type_, n in instances]
    except (LookupError, ClientError):
        return None, []
    hourly = sum(price.usd_per_hour * n for price, n in prices)
    disk = item.get("VolumeSizeInGB", 0) * cost.GIGABYTE
    usd = hourly * HOURS + cost.storage_usd_per_day("notebook disks", disk)
    return usd, [price.read_on for price, _ in prices]


def _instances(
    sm: BaseClient, resource: Resource, item: dict
) -> Iterator[tuple[str, int]]:
    """Yield instance type and number of what is billed, by a resource's description.

    KeyError, and ClientError where an endpoint's configuration is gone.
    """
    component = resource.kind.component
    if component == "training":
        yield _type_and_count(item["ResourceConfig"])
    elif component == "transform":
        yield _type_and_count(item["TransformResources"])
    elif component == "notebook":
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
