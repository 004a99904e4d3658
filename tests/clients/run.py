#!/usr/bin/env python3
"""Makes clients of what the service says of itself, and uses them: `run.py [--contract | --fuzz [--examples N]]`.

Other people's tools check the OpenAPI document and generate clients of it; each client, and each program of `examples/`, then lives a whole session against
the real service. Then schemathesis tries each parameter and member as the document allows it, and as it does not; with `--fuzz` also many of them by chance, and one after the other.
"""

import argparse
import hashlib
import hmac
import http.client
import json
import os
import pathlib
import queue
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
WORK = TARGET / "clients"
VENV = WORK / "venv"
GENERATED = HERE / "generated"
# What the pages' own types are made of.
PAGES_TYPES = ROOT / "web/src/contract.d.ts"

OPERATOR = "clients-operator"
DEVICE = "clients-device"
SECRET = "clients-secret"
# Machines that build meanwhile are slow.
PATIENCE_S = 240

CONFIG = """
listen = "127.0.0.1:0"
data_dir = {data_dir}
# The box's page is of no origin.
cors_origins = ["null"]
compositor = "cpu"
[[tenants]]
id = "clients"
operator_keys = ["clients-operator"]
device_keys = ["clients-device"]
[[tenants.thresholds]]
minutes = 1
webhook = "http://127.0.0.1:{webhook}/"
secret = "clients-secret"
# What is told is told on this machine.
[tenants.sources]
networks = ["127.0.0.0/8"]
[[tenants]]
id = "other"
operator_keys = ["other-operator"]
[[games]]
id = "hawks"
title = "Hawks at home"
sources = ["test://ball?size=160x90"]
[[games]]
id = "otters"
title = "Otters at home"
sources = ["test://smpte?size=160x90"]
[[games]]
id = "comets"
title = "Comets at home"
sources = ["test://pinwheel?size=160x90"]
# As little work as can be: what is tried here are not pictures.
[output]
fps = "25"
segment_frames = 25
window_s = 10
preset = "ultrafast"
[[output.renditions]]
name = "small"
width = 160
height = 90
bitrate = 100_000
[stitch]
tile_preset = "ultrafast"
[admission]
headroom_percent = 100
[[tariffs]]
tenant = "clients"
currency = "EUR"
[[tariffs.prices]]
per_minute = "0.004"
"""


def say(what):
    print(f"\n== {what}", flush=True)


def run(command, **more):
    """A program that must succeed."""
    subprocess.run([str(word) for word in command], check=True, **more)


def prepare():
    """Other people's programs, as pinned. Nothing is fetched where they are there already."""
    wanted = (HERE / "requirements.txt").read_bytes() + sys.version.encode()
    mark = VENV / "made-of"
    digest = hashlib.sha256(wanted).hexdigest()
    if not mark.exists() or mark.read_text() != digest:
        say("Installing generators (once)")
        shutil.rmtree(VENV, ignore_errors=True)
        run([sys.executable, "-m", "venv", VENV])
        run([VENV / "bin/pip", "install", "--quiet", "--disable-pip-version-check", "--requirement", HERE / "requirements.txt"])
        mark.write_text(digest)
    lock = (HERE / "package-lock.json").read_text()
    mark = HERE / "node_modules/.made-of"
    if not mark.exists() or mark.read_text() != lock:
        run(["npm", "--prefix", HERE, "ci", "--no-audit", "--no-fund", "--loglevel=error"])
        mark.write_text(lock)


class Program:
    """A program that runs until it is told to end; its lines are kept."""

    def __init__(self, command, stream):
        pipes = {"stdout": subprocess.PIPE} if stream == "stdout" else {"stderr": subprocess.PIPE}
        self.process = subprocess.Popen([str(word) for word in command], text=True, **pipes)
        self.lines = []
        self.new = queue.Queue()
        self.source = getattr(self.process, stream)
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.source:
            self.lines.append(line.rstrip("\n"))
            self.new.put(line.rstrip("\n"))

    def until(self, what, found):
        """What `found` makes of a line that has not been looked at yet."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                answer = found(self.new.get(timeout=max(0.01, deadline - time.monotonic())))
            except queue.Empty:
                raise SystemExit(f"{what} did not come within {PATIENCE_S} s:\n" + "\n".join(self.lines[-20:])) from None
            if answer is not None:
                return answer

    def end(self):
        self.process.terminate()
        return self.process.wait(PATIENCE_S)


def serving(line):
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event.get("address") if event.get("message") == "serving" else None


def get(url):
    with urllib.request.urlopen(url, timeout=30) as answer:
        return answer.read()


def until_live(origin):
    """Until the games have pictures: mosaics of slates would do, but are not what viewers see."""
    deadline = time.monotonic() + PATIENCE_S
    while b'quadrille_feeds{status="live"} 3' not in get(f"{origin}/metrics"):
        if time.monotonic() > deadline:
            raise SystemExit("the games have no pictures")
        time.sleep(0.2)


def begin(origin):
    """A viewer's session, as soon as there is room: a machine that builds meanwhile has none at first."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        request = urllib.request.Request(f"{origin}/v1/sessions", data=json.dumps({"games": ["hawks"]}).encode(), method="POST")
        request.add_header("Authorization", f"Bearer {DEVICE}")
        request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code != 503 or time.monotonic() > deadline:
                raise SystemExit(error.read().decode()) from None
            time.sleep(float(error.headers.get("Retry-After") or 1))


