"""ServiceAccounts: how many token Secrets they own; none, nowadays."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from netemu.core.apiserver.layouts._columns import AGE, NAME, Column, Layout, age_cell
from netemu.model.core_v1 import ServiceAccount


def _cells(account: ServiceAccount, now: datetime) -> list[Any]:
    return [account.metadata.name, len(account.secrets), age_cell(account, now)]


LAYOUT = Layout((NAME, Column("Secrets", description="Number of Secrets."), AGE), _cells)
