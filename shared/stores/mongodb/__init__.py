"""MongoDB. What others need of it stands here; its driver is known inside this folder only."""

from shared.stores.mongodb.database import STORE, Document, Mongo, Session, connect
from shared.stores.mongodb.json import json_of, of_json

__all__ = ["STORE", "Document", "Mongo", "Session", "connect", "json_of", "of_json"]
