#!/usr/bin/env python3
"""Receives what the service tells: webhooks, as Standard Webhooks has them, and CloudEvents of thresholds, both signed, and of the ledger's lines, in batches.

    webhook.py PORT DATABASE [SECRET] [WHSEC_FILE]

SECRET is a threshold's, from the configuration. WHSEC_FILE holds the secret that a webhook was made with, `whsec_…`, a line for each; it is read anew for each message, so
that one can be added while the service rotates to it.

Answers 204 when all of a request is kept, and only then: what is not answered so comes again, with the same id. So each event is kept once, by `source` and
`id`, in one transaction. The standard library alone. Behind TLS in earnest: a proxy does that.
"""

import base64
import binascii
import hashlib
import hmac
import http.server
import json
import sqlite3
import sys
import time

# A signature older than this was recorded by somebody.
OLDEST_S = 300
MOST_BYTES = 16 * 1024 * 1024

# What a webhook is told; where it comes from stands in its address.
WEBHOOK = "application/json"
ONE = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"


def is_signed(header, body, secret, now):
    """Whether `header`, as in `t=1795363200,v1=68c5…`, is of `body`, with `secret`, and fresh."""
    parts = dict(part.split("=", 1) for part in header.split(",") if "=" in part)
    signed_at = parts.get("t", "")
    if not (signed_at.isascii() and signed_at.isdigit()) or abs(now - int(signed_at)) > OLDEST_S:
        return False
    expected = hmac.new(secret.encode(), signed_at.encode() + b"." + body, hashlib.sha256).hexdigest()
    # In the same time however much of it is right.
    return hmac.compare_digest(expected.encode(), parts.get("v1", "").encode())


def is_webhook_signed(headers, body, secrets, now):
    """Whether one of `webhook-signature` is of `body`, with one of `secrets`, and fresh. There are two while a secret is rotated."""
    message_id, signed_at = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not (signed_at.isascii() and signed_at.isdigit()) or abs(now - int(signed_at)) > OLDEST_S:
        return False
    signed = f"{message_id}.{signed_at}.".encode() + body
    found = False
    for secret in secrets:
        try:
            key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
        except binascii.Error:
            continue
        expected = b"v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest())
        for given in headers.get("webhook-signature", "").split(" "):
            found |= hmac.compare_digest(expected, given.encode())
    return found


class Kept:
    """The events, each once."""

    def __init__(self, path):
        self.database = sqlite3.connect(path)
        self.database.execute(
            "CREATE TABLE IF NOT EXISTS events (source TEXT, id TEXT, type TEXT, subject TEXT, time TEXT, data TEXT, PRIMARY KEY (source, id))"
        )

    def keep(self, events):
        """How many of them are new. All or none are kept."""
        rows = [(e["source"], e["id"], e["type"], e.get("subject"), e.get("time"), json.dumps(e.get("data"))) for e in events]
        with self.database:
            before = self.database.total_changes
            self.database.executemany("INSERT OR IGNORE INTO events VALUES (?, ?, ?, ?, ?, ?)", rows)
            return self.database.total_changes - before


class Receiver(http.server.BaseHTTPRequestHandler):
    kept = None
    secret = None
    secrets_file = None

    def do_POST(self):
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > MOST_BYTES:
            return self.answer(413)
        body = self.rfile.read(int(length))
        media_type = self.headers.get("Content-Type", "").split(";")[0].strip().lower()
        if media_type not in (WEBHOOK, ONE, BATCH):
            return self.answer(415)
        if media_type == WEBHOOK and not is_webhook_signed(self.headers, body, self.secrets(), time.time()):
            return self.answer(401)
        # Thresholds are signed. The ledger's export has a header of your own instead, if you configure one.
        if self.secret and media_type == ONE:
            if not is_signed(self.headers.get("Quadrille-Signature", ""), body, self.secret, time.time()):
                return self.answer(401)
        try:
            told = json.loads(body)
            if media_type == WEBHOOK:
                # Kept beside the others: its id stands in a header, which is signed.
                told = {"source": "webhook", "id": self.headers["webhook-id"], "type": told["type"], "time": told["timestamp"], "data": told["data"]}
            events = told if media_type == BATCH else [told]
            new = self.kept.keep(events)
        except (ValueError, KeyError, TypeError):
            # The service halves a batch that is answered so, down to the event that is meant.
            return self.answer(422)
        except sqlite3.Error:
            return self.answer(503)
        for event in events:
            print(event["type"], event["id"], event.get("subject"), flush=True)
        print(f"{len(events)} told, {new} new", flush=True)
        return self.answer(204)

    def secrets(self):
        """Those of webhooks. Without a file nothing is signed by anybody that is known here."""
        if not self.secrets_file:
            return []
        with open(self.secrets_file, encoding="ascii") as lines:
            return [line.strip() for line in lines if line.strip()]

    def answer(self, status):
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def main(port, database, secret=None, secrets_file=None):
    Receiver.kept = Kept(database)
    Receiver.secret = secret
    Receiver.secrets_file = secrets_file
    # One request after the other: SQLite has one writer anyhow, and the service asks one at a time for each tenant.
    with http.server.HTTPServer(("127.0.0.1", int(port)), Receiver) as server:
        print("listening on port", server.server_address[1], flush=True)
        server.serve_forever()


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4, 5):
        sys.exit(__doc__)
    main(*sys.argv[1:])
