#!/usr/bin/env python3
"""Measure the client of web APIs beside a floor, in one run, and print a table.

    python3 benches/webapi/run.py [--only WORKLOAD] [--json] [--million]

Builds what it runs first. Needs nginx, openssl and valgrind (Debian: apt-get install nginx-light openssl valgrind).
Everything listens on loopback. With --million a sandbox of a million users is made, too, which takes half a minute and
1 GiB below TMPDIR.
"""

import argparse
import collections
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from directory import Directory, four_fields, users
from driven import CLIENT_ID, METADATA, ROOT, Nginx, Sandbox, Table, configured, cpu

TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
TENANT = "00000000-0000-4000-8000-000000000001"
GRAPH = "https://graph.microsoft.com"
MILLION = 1_000_000
# 300 bytes, as a small resource has.
SMALL = {
    "@odata.context": "https://localhost/v1.0/metadata#users/entity",
    "displayName": "Adele Vance",
    "givenName": "Adele",
    "jobTitle": "Retail Manager",
    "mail": "AdeleV@contoso.com",
    "officeLocation": "18/2111",
    "preferredLanguage": "en-US",
    "surname": "Vance",
    "id": "87d349ed-44d7-43e1-9a83-5f2406dee5bd",
}

Used = collections.namedtuple("Used", "wall cpu peak_mib output status")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    workloads = {
        "cost": cost,
        "small": small,
        "latency": latency,
        "pages": pages,
        "memory": memory,
        "growth": growth,
        "tenants": tenants,
        "million": million,
        "late": late,
        "killed": killed,
        "throttled": throttled,
    }
    arguments.add_argument("--only", choices=workloads)
    arguments.add_argument("--json", action="store_true", help="a line of JSON for each row")
    arguments.add_argument("--million", action="store_true", help="read a sandbox of a million users, too")
    options = arguments.parse_args()
    chosen = {name: measure for name, measure in workloads.items() if options.only in (None, name)}
    missing = [name for name in ("nginx", "openssl", "valgrind", "cargo") if not shutil.which(name)]
    if missing:
        sys.exit(f"error: needs {', '.join(missing)}")
    tell("building")
    build(HERE, "--features", "floor")
    build(ROOT, "-p", "unattended")
    tell(f"load before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    table, began = Table(options.json), time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, Server(pathlib.Path(folder) / "server") as server:
        bench = Bench(pathlib.Path(folder), server, table, options.million)
        for number, (name, measure) in enumerate(chosen.items(), 1):
            tell(f"[{number}/{len(chosen)}, {time.perf_counter() - began:.0f} s] {name}")
            measure(bench)
    tell(f"{time.perf_counter() - began:.0f} s; load after: {os.getloadavg()[0]:.1f}; missed: {table.missed or 'nothing'}")


def tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def build(folder: pathlib.Path, *options) -> None:
    command = ["cargo", "build", "--release", "--locked", "--quiet", "--target-dir", TARGET, *options]
    subprocess.run(command, check=True, cwd=folder)


# ---------------------------------------------------------------------------------------------------- what is measured


def cost(bench: "Bench") -> None:
    """W4, counted: instructions and allocations of a small call."""
    calls, found = 2_048, {"floor": [], "unattended": []}
    # How many answers are there at once differs from run to run, and by that what is spared: up to a tenth.
    for client in ("floor", "unattended") * 5:
        once, twice = (counted(times, client) for times in (calls, 2 * calls))
        found[client].append([(more - less) / calls for less, more in zip(once, twice)])
    medians = [[statistics.median(each) for each in zip(*found[client])] for client in found]
    (floor, allocated), (ours, allocations) = medians
    bench.table.note("small call, floor, counted", f"{floor:,.0f} instructions, {allocated:.1f} allocations")
    measured = f"{ours:,.0f} instructions, {allocations:.1f} allocations"
    bench.table.row("small call, counted", measured, 1.02, ours / floor, "x the floor")
    bench.table.row("small call, allocations", measured, 20, allocations)


def counted(times: int, client: str) -> tuple:
    """Instructions of the whole process, and allocations of the calls."""
    command = ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]
    command += [TARGET / "release/call_cost", str(times), *(["floor"] if client == "floor" else [])]
    run = subprocess.run(command, check=True, capture_output=True, text=True)
    return int(re.search(r"I\s+refs:\s+([\d,]+)", run.stderr).group(1).replace(",", "")), int(run.stdout)


