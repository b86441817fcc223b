"""What the benchmarks drive: nginx and the sandbox, and what their processes have used."""

import base64
import contextlib
import hashlib
import json
import os
import pathlib
import re
import socket
import ssl
import subprocess
import sys
import time
import urllib.parse
import urllib.request
import uuid

ROOT = pathlib.Path(__file__).resolve().parent.parent
CLIENT_ID = "22222222-2222-2222-2222-222222222222"
TICK = 1 / os.sysconf("SC_CLK_TCK")


class Table:
    """What was measured, printed as it comes: in Markdown, or a line of JSON for each row."""

    def __init__(self, as_json: bool = False):
        self.as_json, self.missed = as_json, []
        if not as_json:
            print("| what | measured | target | ratio or value | |\n|---|---|---|---|---|", flush=True)

    def row(self, what: str, measured: str, target: float, value: float, of: str = "", at_least: bool = False) -> None:
        is_met = value >= target if at_least else value <= target
        self.missed += [] if is_met else [what]
        sign = ">=" if at_least else "<="
        if self.as_json:
            fields = {"measured": measured, "target": f"{sign} {target:g}", "value": value, "of": of, "met": is_met}
            print(json.dumps({"what": what} | fields), flush=True)
            return
        verdict = "met" if is_met else "**missed**"
        print(f"| {what} | {measured} | {sign} {target:g} | {value:,.2f} {of} | {verdict} |".replace("  ", " "), flush=True)

    def note(self, what: str, measured: str) -> None:
        if self.as_json:
            print(json.dumps({"what": what, "measured": measured}), flush=True)
        else:
            print(f"| {what} | {measured} | | | |", flush=True)


class Sandbox:
    """A running sandbox in a folder of its own."""

    def __init__(self, program: pathlib.Path, folder: pathlib.Path, users: int):
        folder.mkdir(exist_ok=True)
        self.program, ready = program, folder / "ready.json"
        started = time.perf_counter()
        self.process = subprocess.Popen(
            [program, "sandbox", "start", "--data", folder / "data", f"--users={users}", "--seed=7"]
            + ["--ready-file", ready],
            stdout=subprocess.DEVNULL,
            stderr=(folder / "log").open("w"),
            cwd=folder,
        )
        while not ready.exists():
            if self.process.poll() is not None:
                sys.exit(f"error: the sandbox ended\n{(folder / 'log').read_text()}")
            time.sleep(0.001)
        self.took = time.perf_counter() - started
        self.ready, self.ready_file = json.loads(ready.read_text()), ready
        self.trust = ssl.create_default_context(cafile=self.ready["ca_file"])
        self.opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=self.trust)
        )

    def register(self, folder: pathlib.Path, credential: str) -> "Place":
        folder.mkdir()
        options = ["--role", "graph:User.Read.All", f"--{credential}", "new", "--grant-admin-consent"]
        subprocess.run(
            [self.program, "--quiet", "register", folder.name, *options, "--sandbox", self.ready_file],
            check=True,
            capture_output=True,
            cwd=folder,
        )
        return Place(self.program, folder)

    def get(self, url: str, token: str) -> bytes:
        request = urllib.request.Request(url.replace(" ", "%20"), headers={"Authorization": f"Bearer {token}"})
        with self.opener.open(request) as answer:
            return answer.read()

    def processes(self) -> list:
        return [self.process.pid]

    def resident(self) -> float:
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) / 1024

    def __enter__(self) -> "Sandbox":
        return self

    def __exit__(self, *_) -> None:
        self.process.terminate()
        self.process.wait()


class Place:
    """A folder with a registered daemon."""

    def __init__(self, program: pathlib.Path, folder: pathlib.Path):
        self.program, self.folder = program, folder
        config = (folder / "unattended.toml").read_text()
        self.client_id = re.search(r'client-id = "([^"]+)"', config).group(1)
        self.credential = folder / re.search(r'"file:([^"]+)"', config).group(1)

    def token(self) -> str:
        command = [self.program, "token", "graph", "--raw"]
        return subprocess.run(command, check=True, cwd=self.folder, capture_output=True, text=True).stdout.strip()

    def token_request(self, url: str, resource: str) -> str:
        fields = {"client_id": self.client_id, "grant_type": "client_credentials", "scope": f"{resource}/.default"}
        if self.credential.suffix == ".pem":
            fields["client_assertion_type"] = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
            fields["client_assertion"] = self.assertion(url)
        else:
            fields["client_secret"] = self.credential.read_text().strip()
        return urllib.parse.urlencode(fields)

    def assertion(self, audience: str) -> str:
        encode = lambda data: base64.urlsafe_b64encode(data).rstrip(b"=").decode()
        der = subprocess.run(
            ["openssl", "x509", "-in", self.credential, "-outform", "DER"], check=True, capture_output=True
        ).stdout
        now = int(time.time())
        header = {"alg": "RS256", "typ": "JWT", "x5t#S256": encode(hashlib.sha256(der).digest())}
        claims = {"aud": audience, "iss": self.client_id, "sub": self.client_id, "jti": str(uuid.uuid4())}
        claims |= {"iat": now, "nbf": now, "exp": now + 600}
        signed = ".".join(encode(json.dumps(part).encode()) for part in (header, claims))
        signature = subprocess.run(
            ["openssl", "dgst", "-sha256", "-sign", self.credential],
            input=signed.encode(),
            check=True,
            capture_output=True,
        ).stdout
        return f"{signed}.{encode(signature)}"


