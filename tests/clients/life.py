"""A session's whole life with the client that openapi-python-client made of the document: `life.py ORIGIN OPERATOR_KEY`."""

import sys
import time
import urllib.parse
import urllib.request

from quadrille_client import AuthenticatedClient
from quadrille_client.api.devices import change_session, create_session, end_session, get_session, list_games, list_layouts
from quadrille_client.api.operators import delete_registered_game, get_usage, list_sessions, list_usage_records, quote_usage, register_game
from quadrille_client.models import (
    Code,
    EndReason,
    GameRequest,
    Problem,
    QuoteItem,
    QuoteRequest,
    SessionChange,
    SessionRequest,
    SessionRequestLabels,
    ViewState,
)


def get(url):
    with urllib.request.urlopen(url, timeout=30) as answer:
        return answer.read().decode()


def main(origin, key):
    client = AuthenticatedClient(base_url=origin, token=key, raise_on_unexpected_status=True)
    games = [game.id for game in list_games.sync(client=client)]
    assert len(games) >= 3, games
    a, b, c = games[:3]
    assert any(layout.id == "2EH" for layout in list_layouts.sync(client=client))

    body = GameRequest(id="made-in-python", title="Made in Python", sources=["test://ball?size=160x90"])
    registered = register_game.sync(client=client, body=body)
    assert registered.id == "made-in-python" and registered.health.source_index == 0, registered

    labels = SessionRequestLabels.from_dict({"from": "python"})
    wish = SessionRequest(games=[a, b], layout="2EH", labels=labels)
    name = f"py-{time.time_ns()}"
    made = create_session.sync_detailed(client=client, body=wish, idempotency_key=name)
    session, etag = made.parsed, made.headers["ETag"]
    again = create_session.sync_detailed(client=client, body=wish, idempotency_key=name)
    assert again.parsed.id == session.id and again.headers["Idempotency-Replayed"] == "true"
    assert session.state is ViewState.ACTIVE and session.skin is None and len(session.slots) == 2, session

    top = get(session.playback_url)
    video = next(line for line in top.splitlines() if line and not line.startswith("#"))
    assert "#EXTINF" in get(urllib.parse.urljoin(session.playback_url, video))

    swap = SessionChange(games=[a, c], audio=c)
    swapped = change_session.sync(session.id, client=client, body=swap, if_match=etag)
    assert swapped.games == [a, c] and swapped.playback_url == session.playback_url, swapped
    stale = change_session.sync(session.id, client=client, body=swap, if_match=etag)
    assert isinstance(stale, Problem) and stale.code is Code.REVISION_STALE, stale
    refused = change_session.sync(session.id, client=client, body=SessionChange(layout="7XL"))
    assert refused.code is Code.LAYOUT_UNKNOWN and refused.field == "layout" and "2EH" in refused.allowed, refused

    page = list_sessions.sync(client=client, state=ViewState.ACTIVE, limit=1000)
    mine = next(one for one in page.sessions if one.id == session.id)
    assert mine.labels.to_dict() == {"from": "python"}, mine

    end_session.sync_detailed(session.id, client=client)
    ended = get_session.sync(session.id, client=client)
    assert ended.state is ViewState.ENDED and ended.end_reason is EndReason.DEVICE, ended

    report = get_usage.sync(client=client, group_by="label:from")
    assert report.group_by == "label:from" and report.total_billable_seconds >= 0, report
    item = QuoteItem(sessions=100, seconds_per_session=5400, tier="small")
    quote = quote_usage.sync(client=client, body=QuoteRequest(items=[item]))
    assert quote.currency == "EUR" and float(quote.cost) > 0, quote
    assert isinstance(list_usage_records.sync(client=client, session_id=session.id).records, list)

    delete_registered_game.sync_detailed("made-in-python", client=client)
    print("python: a whole session's life")


if __name__ == "__main__":
    main(*sys.argv[1:])
