"""AWS Budgets: budgets with their notifications and subscribers."""

from types import SimpleNamespace

from moto.budgets.models import budgets_backends

from local_aws.installation import ACCOUNT_ID
from local_aws.persistence.database import Database
from local_aws.persistence.service import Change, Entities, ServicePersistence

REGION = "aws"  # budgets are the account's, in no Region


class BudgetsPersistence(ServicePersistence):
    """Budgets on disk."""

    reading = ("Describe", "List")

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._entities = Entities(database, "budgets", ("budgets",), ())

    def load(self) -> None:
        self._entities.load(REGION, _budgets())

    def persist(self, _: Change) -> None:
        with self._database.transaction() as connection:
            self._entities.write(connection, REGION, _budgets())

    def roll_back(self, _: Change) -> None:
        self.load()


def _budgets() -> SimpleNamespace:
    """moto has them by account, and then by name."""
    return SimpleNamespace(
        budgets=budgets_backends[ACCOUNT_ID][REGION].budgets[ACCOUNT_ID]
    )
