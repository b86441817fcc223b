#!/usr/bin/env python3
"""Measure a sandbox with 10,000 applications and 1,000 tenants, kill it, and print a table.

    cargo build --release -p unattended && python3 benches/many.py

Takes a minute. Everything listens on loopback.
"""

import argparse
import json
import os
import pathlib
import tempfile
import time
import urllib.parse
import urllib.request

from driven import ROOT, Sandbox, Table

APPLICATIONS, TENANTS = 10_000, 1_000


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    arguments.add_argument("--program", type=pathlib.Path, default=target / "release/unattended")
    program = arguments.parse_args().program.resolve()
    table = Table()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        with Sandbox(program, folder / "many", 0) as sandbox:
            tenants(sandbox, table, applications(sandbox, table))
            sandbox.process.kill()
        (folder / "many/ready.json").unlink(missing_ok=True)
        with Sandbox(program, folder / "many", 0) as sandbox:
            table.note("start to ready, after it was killed", f"{sandbox.took:.2f} s")


def applications(sandbox: Sandbox, table: Table) -> str:
    """Registers them, and asks for the last; a token of the administrator."""
    ready, headers = sandbox.ready, {"Content-Type": "application/json"}
    bearer = token(sandbox, ready["tenant_id"], ready["administrator"])
    graph, started = ready["graph"], time.perf_counter()

    def batch(url: str, bodies: list) -> list:
        requests = [
            {"id": str(place), "method": "POST", "url": url, "headers": headers, "body": body}
            for place, body in enumerate(bodies)
        ]
        answers = json.loads(post(sandbox, f"{graph}/$batch", bearer, {"requests": requests}))["responses"]
        assert all(answer["status"] == 201 for answer in answers), answers
        return [answer["body"] for answer in answers]

    for first in range(0, APPLICATIONS, 20):
        made = batch("/applications", [{"displayName": f"app {first + place}"} for place in range(20)])
        batch("/servicePrincipals", [{"appId": application["appId"]} for application in made])
    took, last = time.perf_counter() - started, made[-1]
    table.note(f"{APPLICATIONS:,} applications with service principals, in batches", f"{took:.0f} s")
    url, started = f"{graph}/applications?$top=999&$select=id", time.perf_counter()
    while url:
        url = json.loads(sandbox.get(url, bearer)).get("@odata.nextLink")
    table.note("all of them in pages of 999", f"{time.perf_counter() - started:.2f} s")
    password = post(sandbox, f"{graph}/applications/{last['id']}/addPassword", bearer, {"passwordCredential": {}})
    started = time.perf_counter()
    token(sandbox, ready["tenant_id"], {"client_id": last["appId"], "secret": json.loads(password)["secretText"]})
    table.note("token of the last", f"{(time.perf_counter() - started) * 1e3:.0f} ms")
    table.row("resident", f"{sandbox.resident():.0f} MiB", 60, sandbox.resident())
    return bearer


def tenants(sandbox: Sandbox, table: Table, bearer: str) -> None:
    """Adds them, and has each administrator read its own applications."""
    authority = sandbox.ready["authority"]
    control = pathlib.Path(sandbox.ready["ca_file"]).with_name("control.token").read_text().strip()
    times = []
    for number in range(TENANTS):
        started = time.perf_counter()
        post(sandbox, f"{authority}/sandbox/tenants", control, {"name": f"t{number}"})
        times.append(time.perf_counter() - started)
    table.note(f"{TENANTS:,} tenants", f"{sum(times):.0f} s, at most {max(times) * 1e3:.0f} ms for one")
    table.row("resident", f"{sandbox.resident():.0f} MiB", 60, sandbox.resident())
    started = time.perf_counter()
    found = json.loads(sandbox.get(f"{authority}/sandbox/tenants", control))["tenants"]
    for tenant in found:
        own = token(sandbox, tenant["tenant_id"], tenant["administrator"])
        assert json.loads(sandbox.get(f"{sandbox.ready['graph']}/applications", own))["value"]
    each = (time.perf_counter() - started) / len(found)
    table.note("a token and a list in each of them", f"{each * 1e3:.0f} ms")
    table.row("resident after that", f"{sandbox.resident():.0f} MiB", 300, sandbox.resident())


def token(sandbox: Sandbox, tenant: str, client: dict) -> str:
    secret = client.get("secret") or pathlib.Path(client["secret_file"]).read_text().strip()
    fields = {"grant_type": "client_credentials", "client_id": client["client_id"], "client_secret": secret}
    fields["scope"] = f"{sandbox.ready['graph_resource']}/.default"
    url = f"{sandbox.ready['authority']}/{tenant}/oauth2/v2.0/token"
    with sandbox.opener.open(url, urllib.parse.urlencode(fields).encode()) as answer:
        return json.loads(answer.read())["access_token"]


def post(sandbox: Sandbox, url: str, bearer: str, body: dict) -> bytes:
    headers = {"Authorization": f"Bearer {bearer}", "Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers, method="POST")
    with sandbox.opener.open(request) as answer:
        return answer.read()


main()