def configured(folder: pathlib.Path, server: "Nginx", tenant: str, base_url: str, more: str = "") -> pathlib.Path:
    """A new folder in which the program gets its tokens from `server`, for the API `graph` at `base_url`."""
    folder.mkdir()
    (folder / "secret").write_text("a-secret-of-the-usual-length-0123456789")
    (folder / "secret").chmod(0o600)
    (folder / "unattended.toml").write_text(
        f"""
[application]
client-id = "{CLIENT_ID}"
tenant = "{tenant}"
authority = "{server.origin}"
ca-file = "{server.ca_file}"

[[application.credentials]]
secret = "file:secret"

[apis.graph]
base-url = "{base_url}"
scope = "https://graph.microsoft.com/.default"

{more}
"""
    )
    return folder


class Nginx:
    """nginx on a port of its own, over TLS, with these directives for its server and for HTTP."""

    def __init__(self, folder: pathlib.Path, server: str, http: str = "", workers: int = 1, listen: str = ""):
        folder.mkdir(exist_ok=True)
        # Started by root, its workers read as another user.
        for each in (folder, folder.parent):
            each.chmod(0o755)
        certificate(folder / "server", "localhost", "-addext", "subjectAltName=DNS:localhost")
        self.folder, self.ca_file, self.port = folder, folder / "server.pem", free_port()
        self.origin = f"https://localhost:{self.port}"
        (folder / "nginx.conf").write_text(
            f"""
            worker_processes {workers}; daemon off; pid {folder}/pid; error_log {folder}/error.log;
            events {{ worker_connections 2048; }}
            http {{
                access_log off; keepalive_requests 10000000; default_type application/json; sendfile on;
                client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
                fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
                {http}
                server {{
                    listen 127.0.0.1:{self.port} ssl {listen} backlog=2048;
                    ssl_certificate {folder}/server.pem; ssl_certificate_key {folder}/server-key.pem;
                    {server}
                }}
            }}
            """
        )

    def __enter__(self) -> "Nginx":
        said = self.folder / "said.log"
        self.process = subprocess.Popen(["nginx", "-c", self.folder / "nginx.conf"], stderr=said.open("w"))
        for _ in range(500):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return self
            time.sleep(0.01)
        sys.exit(f"error: nginx does not listen\n{said.read_text()}")

    def __exit__(self, *_) -> None:
        self.process.terminate()
        self.process.wait()

    def processes(self) -> list:
        """Its workers."""
        path = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in path.read_text().split()]


# Where nginx, as an authority, says what it is: the metadata of any tenant.
METADATA = "location ~ ^/([^/]+)/v2.0/.well-known/openid-configuration$ { return 200 '%s'; }" % json.dumps(
    {
        "issuer": "https://localhost:$server_port/$1/v2.0",
        "token_endpoint": "https://localhost:$server_port/$1/oauth2/v2.0/token",
        "authorization_endpoint": "https://localhost:$server_port/$1/oauth2/v2.0/authorize",
        "jwks_uri": "https://localhost:$server_port/$1/discovery/v2.0/keys",
    }
)


def certificate(path: pathlib.Path, name: str, *options, key=("ec", "-pkeyopt", "ec_paramgen_curve:P-256")) -> None:
    """A self-signed certificate in PATH.pem and its key in PATH-key.pem."""
    request = ["openssl", "req", "-x509", "-nodes", "-days", "2", "-subj", f"/CN={name}"]
    files = ["-keyout", f"{path}-key.pem", "-out", f"{path}.pem"]
    options = ["-addext", "basicConstraints=critical,CA:FALSE", *options, "-newkey", *key]
    subprocess.run([*request, *options, *files], check=True, capture_output=True)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


def cpu(processes: list) -> float:
    """Seconds of CPU that the processes have used."""
    fields = [pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split() for pid in processes]
    return sum((int(each[11]) + int(each[12])) * TICK for each in fields)
