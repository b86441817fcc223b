#!/usr/bin/env python3
"""Measure the sandbox against what cannot be cheaper, in one run, and print a table.

    cargo build --release -p unattended && python3 benches/run.py [--million]

Needs openssl, wrk and nginx (Debian: apt-get install openssl wrk nginx-light). Everything listens on loopback. With
--million a tenant of a million users is made, which takes some minutes and 2 GiB below TMPDIR.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse

from driven import ROOT, Nginx, Sandbox, Table, cpu

SECONDS = 6


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    arguments.add_argument("--program", type=pathlib.Path, default=target / "release/unattended")
    arguments.add_argument("--million", action="store_true", help="measure a tenant of a million users, too")
    options = arguments.parse_args()
    missing = [name for name in ("openssl", "wrk", "nginx") if not shutil.which(name)]
    if missing or not options.program.exists():
        sys.exit(f"error: needs {', '.join(missing) or 'a release build: cargo build --release -p unattended'}")

    table = Table()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        starts(options.program, folder, table)
        with Sandbox(options.program, folder / "thousand", 1_000) as sandbox:
            table.row("resident, 1,000 users, idle", f"{sandbox.resident():.0f} MiB", 60, sandbox.resident())
            tokens(sandbox, folder, table)
            pages(sandbox, folder, table)
            table.row("resident, 1,000 users, after the load", f"{sandbox.resident():.0f} MiB", 60, sandbox.resident())
        if options.million:
            million(options.program, folder, table)


# ---------------------------------------------------------------------------------------------------- what is measured


def starts(program: pathlib.Path, folder: pathlib.Path, table: "Table") -> None:
    """From the start of the process to accepted connections, with a tenant that is there already."""
    with Sandbox(program, folder / "start", 1_000) as sandbox:
        table.note("first start, which makes 1,000 users", f"{sandbox.took:.2f} s")
    times = []
    for _ in range(5):
        with Sandbox(program, folder / "start", 1_000) as sandbox:
            times.append(sandbox.took)
    took = statistics.median(times)
    table.row("start to ready, 1,000 users, median of 5", f"{took:.3f} s", 0.3, took)


def tokens(sandbox: "Sandbox", folder: pathlib.Path, table: "Table") -> None:
    url = f"{sandbox.ready['authority']}/{sandbox.ready['tenant_id']}/oauth2/v2.0/token"
    for credential, of in (("secret", "x the signature"), ("certificate", "x a signature and a verification")):
        place = sandbox.register(folder / credential, credential)
        body = place.token_request(url, sandbox.ready["graph_resource"])
        script = folder / "token.lua"
        script.write_text(
            'wrk.method = "POST"\n'
            'wrk.headers["Content-Type"] = "application/x-www-form-urlencoded"\n'
            f"wrk.body = {json.dumps(body)}\n"
        )
        for connections in (1, 64):
            # In turn, so that whatever else the machine does meets both.
            rounds = []
            for _ in range(3):
                floor = signature() + (verification() if credential == "certificate" else 0)
                rounds.append((floor, Load(url, connections, sandbox.processes(), ["-s", str(script)])))
            floor, load = sorted(rounds, key=lambda round: round[1].cpu_each / round[0])[1]
            measured = f"{load.cpu_each * 1e6:.0f} of {floor * 1e6:.0f} us CPU, {load.rate:.0f}/s, {load.busy:.2f} cores"
            table.row(f"token, {credential}, {connections} at once", measured, 1.3, load.cpu_each / floor, of)


def pages(sandbox: "Sandbox", folder: pathlib.Path, table: "Table") -> None:
    token = sandbox.register(folder / "reader", "secret").token()
    for name, options in (
        ("page of 100 users", "$top=100"),
        ("page of 100 users, three properties", "$top=100&$select=id,displayName,userPrincipalName"),
    ):
        url = f"{sandbox.ready['graph']}/users?{options}"
        page = sandbox.get(url, token)
        assert len(json.loads(page)["value"]) == 100
        place = folder / f"nginx-{len(page)}"
        with Nginx(place, f"root {place};", workers=1) as nginx:
            (place / "page.json").write_bytes(page)
            # The same request, whose token has to be decrypted and read by either of them.
            files = Load(f"{nginx.origin}/page.json", 16, nginx.processes(), bearer(token))
        table.note(
            f"nginx, the same {len(page):,} bytes over TLS", f"{files.cpu_each * 1e6:.0f} us CPU, {files.rate:.0f}/s"
        )
        # A page is remembered under the query as it was written: one more option in it, and it was never asked for.
        script = folder / "page.lua"
        script.write_text(
            f"local path, count = {json.dumps(urllib.parse.urlsplit(url)._replace(scheme='', netloc='').geturl())}, 0\n"
            'function request() count = count + 1; return wrk.format("GET", path .. "&n=" .. count) end\n'
        )
        for kind, more in (("", []), (", each for the first time", ["-s", str(script)])):
            ours = Load(url, 16, sandbox.processes(), [*bearer(token), *more])
            measured = f"{ours.cpu_each * 1e6:.0f} us CPU, {ours.rate:.0f}/s"
            table.row(name + kind, measured, 3, ours.cpu_each / files.cpu_each, "x nginx")


def million(program: pathlib.Path, folder: pathlib.Path, table: "Table") -> None:
    data = folder / "million"
    with Sandbox(program, data, 1_000_000) as sandbox:
        spent = cpu(sandbox.processes())
        table.note("first start, which makes 1,000,000 users", f"{sandbox.took:.0f} s, {spent:.0f} s CPU")
        table.note("resident after that", f"{sandbox.resident():.0f} MiB")
    size = sum(file.stat().st_size for file in data.rglob("*") if file.is_file()) / 2**30
    table.row("on disk, 1,000,000 users", f"{size:.2f} GiB", 1.2, size)
    with Sandbox(program, data, 1_000_000) as sandbox:
        table.note("start to ready, 1,000,000 users", f"{sandbox.took:.2f} s")
        token = sandbox.register(folder / "million-reader", "secret").token()
        graph = sandbox.ready["graph"]
        url = f"{graph}/users?$top=999&$select=id,userPrincipalName"
        pages, users, started = [], [], time.perf_counter()
        while url:
            pages.append(url)
            page = json.loads(sandbox.get(url, token))
            users = [*users[:1], page["value"][0], page["value"][-1]]
            url = page.get("@odata.nextLink")
        first, last = users[0], users[-1]
        wall = time.perf_counter() - started
        table.note(f"all {len(pages):,} pages of 999, one after the other", f"{wall:.0f} s")

        def compare(name: str, ends: list) -> None:
            costs = [Load(url, 4, sandbox.processes(), bearer(token)).cpu_each for url in ends]
            table.row(name, f"{costs[1] * 1e6:.0f} us CPU", 1.5, costs[1] / costs[0], "x the first")

        key = lambda user: urllib.parse.quote(f"userPrincipalName eq '{user['userPrincipalName']}'")
        # The very last page is short.
        compare("page of 999, the last", [pages[0], pages[-2]])
        compare("user by id, the last", [f"{graph}/users/{user['id']}" for user in (first, last)])
        compare("user by key, the last", [f"{graph}/users?$filter={key(user)}" for user in (first, last)])
        table.row("resident, 1,000,000 users", f"{sandbox.resident():.0f} MiB", 300, sandbox.resident())


def bearer(token: str) -> list:
    """What wrk takes to send a token."""
    return ["-H", f"Authorization: Bearer {token}"]


def signature() -> float:
    """Seconds of CPU for one with the key of the tenant."""
    return openssl("rsa2048")[0]


def verification() -> float:
    """The same for one with the public key in a certificate of `unattended register`."""
    return openssl("rsa3072")[1]


def openssl(algorithm: str) -> list:
    """Seconds of CPU for one signature and one verification."""
    command = ["openssl", "speed", "-seconds", "1", algorithm]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [float(each) for each in re.search(r"bits ([0-9.]+)s ([0-9.]+)s", output).groups()]


# ---------------------------------------------------------------------------------------------------- what is driven


class Load:
    """What one run of wrk cost the server: CPU seconds for each request, requests a second, cores kept busy."""

    def __init__(self, url: str, connections: int, processes: list, options: list):
        wrk = ["wrk", "-t1", f"-c{connections}", *options]
        run = lambda seconds: subprocess.run(
            [*wrk, f"-d{seconds}s", url], check=True, capture_output=True, text=True
        ).stdout
        run(1)
        before, started = cpu(processes), time.perf_counter()
        output = run(SECONDS)
        spent, wall = cpu(processes) - before, time.perf_counter() - started
        if "Non-2xx" in output:
            sys.exit(f"error: refused under load\n{output}")
        requests = int(re.search(r"(\d+) requests in", output).group(1))
        self.cpu_each, self.rate, self.busy = spent / requests, requests / wall, spent / wall


main()
