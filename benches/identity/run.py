#!/usr/bin/env python3
"""Measure the identity client beside Microsoft's clients and a floor, in one run, and print tables.

    python3 benches/identity/run.py [--only WORKLOAD]... [--without-peers] [--json FILE]

Builds the programs in Rust first. Needs nginx, openssl and valgrind (Debian: apt-get install nginx-light openssl valgrind)
and, for the clients in Python and Node, what `cargo xtask third-party` installs. Everything listens on loopback.
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

from bench import DUE, HERE, REFUSED, ROOT, TARGET, Bench, Server
from driven import configured
from targets import verdicts


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    workloads = [cached, cold, counted, stampede, refresh, first, fill, growth, daemon]
    arguments.add_argument("--only", choices=[each.__name__ for each in workloads], action="append", help="may be given often")
    arguments.add_argument("--without-peers", action="store_true", help="this crate and the floor alone")
    arguments.add_argument("--json", type=pathlib.Path, help="where everything is written that was measured")
    options = arguments.parse_args()
    missing = [name for name in ("nginx", "openssl", "valgrind", "cargo") if not shutil.which(name)]
    if missing:
        sys.exit(f"error: needs {', '.join(missing)}")
    chosen = [each for each in workloads if not options.only or each.__name__ in options.only]
    release = ["cargo", "build", "--release", "--locked", "--target-dir", TARGET]
    subprocess.run(release, check=True, cwd=HERE)
    if daemon in chosen:
        subprocess.run([*release, "--package", "unattended"], check=True, cwd=ROOT)
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder, Server(pathlib.Path(folder) / "server") as server:
        bench = Bench(server, not options.without_peers)
        for measure in chosen:
            measure(bench)
    told = verdicts(bench)
    print("| # | what | floor | this crate | target | |\n|---|---|---|---|---|---|")
    for verdict in told:
        cells = verdict._replace(met="met" if verdict.met else "**missed**")
        print("|", " | ".join(map(str, cells)), "|")
    loads = [round(load, 1), round(os.getloadavg()[0], 1)]
    print(f"\n{os.cpu_count()} cores, load {loads[0]} before and {loads[1]} after, {time.monotonic() - bench.began:.0f} s")
    if options.json:
        written = {"load": loads, "measured": bench.measured, "targets": [verdict._asdict() for verdict in told]}
        options.json.write_text(json.dumps(written, indent=2) + "\n")


def cached(bench: Bench) -> None:
    """W1: tokens in memory."""

    def measure(client) -> dict:
        one, many = bench.run(client, "cached", tenants=1), bench.run(client, "cached", tenants=1_000)
        figures = {"ns_1": one["cpu_ns"], "ns_1000": many["cpu_ns"]}
        if not client.is_slow:
            most = bench.run(client, "cached", tenants=10_000)
            figures |= {"ns_10000": most["cpu_ns"], "ns_64": most["cpu_ns_64"], "wall_64": most["wall_ns_64"]}
        return figures

    bench.keep("cached", {name: least(runs) for name, runs in bench.rounds(5, 2, measure).items()})
    columns = {"1 tenant": "ns_1", "1,000": "ns_1000", "10,000": "ns_10000", "64 tasks": "ns_64", "wall": "wall_64"}
    table(bench, "cached", "cached token, ns CPU of a call", columns)


def cold(bench: Bench) -> None:
    """W2: tokens from the server."""

    def measure(client) -> dict:
        figures = {}
        for credential, tenants in (("secret", 3_001), ("certificate", 501)):
            of = {"tenants": tenants // 5 if client.is_slow else tenants, "certificate": credential == "certificate"}
            for in_flight in (1, 64):
                run = bench.run(client, "fill", in_flight=in_flight, **of)
                figures[f"{credential}_{in_flight}"] = run["cpu_us"]
        return figures

    bench.keep("cold", {name: least(runs) for name, runs in bench.rounds(5, 1, measure).items()})
    columns = {"secret, 1 in flight": "secret_1", "64": "secret_64"}
    columns |= {"certificate, 1": "certificate_1", "64 of these": "certificate_64"}
    table(bench, "cold", "cold token, us CPU (and x the floor)", columns, with_ratio=True)


def counted(bench: Bench) -> None:
    """The same in instructions, by valgrind, which no noise reaches: 600 tokens less 300 of them.

    Not with a certificate: valgrind does not know what makes a signature fast, which then hides all else.
    """

    def measure(client) -> dict:
        if client.is_slow:
            return {}
        few, many = (bench.instructions(client, "fill", tenants=tenants) for tenants in (301, 601))
        return {"secret": (many - few) // 300}

    bench.keep("counted", {name: least(runs) for name, runs in bench.rounds(1, 1, measure).items()})
    table(bench, "counted", "instructions (and x the floor)", {"cold token, secret": "secret"}, with_ratio=True)


def stampede(bench: Bench) -> None:
    """W3: everybody wants the same token at once."""

    def measure(client) -> dict:
        bench.server.forget()
        result = bench.run(client, "stampede", tenants=2)
        requests, connections = bench.server.asked(bench.tenant(0))
        bench.server.forget()
        bench.run(client, "stampede", tenants=2, first=REFUSED)
        refused, _ = bench.server.asked(REFUSED)
        figures = {"callers": result.get("callers", 1_000), "requests": requests, "connections": connections}
        return figures | {"ms": result["ms"], "refused": refused}

    # The worst of what has to be exact, the best of what others may disturb.
    runs = bench.rounds(5, 1, measure)
    bench.keep("stampede", {name: most(all) | {"ms": least(all)["ms"]} for name, all in runs.items()})
    columns = {"callers": "callers", "requests": "requests", "connections": "connections"}
    columns |= {"ms until all have it": "ms", "requests if it is refused": "refused"}
    table(bench, "stampede", "stampede", columns)


def refresh(bench: Bench) -> None:
    """A token that is due all the time, and whose renewal takes a second, beside one that is not due."""

    def measure(client) -> dict:
        bench.server.forget()
        result = bench.run(client, "latency", tenants=2, first=DUE)
        figures = {name: result["due"][name] for name in ("p50_ns", "p999_ns", "longest_ms", "waited")}
        figures |= {"fresh_p50_ns": result["fresh"]["p50_ns"], "fresh_p999_ns": result["fresh"]["p999_ns"]}
        return figures | {"renewals": bench.server.asked(DUE)[0] - 1}

    # Of a quick client, the round that others disturbed least; that nobody waits has to hold in every one.
    runs = bench.rounds(2, 1, measure)
    best = {name: min(all, key=lambda run: run["p999_ns"]) for name, all in runs.items()}
    bench.keep("refresh", {name: best[name] | {"waited": most(all)["waited"]} for name, all in runs.items()})
    columns = {"renewals": "renewals", "calls that waited": "waited", "longest call, ms": "longest_ms", "p50 ns": "p50_ns"}
    columns |= {"p99.9 ns": "p999_ns", "not due: p50 ns": "fresh_p50_ns", "p99.9": "fresh_p999_ns"}
    table(bench, "refresh", "6 s of calls, the token due", columns)


def first(bench: Bench) -> None:
    """W6: a process that wants one token."""

    def measure(client) -> dict:
        wall, cpu, printed = bench.process(client, "first", tenants=1)
        return {"ms": wall * 1e3, "cpu_ms": cpu * 1e3, "resident_mib": printed["resident_kb"] / 1024}

    bench.keep("first", {name: least(runs) for name, runs in bench.rounds(20, 3, measure).items()})
    columns = {"wall ms": "ms", "CPU ms": "cpu_ms", "resident MiB after it": "resident_mib"}
    table(bench, "first", "first token of a process, best of 20 (of 3)", columns)


def fill(bench: Bench) -> None:
    """10,000 tenants from cold, 64 in flight; 1,000 of a slow client."""

    def measure(client) -> dict:
        tenants = 1_000 if client.is_slow else 10_000
        some = bench.run(client, "fill", tenants=tenants // 2 + 1, in_flight=64)
        all = bench.run(client, "fill", tenants=tenants + 1, in_flight=64)
        # With half of the tenants the connections are there, too, and all that they take: a second block of the channel
        # to each comes with its 33rd request.
        each = (all["grown_kb"] - some["grown_kb"]) * 1024 / (tenants - tenants // 2)
        beyond = each - len(bench.server.token)
        figures = {"tenants": tenants, "cpu_us": all["cpu_us"], "beyond": beyond}
        return figures | {"resident_mib": all["resident_kb"] / 1024}

    # What a tenant takes is the difference of two figures, which errs to either side.
    runs = bench.rounds(9, 1, measure)
    beyond = {name: statistics.median(run["beyond"] for run in all) for name, all in runs.items()}
    bench.keep("fill", {name: least(all) | {"beyond": beyond[name]} for name, all in runs.items()})
    columns = {"tenants": "tenants", "us CPU of each": "cpu_us", "resident MiB": "resident_mib"}
    columns |= {"bytes of each beyond the token": "beyond"}
    table(bench, "fill", "tenants from cold", columns)


def growth(bench: Bench) -> None:
    """What is left of a million more cached calls (10,000 of a slow client), and of 10,000 renewals."""
    runs = bench.rounds(1, 1, lambda client: {"cached": bench.run(client, "growth", tenants=1)["grown_kb"]})
    ours = bench.named("unattended")
    runs[ours.name][0]["renewals"] = bench.run(ours, "renewals", tenants=1)["grown_kb"]
    bench.keep("growth", {name: least(all) for name, all in runs.items()})
    table(bench, "growth", "growth, kB", {"cached calls": "cached", "10,000 renewals": "renewals"})


def daemon(bench: Bench) -> None:
    """The program: its size, and its memory with a scheduler and one job, once it has a token."""
    job = """