def small(bench: "Bench") -> None:
    """W4: small calls, 64 at once, on connections that are kept, over TLS."""
    # Many short runs in turn: what disturbs the machine then disturbs both alike.
    ours, floor = bench.beside("small", runs=15, calls=20_000, under_way=64)
    measured = f"{ours['cpu_us']:.1f} us CPU, {ours['rate']:,.0f}/s (floor {floor['cpu_us']:.1f} us, {floor['rate']:,.0f}/s)"
    bench.table.row("small call, 64 at once", measured, 1.1, ours["ratio"], "x the floor")


def latency(bench: "Bench") -> None:
    """T3: small calls over one connection of HTTP/2."""
    http2 = Server(bench.folder / "http2", "http2")
    with http2:
        of = {"server": http2, "calls": 10_000, "under_way": 64, "threads": 2}
        ours, floor = bench.beside("latency", runs=5, **of)
        connections = http2.connections()
    measured = f"{ours['rate']:,.0f}/s, p50 {ours['p50_ms']:.2f} ms, p99 {ours['p99_ms']:.2f} ms"
    bench.table.row("10,000 small calls over HTTP/2", measured, 5_000, ours["rate"], "calls/s", at_least=True)
    measured = f"floor {floor['rate']:,.0f}/s, p50 {floor['p50_ms']:.2f} ms, p99 {floor['p99_ms']:.2f} ms"
    bench.table.row("p99 that is added to the floor's", measured, 0.3, ours["p99_ms"] - floor["p99_ms"], "ms")
    bench.table.row("connections of each of those runs", f"{connections} in all", 1, connections / 10)


def pages(bench: "Bench") -> None:
    """W5: 200 pages of 100 users."""
    bench.server.pages("pages", 200, 100, whole_user)
    ours, floor = bench.beside("pages", base="pages", calls=5)
    measured = f"{ours['cpu_us']:.2f} us CPU a user (floor {floor['cpu_us']:.2f})"
    bench.table.row("200 pages of 100 users, every property", measured, 1.05, ours["ratio"], "x the floor")
    named, least = bench.beside("named", base="pages", calls=5)
    measured = f"{named['cpu_us']:.2f} us CPU a user (floor {least['cpu_us']:.2f}, {named['ratio']:.2f} x)"
    bench.table.row("the same, three properties", measured, 1.8, named["cpu_us"], "us a user")
    raw = bench.best("unattended", "raw", base="pages", calls=5)
    bench.table.row("the same, items as they are", f"{raw['cpu_us']:.2f} us CPU a user", 1.8, raw["cpu_us"], "us a user")


def memory(bench: "Bench") -> None:
    """How much memory so many pages take at most."""
    peaks = {}
    for number in (20, 2_000):
        bench.server.pages(f"memory-{number}", number, 100, whole_user)
        for shape in ("pages", "raw"):
            runs = [bench.run("unattended", shape, base=f"memory-{number}")["peak_mib"] for _ in range(3)]
            peaks[number, shape] = statistics.median(runs)
    for shape, name in (("pages", "every property"), ("raw", "items as they are")):
        few, many = peaks[20, shape], peaks[2_000, shape]
        measured = f"{many:.2f} MiB, of 20 pages {few:.2f} MiB"
        bench.table.row(f"2,000 pages, {name}, peak", measured, 0.5, many - few, "MiB more")


def growth(bench: "Bench") -> None:
    """What a million calls leave behind."""
    grown = bench.run("unattended", "growth", calls=MILLION, under_way=64)["grown_kb"]
    bench.table.row("memory after 1,000,000 more calls", f"{grown} kB more", 0.1, grown / 1_000, "MB")


