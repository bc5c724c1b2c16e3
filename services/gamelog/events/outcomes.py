"""What became of each event of several batches that were stored together."""

from collections.abc import Mapping, Sequence

from services.gamelog.events.types import NewEvent, Outcome


def first_of_each(batches: Sequence[Sequence[NewEvent]]) -> dict[str, NewEvent]:
    """The events by their ids, in their order; of those with one id the first."""
    first: dict[str, NewEvent] = {}
    for batch in batches:
        for new in batch:
            first.setdefault(new.event.event_id, new)
    return first


def judged(
    batches: Sequence[Sequence[NewEvent]], first: Mapping[str, NewEvent], known: Mapping[str, str]
) -> list[Sequence[Outcome]]:
    """The outcomes of each batch, where those that are `first` of their id were stored, except those that are `known`:
    under these ids, events with these fingerprints were stored before."""
    return [[_outcome(new, first, known) for new in batch] for batch in batches]


def _outcome(new: NewEvent, first: Mapping[str, NewEvent], known: Mapping[str, str]) -> Outcome:
    event_id = new.event.event_id
    kept = known.get(event_id)
    if kept is None:
        if first[event_id] is new:
            return Outcome.STORED
        kept = first[event_id].fingerprint
    return Outcome.DUPLICATE if kept == new.fingerprint else Outcome.CONFLICT
