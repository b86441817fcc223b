#!/usr/bin/env python3
"""Measure the identity client beside Microsoft's clients and a floor, in one run, and print a table.

    python3 benches/identity/run.py [--only WORKLOAD]

Builds the programs in Rust first. Needs nginx and openssl (Debian: apt-get install nginx-light openssl) and, for the
clients in Python and Node, what `cargo xtask third-party` installs. Everything listens on loopback.
"""

import argparse
import collections
import hashlib
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from driven import METADATA, Nginx, certificate

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
CLIENT_ID = "22222222-2222-2222-2222-222222222222"
# Tenants whose tokens are due at once, and whose requests are refused.
DUE, REFUSED = "dddddddd-0000-0000-0000-000000000001", "eeeeeeee-0000-0000-0000-000000000001"

Client = collections.namedtuple("Client", "name command rust")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    workloads = {
        "cached": cached,
        "cold": cold,
        "stampede": stampede,
        "refresh": refresh,
        "first": first,
        "fill": fill,
        "growth": growth,
    }
    arguments.add_argument("--only", choices=workloads)
    options = arguments.parse_args()
    missing = [name for name in ("nginx", "openssl", "cargo") if not shutil.which(name)]
    if missing:
        sys.exit(f"error: needs {', '.join(missing)}")
    build = ["cargo", "build", "--release", "--locked", "--target-dir", TARGET]
    subprocess.run(build, check=True, cwd=HERE)
    print(f"load before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n")
    with tempfile.TemporaryDirectory() as folder, Server(pathlib.Path(folder)) as server:
        for name, measure in workloads.items():
            if options.only in (None, name):
                measure(Bench(server, clients()))
    print(f"load after: {os.getloadavg()[0]:.1f}")


def clients() -> list:
    program = TARGET / "release/unattended-bench-identity"
    rust = ["floor", "unattended", "unattended-by-id", "azure_identity"]
    found = [Client(name, [program, name], True) for name in rust]
    python = TARGET / "third-party/venv/bin/python"
    if python.exists():
        found.append(Client("MSAL Python", [python, HERE / "clients.py", "msal"], False))
        found.append(Client("azure-identity Python", [python, HERE / "clients.py", "azure_identity"], False))
    if shutil.which("node") and (TARGET / "third-party/node/node_modules").exists():
        found.append(Client("MSAL Node", ["node", HERE / "clients.mjs", "msal"], False))
        found.append(Client("@azure/identity", ["node", HERE / "clients.mjs", "azure_identity"], False))
    return found


# ---------------------------------------------------------------------------------------------------- what is measured


def cached(bench: "Bench") -> None:
    """W1: tokens in memory."""
    table = Table("cached token, ns CPU a call", ["1 tenant", "1,000", "10,000", "10,000, 64 tasks: CPU", "wall"])
    for client in bench.clients:
        row = [bench.run(client, "cached", tenants=1)["cpu_ns"], bench.run(client, "cached", tenants=1_000)["cpu_ns"]]
        if client.rust:
            many = bench.run(client, "cached", tenants=10_000)
            row += [many["cpu_ns"], many["cpu_ns_64"], many["wall_ns_64"]]
        table.row(client, [f"{ns:,.0f}" for ns in row])


def cold(bench: "Bench") -> None:
    """W2: tokens from the server."""
    columns = ["secret, 1 in flight", "64", "certificate, 1", "64"]
    table = Table("cold token, us CPU (and x the floor)", columns)
    floor = None
    for client in bench.clients:
        row = []
        for certificate in (False, True):
            for in_flight in (1, 64):
                tenants = 1_501 if client.rust else 301
                runs = [
                    bench.run(client, "fill", tenants=tenants, certificate=certificate, in_flight=in_flight)["cpu_us"]
                    for _ in range(3)
                ]
                row.append(statistics.median(runs))
        floor = floor or row
        table.row(client, [f"{us:,.0f} ({us / least:.2f})" for us, least in zip(row, floor)])


def stampede(bench: "Bench") -> None:
    """W3: everybody wants the same token at once."""
    columns = ["callers", "requests", "connections", "ms until all have it", "requests if it is refused"]
    table = Table("stampede", columns)
    for client in bench.clients:
        bench.server.forget()
        result = bench.run(client, "stampede", tenants=2)
        requests, connections = bench.server.asked(bench.tenant(0))
        bench.server.forget()
        bench.run(client, "stampede", tenants=2, first=REFUSED)
        refused, _ = bench.server.asked(REFUSED)
        cells = [result.get("callers", 1_000), requests, connections, f"{result['ms']:.1f}", refused]
        table.row(client, cells)


def refresh(bench: "Bench") -> None:
    """A token that is renewed all the time, beside one that is not."""
    table = Table("a call while the token is renewed", ["p50 ns", "p99.9 ns", "p50 ns otherwise", "p99.9 ns", "renewals"])
    for client in bench.clients[1:2]:
        bench.server.forget()
        result = bench.run(client, "latency", tenants=2, first=DUE)
        renewals, _ = bench.server.asked(DUE)
        due, fresh = result["due"], result["fresh"]
        table.row(client, [due["p50_ns"], due["p999_ns"], fresh["p50_ns"], fresh["p999_ns"], renewals])