def tenants(bench: "Bench") -> None:
    """T7: a call in each of a thousand tenants."""
    number = 1_000
    bench.server.forget()
    ids = [f"00000000-0000-4000-8000-{n + 1:012x}" for n in range(number)]
    result = bench.run("unattended", "tenants", tenants=ids, calls=20_000, threads=2)
    asked = bench.server.asked()
    bench.table.row(
        "1,000 tenants, a call each, from nothing",
        f"{result['cold_s']:.2f} s, {sum(asked.values()):,} token requests of {len(asked):,} tenants",
        1,
        max(asked.values()),
        "token requests of a tenant at most",
    )
    while_busy = "" if result["was_under_way"] else "; it was over before"
    measured = f"{result['beside_s']:.3f} s, alone {result['alone_s']:.3f} s{while_busy}"
    bench.table.note("999 of them, while the first has 1,000 of 20,000 calls under way", measured)


def million(bench: "Bench") -> None:
    """T1: a million users to NDJSON, by the program, as fast as it can."""
    bench.server.pages("million", 1_002, 999, four_fields, MILLION)
    place = bench.place("million", f"{bench.server.origin}/million")
    before, began = cpu(bench.server.processes()), time.perf_counter()
    used = bench.program(place, "call", "graph", "GET", "/pages/1.json", "--all", to=place / "users.ndjson")
    share = (cpu(bench.server.processes()) - before) / (time.perf_counter() - began)
    lines, size = lines_of(place / "users.ndjson")
    assert lines == MILLION, lines
    measured = f"{used.wall:.2f} s, {used.cpu:.2f} s CPU, {size / 1e6:.0f} MB; nginx {share:.2f} cores"
    bench.table.row("1,000,000 users, 1,002 pages of nginx, to NDJSON", measured, 6, used.wall, "s")
    bench.table.row("resident at most", "", 64, used.peak_mib, "MiB")
    if bench.million:
        sandbox_of_a_million(bench)


def sandbox_of_a_million(bench: "Bench") -> None:
    data = bench.folder / "million-sandbox"
    with Sandbox(bench.unattended, data, MILLION) as sandbox:
        place = sandbox.register(bench.folder / "million-reader", "secret").folder
        path = "/users?$select=id,displayName,mail,userPrincipalName&$top=999"
        for name, options in (("page by page", []), ("in parallel", ["--parallel"])):
            before = cpu(sandbox.processes())
            used = bench.program(place, "call", "graph", "GET", path, "--all", *options, to=place / "users.ndjson")
            share = cpu(sandbox.processes()) - before
            lines, _ = lines_of(place / "users.ndjson")
            assert used.status == 0 and lines == MILLION, (used.status, lines)
            what = f"1,000,000 users of the sandbox, {name}"
            measured = f"{used.wall:.2f} s, {used.cpu:.2f} s CPU of the reader, {share:.2f} s of the sandbox"
            if options:
                # Without latency there is nothing to hide: this is about memory.
                bench.table.note(what, measured)
            else:
                bench.table.row(what, measured, 6, used.wall, "s")
            bench.table.row("resident at most", "", 64, used.peak_mib, "MiB")


def late(bench: "Bench") -> None:
    """T2: an API that takes 250 ms for every answer."""
    select = "$select=id,displayName,mail,userPrincipalName"
    with Directory(100_000 - 100, 0.25, bench.server.folder) as directory:
        place = bench.place("sequential", directory.base)
        used = bench.program(place, "call", "graph", "GET", f"/users?{select}&$top=999", "--all", to=place / "out")
        ideal = directory.asked * directory.latency
        measured = f"{used.wall:.2f} s, {directory.asked} x 250 ms are {ideal:.2f} s"
        bench.table.row("250 ms, one page after the other", measured, 1.03, used.wall / ideal, "x pages x RTT")
    with Directory(MILLION, 0.25, bench.server.folder) as directory:
        place = bench.place("parallel", directory.base)
        began = time.process_time()
        used = bench.program(place, "call", "graph", "GET", f"/users?{select}", "--all", "--parallel", to=place / "out")
        share = time.process_time() - began
        lines, _ = lines_of(place / "out")
        assert used.status == 0 and lines == MILLION, (used.status, lines)
        measured = f"{directory.asked:,} requests, {used.cpu:.2f} s CPU; the server {share:.2f} s"
        bench.table.row("250 ms, 1,000,000 users in parallel", measured, 10, used.wall, "s")
        bench.table.note("resident at most", f"{used.peak_mib:.1f} MiB")


