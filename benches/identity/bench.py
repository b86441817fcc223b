"""What the clients are measured with: the programs, and nginx as the authority."""

import collections
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from driven import CLIENT_ID, METADATA, Nginx, certificate

ROOT = HERE.parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
# Tenants whose tokens are due at once and renewed slowly, and whose requests are refused.
DUE, REFUSED = "dddddddd-0000-0000-0000-000000000001", "eeeeeeee-0000-0000-0000-000000000001"

# A slow one is asked less: its figures are no closer to a limit.
Client = collections.namedtuple("Client", "name command is_slow")


def clients(with_peers: bool) -> list:
    program = TARGET / "release/unattended-bench-identity"
    found = [Client("floor", [program.with_name("floor")], False)]
    found += [Client(name, [program, name], False) for name in ("unattended", "unattended-by-id")]
    if not with_peers:
        return found
    found.append(Client("azure_identity", [program.with_name("azure_identity")], False))
    python = TARGET / "third-party/venv/bin/python"
    if python.exists():
        found.append(Client("MSAL Python", [python, HERE / "clients.py", "msal"], True))
        found.append(Client("azure-identity Python", [python, HERE / "clients.py", "azure_identity"], True))
    if shutil.which("node") and (TARGET / "third-party/node/node_modules").exists():
        found.append(Client("MSAL Node", ["node", "--expose-gc", HERE / "clients.mjs", "msal"], True))
        found.append(Client("@azure/identity", ["node", "--expose-gc", HERE / "clients.mjs", "azure_identity"], True))
    return found


class Bench:
    """The clients, the server, and everything that was measured so far."""

    def __init__(self, server: "Server", with_peers: bool):
        self.server, self.clients, self.began = server, clients(with_peers), time.monotonic()
        self.measured = collections.defaultdict(dict)
        self.environment = os.environ | {
            "SSL_CERT_FILE": str(server.ca_file),
            "REQUESTS_CA_BUNDLE": str(server.ca_file),
            "NODE_EXTRA_CA_CERTS": str(server.ca_file),
            "NODE_PATH_OF_PACKAGES": str(TARGET / "third-party/node"),
        }

    def rounds(self, quick: int, slow: int, measure) -> dict:
        """What was measured of each client. They take turns, so that whatever else the machine does meets them all."""
        results = collections.defaultdict(list)
        for turn in range(quick):
            for client in self.clients:
                if turn < (slow if client.is_slow else quick):
                    results[client.name].append(measure(client))
        return results

    def named(self, name: str) -> Client:
        return next(client for client in self.clients if client.name == name)

    def keep(self, workload: str, figures: dict) -> None:
        for client, measured in figures.items():
            self.measured[client] |= {f"{workload}_{name}": figure for name, figure in measured.items()}

    def of(self, client: str, figure: str):
        """What was measured; nothing if it was not."""
        return self.measured[client].get(figure)

    @staticmethod
    def tenant(n: int) -> str:
        return f"00000000-0000-4000-8000-{n + 1:012x}"

    def run(self, client: Client, workload: str, **of) -> dict:
        return self.process(client, workload, **of)[2]

    def instructions(self, client: Client, workload: str, **of) -> int:
        report = self.server.folder / "valgrind"
        valgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", f"--log-file={report}"]
        self.process(client._replace(command=[*valgrind, *client.command]), workload, **of)
        return int(re.search(r"Collected : (\d+)", report.read_text()).group(1))

    def process(self, client, workload, tenants, first=None, certificate=False, in_flight=1) -> tuple:
        """Wall and CPU seconds of the process, and what it printed."""
        kind = "certificate" if certificate else "secret"
        self.tell(f"{client.name}: {workload}, {tenants:,} tenants, {kind}, {in_flight} in flight")
        settings = self.server.settings | {"tenants": tenants, "first": first}
        settings |= {"certificate": certificate, "in_flight": in_flight}
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

    def tell(self, what: str) -> None:
        print(f"[{time.monotonic() - self.began:4.0f} s] {what}", file=sys.stderr, flush=True)


class Server(Nginx):
    """The token endpoint of any tenant, with canned answers."""

    def __init__(self, folder: pathlib.Path):
        self.token = "t" * 1_500
        answer = {"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": self.token}
        refusal = {"error": "invalid_client", "error_description": "AADSTS7000215: no", "error_codes": [7000215]}
        place, log = "oauth2/v2.0/token", f"access_log {folder}/asked.log asked;"
        routes = [
            # Half is sent at once, and the other half a second later.
            (f"= /{DUE}/{place}", "limit_rate 1k;", 200, answer | {"expires_in": 301, "refresh_in": 1}),
            (f"= /{REFUSED}/{place}", "", 401, refusal),
            (f"~ ^/[^/]+/{place}$", "", 200, answer),
        ]
        token = [
            f"location {at} {{ {log} {pace} return {status} '{json.dumps(body)}'; }}" for at, pace, status, body in routes
        ]
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