def video_of(session):
    """The address of a playlist of its pictures."""
    url = session["playback_url"]
    video = next(line for line in get(url).decode().splitlines() if line and not line.startswith("#"))
    return urllib.parse.urljoin(url, video)


def watch(url, over):
    """Goes on beside everything else, so that a minute is billed and the webhook hears of it."""
    while not over.wait(0.8):
        get(url)


def check_document():
    say("The document: openapi-spec-validator")
    run([VENV / "bin/openapi-spec-validator", WORK / "openapi.json"])


def use_python(origin):
    say("Python: openapi-python-client")
    out = WORK / "python"
    shutil.rmtree(out, ignore_errors=True)
    command = [VENV / "bin/openapi-python-client", "generate", "--path", WORK / "openapi.json", "--output-path", out, "--meta", "none"]
    # Whatever it leaves out, it warns of.
    run([*command, "--fail-on-warning", "--config", HERE / "python-client.yaml"], env={**os.environ, "PATH": f"{VENV / 'bin'}:{os.environ['PATH']}"})
    package = WORK / "quadrille_client"
    shutil.rmtree(package, ignore_errors=True)
    out.rename(package)
    run([VENV / "bin/python", HERE / "life.py", origin, OPERATOR], env={**os.environ, "PYTHONPATH": str(WORK)})


def make_types():
    GENERATED.mkdir(exist_ok=True)
    out = GENERATED / "contract.d.ts"
    run([HERE / "node_modules/.bin/openapi-typescript", WORK / "openapi.json", "--output", out], stdout=subprocess.DEVNULL)
    return out.read_text()


def without_comments(types):
    return re.sub(r"\n\s*/\*\*.*?\*/", "", types, flags=re.DOTALL)


def use_typescript(origin):
    say("TypeScript: openapi-typescript and openapi-fetch")
    if without_comments(make_types()) != without_comments(PAGES_TYPES.read_text()):
        raise SystemExit(f"{PAGES_TYPES.relative_to(ROOT)} is old, so that the pages' types are: `make contract` makes it anew")
    run([HERE / "node_modules/.bin/tsc", "--project", HERE])
    run(["node", GENERATED / "js/life.js", origin, OPERATOR])


def use_examples(origin):
    say("Examples: curl, a set-top box, Python")
    examples = ROOT / "examples"
    walk = subprocess.run([examples / "walk-through.sh", origin, DEVICE, OPERATOR], check=True, capture_output=True, text=True).stdout
    for sign in ["plays at http", "segments listed: ", "shows from segment", '"code":"layout_unknown"', "#EXT-X-ENDLIST", "session_id,"]:
        assert sign in walk, f"{sign!r} is not in\n{walk}"
    run(["node", HERE / "box.mjs", origin, DEVICE])
    day = subprocess.run([sys.executable, examples / "integration.py", origin, OPERATOR], check=True, capture_output=True, text=True).stdout
    for sign in ["plays at http", "change places with segment", "refused: layout_unknown", "2EH", "billable seconds"]:
        assert sign in day, f"{sign!r} is not in\n{day}"


def operate(origin, method, path, body=None):
    """What an operator's route answers."""
    request = urllib.request.Request(f"{origin}{path}", data=json.dumps(body).encode() if body else None, method=method)
    request.add_header("Authorization", f"Bearer {OPERATOR}")
    request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read() or "null")


def make_webhook(origin, port, secrets):
    """A webhook that the example receives, its secret where it looks for it."""
    made = operate(origin, "POST", "/v1/operator/webhooks", {"url": f"http://127.0.0.1:{port}/", "events": ["session.started", "usage.threshold"]})
    path = f"/v1/operator/webhooks/{made['id']}"
    refused = operate(origin, "POST", f"{path}/test")
    assert (refused["delivered"], refused["status"]) == (False, 401), f"it does not know the secret yet: {refused}"
    secrets.write_text(made["secret"] + "\n")
    # With a new secret the former one is good for a day.
    for _ in range(2):
        tried = operate(origin, "POST", f"{path}/test")
        assert (tried["delivered"], tried["status"]) == (True, 204), tried
        rotated = operate(origin, "POST", f"{path}/rotate")
    secrets.write_text(rotated["secret"] + "\n")
    return path