def killed(bench: "Bench") -> None:
    """T6: an export of a minute, killed every two seconds."""
    pages, page = 240, 999
    with Directory(pages * page, 0.25, bench.server.folder) as directory:
        export = f'export = {{ api = "graph", read = "/users?$select=id,mail&$top={page}", to = "users.ndjson" }}'
        place = bench.place("killed", directory.base, f"[jobs.users]\n{export}\n")
        expected = hashlib.sha256("".join(line + "\n" for line in directory.lines()).encode()).hexdigest()
        kills, began = 0, time.perf_counter()
        while True:
            process = subprocess.Popen([bench.unattended, "--quiet", "run", "users"], cwd=place)
            try:
                if process.wait(2):
                    sys.exit(f"error: the export ended with {process.returncode}")
                break
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
                kills += 1
                if kills > 100:
                    sys.exit("error: the export makes no progress")
        wall, found = time.perf_counter() - began, hashlib.sha256((place / "users.ndjson").read_bytes()).hexdigest()
        extra = directory.asked - pages
    measured = f"{wall:.0f} s, {kills} kills, {extra} requests more than {pages} pages"
    bench.table.row("an export that is killed every 2 s", measured, 2, extra / max(kills, 1), "requests more for each kill")
    bench.table.row("its output differs from that of an undisturbed one", "", 0, float(found != expected))


def throttled(bench: "Bench") -> None:
    """T5 and T4, replayed by tests on virtual time, which tell what came out."""
    for test, name in (("throttling", "a_steady_quota"), ("throttling", "a_quota_that_is_cut"), ("batch", "five_thousand")):
        command = ["cargo", "test", "--quiet", "--locked", "--target-dir", TARGET, "-p", "unattended-webapi"]
        run = subprocess.run(
            [*command, "--test", test, name, "--", "--nocapture"], cwd=ROOT, check=True, capture_output=True, text=True
        )
        for line in re.findall(r"^measured: (.+)$", run.stdout, re.MULTILINE):
            told = json.loads(line)
            bench.table.row(told["what"], told["measured"], told["target"], told["value"], told.get("of", ""))


# --------------------------------------------------------------------------------------------------- what measures it


class Bench:
    def __init__(self, folder: pathlib.Path, server: "Server", table: Table, with_million: bool):
        self.folder, self.server, self.table, self.million = folder, server, table, with_million
        self.unattended = TARGET / "release/unattended"

    def beside(self, workload: str, runs: int = 5, **of) -> tuple:
        """Ours and the floor, in turn: the best run of each, and as their ratio the median of that of the pairs."""
        pairs = [[self.run(client, workload, **of) for client in ("unattended", "floor")] for _ in range(runs)]
        ours, floor = (min(side, key=lambda run: run["cpu_us"]) for side in zip(*pairs))
        ratio = statistics.median(one["cpu_us"] / other["cpu_us"] for one, other in pairs)
        return ours | {"ratio": ratio}, floor

    def best(self, client: str, workload: str, runs: int = 5, **of) -> dict:
        """What disturbs makes a run worse and never better."""
        return min((self.run(client, workload, **of) for _ in range(runs)), key=lambda run: run["cpu_us"])

    def run(self, client: str, workload: str, server=None, base="v1.0", calls=1, under_way=8, threads=1, tenants=()) -> dict:
        server = server or self.server
        settings = {
            "base": f"{server.origin}/{base}",
            "ca_file": str(server.ca_file),
            "token": server.token,
            "length": len(server.small),
            "calls": calls,
            "under_way": under_way,
            "threads": threads,
            "authority": server.origin,
            "client_id": CLIENT_ID,
            "secret": "a-secret-of-the-usual-length-0123456789",
            "scope": f"{GRAPH}/.default",
            "tenants": list(tenants),
        }
        path = self.folder / "settings.json"
        path.write_text(json.dumps(settings))
        used = self.process([TARGET / "release/workload", workload, client, path], self.folder)
        if used.status:
            sys.exit(f"error: {client} failed at {workload}")
        return json.loads(used.output) | {"peak_mib": used.peak_mib}

    def place(self, name: str, base: str, more: str = "") -> pathlib.Path:
        """A folder in which the program is configured for an API at `base`."""
        return configured(self.folder / name, self.server, TENANT, base, more)

    def program(self, place: pathlib.Path, *arguments, to: pathlib.Path) -> Used:
        with to.open("wb") as output:
            return self.process([self.unattended, "--quiet", *arguments], place, output)

    @staticmethod
    def process(command: list, folder: pathlib.Path, output=subprocess.PIPE) -> Used:
        began, peak = time.perf_counter(), 0
        process = subprocess.Popen(command, stdout=output, cwd=folder)
        while True:
            # What the system tells at the end counts this process, too, as it was when it started the other.
            found = re.search(r"VmHWM:\s+(\d+)", pathlib.Path(f"/proc/{process.pid}/status").read_text())
            peak = int(found.group(1)) / 1024 if found else peak
            ended, status, used = os.wait4(process.pid, os.WNOHANG)
            if ended:
                break
            time.sleep(0.005)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall, printed = time.perf_counter() - began, process.stdout.read() if process.stdout else b""
        return Used(wall, used.ru_utime + used.ru_stime, peak, printed, process.returncode)


