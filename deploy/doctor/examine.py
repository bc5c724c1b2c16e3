"""Examines everything, all parts at once."""

import asyncio

from deploy.doctor import machine
from deploy.doctor.dynamodb import examine as dynamo_tables
from deploy.doctor.finding import Examined
from deploy.doctor.limits import Limits
from deploy.doctor.mongodb import examine as mongodbs
from deploy.doctor.postgres import examine as databases
from deploy.doctor.processes import examine as services
from deploy.doctor.processes import gateway
from deploy.doctor.report import Report
from deploy.doctor.targets import Targets
from deploy.doctor.valkey import examine as valkeys


async def examine(targets: Targets, window_s: float, limits: Limits) -> Report:
    """Looks at all targets; what changes is watched for `window_s`. Whatever does not answer is a finding."""
    first = await services.first_look(targets.processes)
    looks = [
        databases.examine(targets.databases, services.pool_sizes(first), window_s, limits),
        valkeys.examine(targets.valkeys, window_s, limits),
        mongodbs.examine(targets.mongodbs, limits),
        dynamo_tables.examine(targets.dynamo_tables),
        services.examine(targets.processes, first, window_s, limits),
    ]
    found = [each for group in await asyncio.gather(*looks, _gateway(targets, window_s)) for each in group]
    if targets.data is not None:
        found.append(machine.examine(targets.data, limits))
    return Report(targets.source, tuple(each for each in found if each.findings))


async def _gateway(targets: Targets, window_s: float) -> list[Examined]:
    return [await gateway.examine(targets.gateway, window_s)] if targets.gateway else []
