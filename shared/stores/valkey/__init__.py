"""Valkey or Redis. What others need of it stands here; its driver is known inside this folder only."""

from shared.stores.valkey.connecting import connect
from shared.stores.valkey.script import Script, ScriptCalls, Value, load_script
from shared.stores.valkey.server import STORE, Valkey

__all__ = ["STORE", "Script", "ScriptCalls", "Valkey", "Value", "connect", "load_script"]
