"""The one way a service runs: from its settings to exit 0.

Telemetry -> stores open and answering -> server up, NOT_SERVING -> SERVING once the stores answer -> SIGTERM or
SIGINT -> NOT_SERVING, a short wait for the gateway to notice, calls in flight end, stores close, telemetry is sent.
"""

import asyncio
import gc
import logging
import signal
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any

from grpc_health.v1 import health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2_grpc

from shared import __version__
from shared.contract.errors import StoreUnavailable
from shared.rpc import policies
from shared.rpc.health import Health
from shared.rpc.host import CannotListenError, Host
from shared.rpc.hosts import host as make_host
from shared.rpc.reflection import Reflection
from shared.service.hosted import Build, Runtime, S
from shared.service.settings import ServiceSettings
from shared.stores.errors import StoreUnfit
from shared.telemetry import logs
from shared.telemetry.metrics import Metrics
from shared.telemetry.traces import Traces

_log = logging.getLogger("savepoint.server")


class StartError(Exception):
    """The service cannot start; the message is all a person needs."""


class BackgroundError(Exception):
    """Background work failed, and the service has ended because of it, so that it is started anew."""


async def serve(name: str, settings: S, build: Build[S]) -> None:
    """Runs a service until SIGTERM or SIGINT. Raises StartError when it cannot start."""
    logs.start(name, settings.log_level)
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)

    async with AsyncExitStack() as stack:
        metrics = Metrics()
        stack.callback(metrics.close)
        traces = Traces(name, settings.otel_exporter_otlp_endpoint)
        stack.callback(traces.close)
        try:
            metrics.serve(settings.metrics_listen)
        except (OSError, OverflowError) as error:
            raise StartError(f"METRICS_LISTEN {settings.metrics_listen} cannot be used: {error}") from error
        try:
            hosted = await stack.enter_async_context(build(Runtime(settings, metrics, traces)))
        except StoreUnavailable as error:
            raise StartError(f"{error.message} (waited {settings.store_start_timeout_s:g} s at the start)") from error
        except StoreUnfit as error:
            raise StartError(str(error)) from error

        names = [served.name for served in hosted.served]
        health = Health(names, hosted.essential)
        host = make_host(
            settings.rpc_host,
            policies.standard(metrics, traces, settings.max_concurrent_calls, settings.default_deadline_s),
            settings.connection_rules(),
        )
        metrics.watch_clients(lambda: host.connections)
        for served in hosted.served:
            served.add(served.servicer, host)
        health_pb2_grpc.add_HealthServicer_to_server(health.servicer, host)  # type: ignore[arg-type] # its types know two
        reflection_pb2_grpc.add_ServerReflectionServicer_to_server(  # type: ignore[no-untyped-call]
            Reflection(names), host
        )
        await health.check()
        await _listen(host, settings)
        # What there is by now stays: collections need not look at it again, and may come less often.
        gc.freeze()
        gc.set_threshold(20_000, 20, 50)
        _log.info(
            "serving",
            extra={"version": __version__, "listen": settings.listen, "rpc_host": settings.rpc_host, "hosts": names},
        )

        tasks = [asyncio.create_task(health.watch(), name="health")]
        tasks += [asyncio.create_task(job(), name="background") for job in hosted.background]
        stack.push_async_callback(_end, tasks)
        failures: list[BaseException] = []

        def ended(task: asyncio.Task[Any]) -> None:
            if not task.cancelled() and (failure := task.exception()):
                _log.error("background work failed: stopping", exc_info=failure)
                failures.append(failure)
                stopping.set()

        for task in tasks:
            task.add_done_callback(ended)
        await stopping.wait()

        _log.info("stopping", extra={"grace_s": settings.shutdown_grace_s})
        await health.stop()
        await asyncio.sleep(settings.shutdown_notice_s)
        await host.drain(settings.shutdown_grace_s)
        await host.stop()
    _log.info("stopped")
    if failures:
        raise BackgroundError(f"background work failed: {failures[0]}") from failures[0]


async def _listen(host: Host, settings: ServiceSettings) -> None:
    try:
        await host.start(settings.listen, settings.tls())
    except CannotListenError as error:
        raise StartError(f"LISTEN {error}") from error
    except (OSError, ValueError) as error:
        raise StartError(f"TLS_CERTIFICATE, TLS_KEY or TLS_CLIENT_CA cannot be used: {error}") from error


async def _end(tasks: Sequence[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