def first(bench: "Bench") -> None:
    """W6: a process that wants one token."""
    table = Table("first token of a process, best of 10 (of 3)", ["wall ms", "CPU ms", "resident MiB after it"])
    for client in bench.clients:
        runs = [bench.process(client, "first", tenants=1) for _ in range(10 if client.rust else 3)]
        best = min(runs, key=lambda run: run[0])
        cpu = min(run[1] for run in runs)
        resident = statistics.median(run[2]["resident_kb"] for run in runs) / 1024
        table.row(client, [f"{best[0] * 1e3:.1f}", f"{cpu * 1e3:.1f}", f"{resident:.1f}"])


def fill(bench: "Bench") -> None:
    """10,000 tenants from cold, 64 in flight."""
    table = Table("10,000 tenants from cold", ["s CPU", "resident MiB", "bytes a tenant beyond the token"])
    for client in bench.clients:
        if client.rust:
            result = bench.run(client, "fill", tenants=10_001, in_flight=64)
            beyond = result["grown_kb"] * 1024 / 10_000 - len(bench.server.token)
            table.row(client, [f"{result['cpu_s']:.2f}", f"{result['resident_kb'] / 1024:.1f}", f"{beyond:,.0f}"])


def growth(bench: "Bench") -> None:
    """Memory after 2,000,000 more calls."""
    table = Table("growth over 2,000,000 cached calls", ["kB"])
    for client in bench.clients[1:2]:
        table.row(client, [bench.run(client, "growth", tenants=2)["grown_kb"]])


# --------------------------------------------------------------------------------------------------- what measures it


class Bench:
    def __init__(self, server: "Server", clients: list):
        self.server, self.clients = server, clients
        self.environment = os.environ | {
            "SSL_CERT_FILE": str(server.folder / "server.pem"),
            "REQUESTS_CA_BUNDLE": str(server.folder / "server.pem"),
            "NODE_EXTRA_CA_CERTS": str(server.folder / "server.pem"),
            "NODE_PATH_OF_PACKAGES": str(TARGET / "third-party/node"),
        }

    @staticmethod
    def tenant(n: int) -> str:
        return f"00000000-0000-4000-8000-{n + 1:012x}"

    def run(self, client: Client, workload: str, **of) -> dict:
        return self.process(client, workload, **of)[2]

    def process(self, client, workload, tenants, first=None, certificate=False, in_flight=1) -> tuple:
        """Wall and CPU seconds of the process, and what it printed."""
        names = [self.tenant(n) for n in range(tenants)]
        names[0] = first or names[0]
        settings = self.server.settings | {"tenants": names, "certificate": certificate, "in_flight": in_flight}
        path = self.server.folder / "settings.json"
        path.write_text(json.dumps(settings))
        began = time.perf_counter()
        process = subprocess.Popen([*client.command, workload, path], stdout=subprocess.PIPE, env=self.environment)
        printed = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        if status:
            sys.exit(f"error: {client.name} failed at {workload}")
        return wall, used.ru_utime + used.ru_stime, json.loads(printed)


class Server(Nginx):
    """The token endpoint of any tenant, with canned answers."""

    def __init__(self, folder: pathlib.Path):
        self.token = "t" * 1_500
        answer = {"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": self.token}
        refusal = {"error": "invalid_client", "error_description": "AADSTS7000215: no", "error_codes": [7000215]}
        place, log = "oauth2/v2.0/token", f"access_log {folder}/asked.log asked;"
        routes = [
            (f"= /{DUE}/{place}", 200, answer | {"refresh_in": 1}),
            (f"= /{REFUSED}/{place}", 401, refusal),
            (f"~ ^/[^/]+/{place}$", 200, answer),
        ]
        token = [f"location {at} {{ {log} return {status} '{json.dumps(body)}'; }}" for at, status, body in routes]
        super().__init__(folder, "".join([*token, METADATA]), "log_format asked '$uri $connection';")
        certificate(folder / "client", "client", key=["rsa:2048"])
        pem = (folder / "client-key.pem").read_text() + (folder / "client.pem").read_text()
        (folder / "both.pem").write_text(pem)
        self.openssl("pkcs12", "-export", "-in", folder / "both.pem", "-out", folder / "both.p12", "-passout", "pass:")
        der = self.openssl("x509", "-in", folder / "client.pem", "-outform", "DER")
        self.settings = {
            "authority": self.origin,
            "ca_file": str(self.ca_file),
            "client_id": CLIENT_ID,
            "secret": "a-secret-of-the-usual-length-0123456789",
            "pem": str(folder / "both.pem"),
            "key": str(folder / "client-key.pem"),
            "pkcs12": str(folder / "both.p12"),
            "sha1": hashlib.sha1(der).hexdigest(),
            "sha256": hashlib.sha256(der).hexdigest(),
            "scope": "https://graph.microsoft.com/.default",
        }

    @staticmethod
    def openssl(*arguments) -> bytes:
        return subprocess.run(["openssl", *arguments], check=True, capture_output=True).stdout

    def forget(self) -> None:
        os.truncate(self.folder / "asked.log", 0)

    def asked(self, tenant: str) -> tuple:
        """How many token requests there were for a tenant, and over how many connections."""
        lines = [line.split() for line in (self.folder / "asked.log").read_text().splitlines()]
        asked = [connection for uri, connection in lines if tenant in uri]
        return len(asked), len(set(asked))


class Table:
    def __init__(self, title: str, columns: list):
        self.columns = columns
        print(f"| {title} | {' | '.join(columns)} |\n|---|{'---|' * len(columns)}", flush=True)

    def row(self, client: Client, cells: list) -> None:
        cells = [*map(str, cells), *[""] * (len(self.columns) - len(cells))]
        print(f"| {client.name} | {' | '.join(cells)} |", flush=True)

    def __del__(self):
        print()


main()
