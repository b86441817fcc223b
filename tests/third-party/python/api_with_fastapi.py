"""A protected API made with FastAPI and fastapi-azure-auth, unmodified, on a free loopback port.

    python api_with_fastapi.py SETTINGS.json

SETTINGS.json: audience (the API's client ID), tenant, metadata (the URL of the tenant's OpenID configuration), ca_file,
role (what a caller must have), ready (written atomically once connections are accepted).
"""

import asyncio
import json
import os
import pathlib
import socket
import ssl
import sys

import uvicorn
from fastapi import FastAPI, HTTPException, Security
from fastapi_azure_auth.auth import AzureAuthorizationCodeBearerBase
from fastapi_azure_auth.user import User

settings = json.loads(pathlib.Path(sys.argv[1]).read_text())
bearer = AzureAuthorizationCodeBearerBase(
    app_client_id=settings["audience"],
    tenant_id=settings["tenant"],
    openid_config_url=settings["metadata"],
    http_client_config={"verify": ssl.create_default_context(cafile=settings["ca_file"])},
)
app = FastAPI()


@app.get("/things")
async def things(caller: User = Security(bearer)) -> dict:
    if settings["role"] not in caller.roles:
        raise HTTPException(403, "the role is missing")
    return {"things": ["anvil", "bolt"], "caller": caller.claims["azp"], "tenant": caller.tid}


async def main() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started and not serving.done():
        await asyncio.sleep(0.01)
    ready = settings["ready"]
    pathlib.Path(f"{ready}.part").write_text(json.dumps({"port": listener.getsockname()[1]}))
    os.replace(f"{ready}.part", ready)
    await serving


asyncio.run(main())