def use_webhook(origin, webhook, port, path):
    say("Examples: the webhook")
    awaited = ["session.started msg_", "usage.threshold msg_", "com.quadrille.threshold-passed clients/"]

    def come(line):
        awaited[:] = [start for start in awaited if not line.startswith(start)]
        return None if awaited else True

    webhook.until("a session's event, and the threshold's in both ways", come)
    webhook.until("that it is new", lambda line: True if line == "1 told, 1 new" else None)
    told = operate(origin, "GET", path)
    assert (told["state"], told["last_error"]) == ("active", None) and told["last_delivered_at"], told
    entry = {"specversion": "1.0", "id": "e1", "source": "quadrille", "type": "com.quadrille.session-minute", "data": {}}
    batch = json.dumps([entry, {**entry, "id": "e2"}]).encode()

    def post(body, media_type, signature=None):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        signed = {"Quadrille-Signature": signature} if signature else {}
        connection.request("POST", "/", body, {"Content-Type": media_type, **signed})
        return connection.getresponse().status

    many, one = "application/cloudevents-batch+json", "application/cloudevents+json"
    now = int(time.time())

    def sign(at, secret):
        return f"t={at},v1=" + hmac.new(secret.encode(), f"{at}.".encode() + batch, hashlib.sha256).hexdigest()

    assert [post(batch, many), post(batch, many)] == [204, 204]
    webhook.until("a repeat that is dropped", lambda line: True if line == "2 told, 0 new" else None)
    forged = [None, sign(now, "guessed"), sign(now - 3600, SECRET), "t=,v1=", "nonsense"]
    assert [post(batch, one, signature) for signature in forged] == [401] * len(forged)
    assert post(b"[{}]", many) == 422 and post(b"{", many) == 422 and post(b"{}", "text/plain") == 415


def fuzz(origin, phases, examples):
    say(f"schemathesis: {phases}")
    session = begin(origin)
    there = {"QUADRILLE_SESSION": session["id"], "QUADRILLE_TOKEN": session["playback_url"].split("/")[-2]}
    command = [VENV / "bin/schemathesis", "--config-file", HERE / "schemathesis.toml", "run", f"{origin}/openapi.json"]
    # The same requests each time: what it finds is found again.
    asked = ["--phases", phases, "--seed", 1, "--max-examples", examples, "--header", f"Authorization: Bearer {OPERATOR}"]
    run([*command, *asked], cwd=WORK, env={**os.environ, **there})


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--contract", action="store_true", help="make the pages' types anew, and nothing else")
    options.add_argument("--fuzz", action="store_true", help="run schemathesis, and nothing else")
    options.add_argument("--examples", type=int, default=50, help="of each operation, for schemathesis")
    asked = options.parse_args()
    binary = pathlib.Path(os.environ.get("QUADRILLE_BIN", TARGET / "debug/quadrille"))
    WORK.mkdir(parents=True, exist_ok=True)
    prepare()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="quadrille-clients-") as folder:
        secrets = pathlib.Path(folder) / "webhook-secrets"
        secrets.touch()
        webhook = Program([sys.executable, ROOT / "examples/webhook.py", 0, f"{folder}/events.db", SECRET, secrets], "stdout")
        port = int(webhook.until("the webhook's port", lambda line: line.rsplit(" ", 1)[1] if line.startswith("listening") else None))
        config = pathlib.Path(folder) / "quadrille.toml"
        config.write_text(CONFIG.format(data_dir=json.dumps(f"{folder}/data"), webhook=port))
        service = Program([binary, "serve", "--config", config], "stderr")
        over = threading.Event()
        try:
            origin = f"http://{service.until('the service', serving)}"
            (WORK / "openapi.json").write_bytes(get(f"{origin}/openapi.json"))
            if asked.contract:
                PAGES_TYPES.write_text(make_types())
            elif asked.fuzz:
                fuzz(origin, "examples,coverage,fuzzing,stateful", asked.examples)
            else:
                check_document()
                until_live(origin)
                path = make_webhook(origin, port, secrets)
                viewer = threading.Thread(target=watch, args=(video_of(begin(origin)), over))
                viewer.start()
                use_python(origin)
                use_typescript(origin)
                use_examples(origin)
                use_webhook(origin, webhook, port, path)
                over.set()
                viewer.join()
                # Without chance, and bounded: each member of each body, each parameter, as it may be and as it may not.
                fuzz(origin, "examples,coverage", 1)
            broken = [line for line in service.lines if '"level":"ERROR"' in line or "panicked" in line]
            assert not broken, "\n".join(broken)
        finally:
            over.set()
            code = service.end()
            webhook.end()
        assert code == 0, f"the service ended with {code}"
    print(f"\nAll of it holds ({time.monotonic() - began:.0f} s).")


if __name__ == "__main__":
    main()
