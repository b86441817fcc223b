"""A directory of users that takes its time for every answer, as one across the internet does."""

import bisect
import functools
import http.server
import json
import random
import re
import ssl
import threading
import time
import urllib.parse

GIVEN = "Adele Alex Amber Anna Ben Bianca Carl Cho Dana David Eun Eva Finn Grady Hana Henrietta Ida Irvin Isaiah Jin "
GIVEN += "Joni Jordan Kim Lee Lidia Lynne Maria Megan Min Miriam Nestor Noor Olga Patti Pradeep Quinn Raul Sara Soo Tae "
GIVEN += "Uma Vera Wan Xenia Yuna Zoe"
FAMILY = "Berg Bowen Cartwright Choi Diaz Fischer Garcia Hill Jang Kang Kim Lee Miller Novak Owen Park Rossi Saito Vance"


def users(number: int) -> list:
    """As many `(name, given name, family name)`, in the order of the names."""
    given, family, chance = GIVEN.split(), FAMILY.split(), random.Random(7)
    made = []
    for n in range(number):
        first, last = chance.choice(given), chance.choice(family)
        made.append((f"{first}.{last}{n}".lower(), first, last))
    return sorted(made)


def four_fields(user: tuple, number: int) -> str:
    name, first, last = user
    return (
        f'{{"id":"{number:08x}-0000-4000-8000-{number:012x}","displayName":"{first} {last}",'
        f'"mail":"{name}@contoso.com","userPrincipalName":"{name}@contoso.com"}}'
    )


class Directory:
    """`/v1.0/users`, over TLS: pages, `startswith` and its negation, `$count`, a delta without changes."""

    def __init__(self, number: int, latency: float, folder):
        self.users, self.latency, self.asked = users(number), latency, 0
        self.names = [user[0] for user in self.users]
        directory, counting = self, threading.Lock()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version, disable_nagle_algorithm = "HTTP/1.1", True

            def do_GET(self):
                with counting:
                    directory.asked += 1
                time.sleep(directory.latency)
                body = directory.answer(urllib.parse.urlsplit(self.path)).encode()
                head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
                self.wfile.write(head.encode() + body)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            request_queue_size = 1024

            def handle_error(self, *_):
                """A client that was killed is no news."""

        self.server = Server(("127.0.0.1", 0), Handler)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(folder / "server.pem", folder / "server-key.pem")
        # The handshake is made by the thread of the connection, not by the one that accepts.
        self.server.socket = tls.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.base = f"https://localhost:{self.server.server_port}/v1.0"

    def __enter__(self) -> "Directory":
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self.server.shutdown()
        self.server.server_close()

    def lines(self) -> list:
        return [four_fields(user, number) for number, user in enumerate(self.users)]

    def answer(self, target: urllib.parse.SplitResult) -> str:
        options = dict(urllib.parse.parse_qsl(target.query))
        if target.path.endswith("/$count"):
            return str(len(self.users))
        if target.path.endswith("/delta"):
            return json.dumps({"value": [], "@odata.deltaLink": f"{self.base}/users/delta?$deltatoken=now"})
        ranges = self.ranges(options.get("$filter", ""))
        total, top, skipped = sum(end - start for start, end in ranges), int(options["$top"]), int(options.get("$skiptoken", 0))
        page = {"@odata.context": f"{self.base}/$metadata#users"}
        if "$count" in options and not skipped:
            page["@odata.count"] = total
        if skipped + top < total:
            kept = [f"{name}={urllib.parse.quote(value)}" for name, value in options.items() if name != "$skiptoken"]
            page["@odata.nextLink"] = f"{self.base}/users?{'&'.join(kept)}&$skiptoken={skipped + top}"
        items = []
        for start, end in ranges:
            first = start + skipped
            items += [four_fields(self.users[n], n) for n in range(first, min(end, first + top - len(items)))]
            skipped = max(0, skipped - (end - start))
            if len(items) == top:
                break
        return json.dumps(page)[:-1] + f', "value":[{",".join(items)}]}}'

    @functools.cache
    def ranges(self, condition: str) -> list:
        """Where in the order of the names those are that meet the condition."""
        found = [(0, len(self.names))]
        for negated, prefix in re.findall(r"(not\()?startswith\(\w+,'((?:[^']|'')*)'\)", condition):
            low, high = bisect.bisect_left(self.names, prefix), bisect.bisect_left(self.names, prefix + "\uffff")
            kept = [(0, low), (high, len(self.names))] if negated else [(low, high)]
            found = [(max(a, c), min(b, d)) for a, b in found for c, d in kept if max(a, c) < min(b, d)]
        return found
