"""What every call passes between a host and a servicer, in order, the outermost first."""

from collections.abc import Sequence

from shared.rpc.policies.admission import Admission
from shared.rpc.policies.call import Call, Context, Method, Policy, Step
from shared.rpc.policies.consistency import Consistency
from shared.rpc.policies.deadlines import Deadlines
from shared.rpc.policies.failures import Failures
from shared.rpc.policies.identity import Identities
from shared.rpc.policies.parsing import Parsing
from shared.rpc.policies.serving import served
from shared.rpc.policies.telemetry import Measuring
from shared.telemetry.metrics import Metrics
from shared.telemetry.traces import Traces
from shared.work.consistency import Latest

__all__ = ["Call", "Context", "Method", "Policies", "Policy", "Step", "standard"]


class Policies:
    """The ordered list. A host asks it what to run for each method, and knows nothing of what is in it."""

    def __init__(self, policies: Sequence[Policy]) -> None:
        self._policies = tuple(policies)

    def way(self, method: Method) -> Step:
        """All that happens to a call of this method, from the host to the servicer and back."""
        step = served(method)
        for policy in reversed(self._policies):
            step = policy.around(method, step)
        return step


def standard(
    metrics: Metrics, traces: Traces, most_in_flight: int, default_deadline_s: float, latest: Latest | None = None
) -> Policies:
    """The policies of every Savepoint service. `latest` is that of a service whose reads may go to replicas."""
    return Policies(
        (
            Measuring(metrics, traces),
            Failures(),
            Identities(),
            Admission(most_in_flight),
            Deadlines(default_deadline_s),
            Parsing(),
            *([Consistency(latest)] if latest else []),
        )
    )