class Server(Nginx):
    """An authority with a token for any tenant, a small resource, and prepared pages."""

    def __init__(self, folder: pathlib.Path, listen: str = ""):
        self.token, self.small = "t" * 1_500, json.dumps(SMALL, separators=(",", ":"))
        self.folder, log = folder, f"access_log {folder}/connections.log connection;" if listen else ""
        answer = {"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": self.token}
        routes = f"""
            root {folder};
            location ~ ^/[^/]+/oauth2/v2.0/token$ {{
                access_log {folder}/asked.log asked; return 200 '{json.dumps(answer)}';
            }}
            location ~ /users/1$ {{ {log} return 200 '{self.small}'; }}
            {METADATA}
        """
        formats = "log_format asked '$uri'; log_format connection '$connection';"
        super().__init__(folder, routes, formats, listen=listen)

    def pages(self, name: str, number: int, length: int, item, total: int = 0) -> None:
        """As many prepared pages below /NAME/pages."""
        folder = self.folder / name / "pages"
        folder.mkdir(parents=True)
        everybody = users(total or number * length)
        for page in range(number):
            first = page * length
            items = ",".join(item(user, first + n) for n, user in enumerate(everybody[first : first + length]))
            head = {"@odata.context": f"{GRAPH}/v1.0/$metadata#users"}
            if page + 1 < number:
                head["@odata.nextLink"] = f"{self.origin}/{name}/pages/{page + 2}.json"
            (folder / f"{page + 1}.json").write_text(json.dumps(head)[:-1] + f',"value":[{items}]}}')

    def forget(self) -> None:
        (self.folder / "asked.log").write_text("")

    def asked(self) -> collections.Counter:
        """How many token requests there were for each tenant."""
        return collections.Counter((self.folder / "asked.log").read_text().split())

    def connections(self) -> int:
        return len(set((self.folder / "connections.log").read_text().split()))


def whole_user(user: tuple, number: int) -> str:
    """500 bytes."""
    name, first, last = user
    told = {
        "id": f"{number:08x}-0000-4000-8000-{number:012x}",
        "displayName": f"{first} {last}",
        "givenName": first,
        "surname": last,
        "jobTitle": "Retail Manager",
        "mail": f"{name}@contoso.com",
        "mobilePhone": None,
        "businessPhones": ["+1 425 555 0109"],
        "officeLocation": "18/2111",
        "preferredLanguage": "en-US",
        "userPrincipalName": f"{name}@contoso.com",
        "department": "Sales and Marketing of the eastern region",
        "accountEnabled": True,
        "city": "Pittsburgh",
        "country": "United States",
    }
    return json.dumps(told, separators=(",", ":"))


def lines_of(file: pathlib.Path) -> tuple:
    """How many lines there are, and how many bytes."""
    with file.open("rb") as opened:
        lines = sum(block.count(b"\n") for block in iter(lambda: opened.read(1 << 20), b""))
    return lines, file.stat().st_size


main()