[jobs.people]
schedule = "0 2 1 1 *"
export = { api = "graph", read = "/users", to = "people.ndjson" }
"""
    base = f"{bench.server.origin}/v1.0"
    folder = configured(bench.server.folder.parent / "daemon", bench.server, bench.tenant(0), base, job)
    program = TARGET / "release/unattended"
    bench.tell("unattended run")
    bench.server.forget()
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([program, "run"], cwd=folder, stdout=log, stderr=log)
    until = time.monotonic() + 30
    while not bench.server.asked(bench.tenant(0))[0]:
        if process.poll() is not None or time.monotonic() > until:
            sys.exit(f"error: the daemon asked for no token\n{(folder / 'log').read_text()}")
        time.sleep(0.01)
    time.sleep(1)
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    process.terminate()
    process.wait()
    resident = int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) / 1024
    bench.keep("daemon", {"unattended": {"resident_mib": resident, "size_mb": program.stat().st_size / 1e6}})
    columns = {"MB on disk": "size_mb", "resident MiB with one job": "resident_mib"}
    table(bench, "daemon", "unattended run", columns)


def least(runs: list) -> dict:
    return {name: min(run[name] for run in runs) for name in runs[0]}


def most(runs: list) -> dict:
    return {name: max(run[name] for run in runs) for name in runs[0]}


def table(bench: Bench, workload: str, title: str, columns: dict, with_ratio: bool = False) -> None:
    print(f"| {title} | {' | '.join(columns)} |\n|---|{'---|' * len(columns)}")
    for client in bench.clients:
        cells = []
        for name in columns.values():
            figure, floor = bench.of(client.name, f"{workload}_{name}"), bench.of("floor", f"{workload}_{name}")
            ratio = f" ({figure / floor:.2f})" if with_ratio and figure and floor else ""
            digits = 0 if isinstance(figure, int) or (figure or 0) > 100 else 1
            cells.append("" if figure is None else f"{figure:,.{digits}f}{ratio}")
        if any(cells):
            print(f"| {client.name} | {' | '.join(cells)} |")
    print(flush=True)


main()
