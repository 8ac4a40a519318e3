"""Documents of one model: read validated, written whole, only over the version that was read."""

from collections.abc import Iterator, Mapping
from typing import Any, Generic, TypeVar

from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError

from lead_crm import mongo
from lead_crm.documents import Document
from lead_crm.errors import Conflict, NotFound

D = TypeVar("D", bound=Document)


class Store(Generic[D]):
    def __init__(self, model: type[D], *, kind: str, collection: str = "leads") -> None:
        self.model, self.kind, self.name = model, kind, collection

    @property
    def collection(self) -> Collection[mongo.Row]:
        return mongo.collection(self.name)

    def load(self, row: mongo.Row) -> D:
        del row["_id"], row["type"]
        return self.model.model_validate(row)

    def dump(self, document: D) -> mongo.Row:
        return {"type": self.kind, **document.model_dump()}

    def first(self, where: Mapping[str, Any]) -> D | None:
        row = self.collection.find_one({"type": self.kind, **where})
        return self.load(row) if row else None

    def get(self, uid: str) -> D:
        document = self.first({"uid": uid})
        if document is None:
            raise NotFound(f"There is no {self.kind} {uid}.")
        return document

    def find(self, where: Mapping[str, Any] | None = None) -> Iterator[D]:
        return map(self.load, self.collection.find({"type": self.kind, **(where or {})}))

    def insert(self, document: D, *, session: ClientSession | None = None) -> None:
        try:
            self.collection.insert_one(self.dump(document), session=session)
        except DuplicateKeyError as error:
            raise Conflict(f"There is already a {self.kind} like {document.uid}.") from error

    def replace(self, document: D, *, read: int, session: ClientSession | None = None) -> bool:
        """Write `document` over version `read`; False when somebody else has written meanwhile."""
        identity = {"type": self.kind, "uid": document.uid, "version": read}
        return bool(self.collection.replace_one(identity, self.dump(document), session=session).matched_count)

    def delete(self, uid: str, *, session: ClientSession | None = None) -> None:
        self.collection.delete_one({"type": self.kind, "uid": uid}, session=session)
