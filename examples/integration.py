#!/usr/bin/env python3
"""An operator's backend: registers a game, makes sessions and swaps their games, reads what was used.

    integration.py ORIGIN OPERATOR_KEY

The standard library alone. `Quadrille` is the part to take along; `main` shows a day's work with it.
"""

import json
import random
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid

ATTEMPTS = 5
ANSWER_WITHIN_S = 15
LONGEST_WAIT_S = 30


class Refused(Exception):
    """A refusal: `code` is stable and to be branched on, `detail` is for people, `problem` is all that was told."""

    def __init__(self, status, problem, request_id):
        self.status = status
        self.problem = problem
        self.code = problem.get("code", "unknown")
        # Tell this to whoever runs the service: it stands in the log.
        self.request_id = request_id
        super().__init__(f"{status} {self.code}: {problem.get('detail', '')} (request {request_id})")


class Quadrille:
    def __init__(self, origin, key):
        self.origin = origin.rstrip("/")
        self.key = key

    def ask(self, method, path, body=None, query=None, **headers):
        """The JSON of the answer, and its ETag. Asked again while the service is busy or does not answer.

        All that is asked here may be asked twice: reads, PUT and DELETE by nature, POST by its Idempotency-Key, PATCH by If-Match.
        """
        url = f"{self.origin}{path}"
        if query:
            url += "?" + urllib.parse.urlencode(query)
        data = None if body is None else json.dumps(body).encode()
        for attempt in range(1, ATTEMPTS + 1):
            request = urllib.request.Request(url, data=data, method=method)
            request.add_header("Authorization", f"Bearer {self.key}")
            if data is not None:
                request.add_header("Content-Type", "application/json")
            for name, value in headers.items():
                request.add_header(name.replace("_", "-"), value)
            try:
                with urllib.request.urlopen(request, timeout=ANSWER_WITHIN_S) as answer:
                    text = answer.read()
                    return (json.loads(text) if text else None), answer.headers.get("ETag")
            except urllib.error.HTTPError as error:
                if error.code not in (429, 503) or attempt == ATTEMPTS:
                    raise refusal(error) from None
                wait = float(error.headers.get("Retry-After") or 1)
            except (urllib.error.URLError, TimeoutError, ConnectionError):
                if attempt == ATTEMPTS:
                    raise
                wait = 0.5 * 2**attempt
            time.sleep(min(wait, LONGEST_WAIT_S) * random.uniform(0.75, 1.25))

    def games(self):
        return self.ask("GET", "/v1/operator/games")[0]

    def put_game(self, game_id, title, sources, **more):
        """Registers a game, or changes it: it takes effect without a restart."""
        body = {"title": title, "sources": sources, **more}
        return self.ask("PUT", f"/v1/operator/games/{game_id}", body)[0]

    def delete_game(self, game_id):
        self.ask("DELETE", f"/v1/operator/games/{game_id}")

    def create_session(self, games, **more):
        return self.ask("POST", "/v1/sessions", {"games": games, **more}, Idempotency_Key=str(uuid.uuid4()))

    def change_session(self, session_id, etag, **change):
        return self.ask("PATCH", f"/v1/sessions/{session_id}", change, If_Match=etag)

    def end_session(self, session_id):
        self.ask("DELETE", f"/v1/sessions/{session_id}")

    def sessions(self, **query):
        """All of them, page by page."""
        return self.pages("/v1/operator/sessions", "sessions", query)

    def usage(self, **query):
        return self.ask("GET", "/v1/operator/usage", query=query)[0]

    def records(self, **query):
        """The ledger's lines behind the reports."""
        return self.pages("/v1/operator/usage/records", "records", query)

    def pages(self, path, member, query):
        cursor = None
        while True:
            page, _ = self.ask("GET", path, query={**query, "limit": 1000, **({"cursor": cursor} if cursor else {})})
            yield from page[member]
            cursor = page["next_cursor"]
            if cursor is None:
                return


def refusal(error):
    text = error.read()
    try:
        problem = json.loads(text)
    except ValueError:
        # Not ours: a proxy in between.
        problem = {"detail": text.decode(errors="replace")[:200]}
    return Refused(error.code, problem, error.headers.get("X-Request-Id"))


def main(origin, key):
    service = Quadrille(origin, key)
    service.put_game("example-game", "An example", ["test://pinwheel?size=320x180"], labels={"league": "none"})
    try:
        session_id = a_session(service)
    finally:
        # Whatever came in between, a service without room, say: nothing of it is left behind.
        service.delete_game("example-game")

    report = service.usage(group_by="label:campaign")
    print("billable seconds of the last thirty days:", report["total_billable_seconds"])
    for row in report["rows"]:
        print("  ", row["label"] or "(no campaign)", row["billable_seconds"], "s", row.get("cost", "-"), row.get("currency", ""))
    seconds = sum(record["billable_seconds"] for record in service.records(session_id=session_id))
    print("of this session so far:", seconds, "s")


def a_session(service):
    """A session of the example and another game: made, changed, ended, whatever happens in it."""
    # Games of the configuration and those of this program stand side by side.
    others = [game["id"] for game in service.games() if game["id"] != "example-game"]
    print("games:", ", ".join(["example-game", *others]))

    wanted = ["example-game", *others][:2]
    session, etag = service.create_session(wanted, device_id="backend", labels={"campaign": "example"})
    try:
        print("session", session["id"], "plays at", session["playback_url"])
        # A player takes it from here; this fetches a playlist as one would, which is what starts the meter.
        follow(session["playback_url"])

        swapped, etag = service.change_session(session["id"], etag, games=wanted[::-1])
        print("the games change places with segment", swapped["effective_segment"])
        try:
            service.change_session(session["id"], etag, layout="no-such-layout")
        except Refused as refused:
            print("refused:", refused.code, "- these would do:", ", ".join(refused.problem["allowed"]))

        active = [one["id"] for one in service.sessions(state="active")]
        assert session["id"] in active, active
    finally:
        service.end_session(session["id"])
    return session["id"]


def follow(playback_url):
    """The first media playlist that the multivariant playlist names, read once."""
    with urllib.request.urlopen(playback_url, timeout=ANSWER_WITHIN_S) as answer:
        lines = answer.read().decode().splitlines()
    video = next(line for line in lines if line and not line.startswith("#"))
    with urllib.request.urlopen(urllib.parse.urljoin(playback_url, video), timeout=ANSWER_WITHIN_S) as answer:
        return answer.read().decode()


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
