"""The one way a service runs: from its settings to exit 0.

Telemetry -> stores open and answering -> server up, NOT_SERVING -> SERVING once the stores answer -> SIGTERM or
SIGINT -> NOT_SERVING, a short wait for the gateway to notice, calls in flight end, stores close, telemetry is sent.
"""

import asyncio
import gc
import logging
import signal
from contextlib import AsyncExitStack
from dataclasses import dataclass

from grpc_health.v1 import health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2_grpc

from shared import __version__
from shared.contract.errors import StoreUnavailable
from shared.rpc import policies
from shared.rpc.health import Health
from shared.rpc.host import CannotListenError, Host
from shared.rpc.hosts import host as make_host
from shared.rpc.reflection import Reflection
from shared.service.hosted import Build, Hosted, Runtime, S
from shared.service.settings import ServiceSettings
from shared.service.stop import Stop
from shared.stores.errors import StoreUnfit
from shared.telemetry import logs
from shared.telemetry.metrics import Metrics
from shared.telemetry.traces import Traces
from shared.work.background import Background, Job, report_unseen

_log = logging.getLogger("savepoint.server")


class StartError(Exception):
    """The service cannot start; the message is all a person needs."""


async def serve(name: str, settings: S, build: Build[S]) -> None:
    """Runs a service until SIGTERM or SIGINT. Raises StartError when it cannot start, BackgroundError when a vital job
    failed."""
    logs.start(name, settings.log_level)
    stop = Stop()
    stop.on_signals(signal.SIGTERM, signal.SIGINT)
    async with AsyncExitStack() as stack:
        runtime = _measured(name, settings, stack)
        background = Background(runtime.metrics.background_failures, give_up=stop.ask)
        started = await stop.interrupts(_started(runtime, build, stack))
        if started:
            # The stack ends the background work before it closes the stores, which that work uses.
            stack.push_async_callback(background.stop)
            _at_work(started, background, settings)
            await stop.wait()
            await _stopped(started, settings)
    _log.info("stopped")
    if background.failure:
        raise background.failure


@dataclass(frozen=True)
class _Started:
    """A service that can be called."""

    hosted: Hosted
    health: Health
    host: Host


def _measured(name: str, settings: S, stack: AsyncExitStack) -> Runtime[S]:
    """Metrics and traces, closed with the stack."""
    metrics = Metrics()
    stack.callback(metrics.close)
    report_unseen(metrics.background_failures)
    traces = Traces(name, settings.otel_exporter_otlp_endpoint)
    stack.callback(traces.close)
    try:
        metrics.serve(settings.metrics_listen)
    except (OSError, OverflowError) as error:
        raise StartError(f"METRICS_LISTEN {settings.metrics_listen} cannot be used: {error}") from error
    return Runtime(settings, metrics, traces)


async def _started(runtime: Runtime[S], build: Build[S], stack: AsyncExitStack) -> _Started:
    """The service with its stores open, closed with the stack, and its host listening."""
    settings = runtime.settings
    try:
        hosted = await stack.enter_async_context(build(runtime))
    except StoreUnavailable as error:
        raise StartError(f"{error.message} (waited {settings.store_start_timeout_s:g} s at the start)") from error
    except StoreUnfit as error:
        raise StartError(str(error)) from error
    health = Health([served.name for served in hosted.served], hosted.essential)
    host = _host(runtime, hosted, health)
    await health.check()
    await _listen(host, settings)
    return _Started(hosted, health, host)


def _host(runtime: Runtime[S], hosted: Hosted, health: Health) -> Host:
    """The host with everything that it serves."""
    settings, metrics = runtime.settings, runtime.metrics
    host = make_host(
        settings.rpc_host,
        policies.standard(
            metrics, runtime.traces, settings.max_concurrent_calls, settings.default_deadline_s, hosted.latest
        ),
        settings.connection_rules(),
    )
    metrics.watch_clients(lambda: host.connections)
    for served in hosted.served:
        served.add(served.servicer, host)
    health_pb2_grpc.add_HealthServicer_to_server(health.servicer, host)  # type: ignore[arg-type] # its types know two
    names = [served.name for served in hosted.served]
    reflection_pb2_grpc.add_ServerReflectionServicer_to_server(Reflection(names), host)  # type: ignore[no-untyped-call]
    return host


async def _listen(host: Host, settings: ServiceSettings) -> None:
    try:
        await host.start(settings.listen, settings.tls())
    except CannotListenError as error:
        raise StartError(f"LISTEN {error}") from error
    except (OSError, ValueError) as error:
        raise StartError(f"TLS_CERTIFICATE, TLS_KEY or TLS_CLIENT_CA cannot be used: {error}") from error


def _at_work(started: _Started, background: Background, settings: ServiceSettings) -> None:
    """What goes on beside the calls, from here to the stop."""
    # All objects made so far live as long as the process: the garbage collector need not look at them, and may run less
    # often.
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    # Vital: without the health watch the service would stay SERVING whatever its stores do.
    background.start(Job("health", started.health.watch, vital=True))
    for job in started.hosted.background:
        background.start(job)
    _log.info(
        "serving",
        extra={
            "version": __version__,
            "listen": settings.listen,
            "rpc_host": settings.rpc_host,
            "hosts": [served.name for served in started.hosted.served],
        },
    )


async def _stopped(started: _Started, settings: ServiceSettings) -> None:
    """No call is lost: the gateway is told, new connections are refused, and calls in flight end."""
    _log.info("stopping", extra={"grace_s": settings.shutdown_grace_s})
    await started.health.stop()
    await asyncio.sleep(settings.shutdown_notice_s)
    await started.host.drain(settings.shutdown_grace_s)
    await started.host.stop()
