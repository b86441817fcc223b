"""Calls Graph through the sidecar with nothing but the standard library: no token, no credential, no package."""

import http.client
import json
import socket
import sys


class Sidecar(http.client.HTTPConnection):
    """A connection to a Unix socket."""

    def __init__(self, path):
        super().__init__("localhost")
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(self.path)

    def call(self, method, path, body=None, **headers):
        if body is not None:
            body = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        self.request(method, path, body, headers)
        return self.getresponse()


def items(sidecar, path):
    """Every item of a collection, page after page, while it arrives."""
    answer = sidecar.call("GET", path, Prefer="unattended.all-pages")
    if answer.status != 200:
        raise RuntimeError(answer.read().decode())
    for line in answer:
        yield json.loads(line)


def main(path, domain):
    sidecar = Sidecar(path)
    names = [user["userPrincipalName"] for user in items(sidecar, "/graph/users?$select=userPrincipalName")]
    print(json.dumps({"users": len(names), "different": len(set(names))}))

    zoe = {
        "accountEnabled": True,
        "displayName": "Zoë Çelik",
        "mailNickname": "zoe.python",
        "userPrincipalName": f"zoe.python@{domain}",
        "passwordProfile": {"password": "Xk4-not-a-real-one!", "forceChangePasswordNextSignIn": True},
    }
    for method, target, body in [
        ("POST", "/graph/users", zoe),
        ("PATCH", f"/graph/users/zoe.python@{domain}", {"department": "Research"}),
        ("GET", f"/graph/users/zoe.python@{domain}?$select=displayName,department", None),
        ("DELETE", f"/graph/users/zoe.python@{domain}", None),
        ("GET", f"/graph/users/zoe.python@{domain}", None),
    ]:
        answer = sidecar.call(method, target, body)
        text = answer.read()
        print(json.dumps({"method": method, "status": answer.status, "body": json.loads(text) if text else None}))


if __name__ == "__main__":
    main(*sys.argv[1:])
