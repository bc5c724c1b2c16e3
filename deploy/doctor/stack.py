"""What the embedded stack runs, from its state file."""

from deploy.doctor.targets import Gateway, Process, Targets, stores_of
from deploy.doctor.text import place
from deploy.local import state
from deploy.local.layout import Layout
from deploy.local.ports import HOST
from deploy.local.settings import StackSettings
from deploy.local.suite import Suite


def running(settings: StackSettings) -> Targets | None:
    """All parts of the stack that runs on this data directory, also those that are down; None where none runs."""
    layout = Layout.of(settings.savepoint_data)
    recorded = state.read(layout)
    if recorded is None or recorded.supervisor.process() is None:
        return None
    settings = StackSettings.model_validate(recorded.settings)
    suite = Suite(layout, settings)
    found = Targets(f"the embedded stack in {place(str(layout.data))}", data=layout.data)
    for each in suite.services:
        process = Process(each.name, each.service, each.address, each.environment["METRICS_LISTEN"])
        stores = stores_of(each.service, each.environment)
        found = found.and_also(stores).and_also(Targets("", processes=(process,)))
    gateway = Gateway(suite.gateway.address, f"{HOST}:{settings.gateway_metrics_port}")
    return found.and_also(Targets("", gateway=gateway))
