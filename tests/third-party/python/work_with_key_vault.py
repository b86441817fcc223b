"""Keep and read secrets and certificates with azure-keyvault, unmodified.

    python work_with_key_vault.py SETTINGS.json

SETTINGS.json is that of call_with_msal.py, with the vault's URL as "vault". What was found is printed as one JSON
document for each of the two addresses of the vault.
"""

import base64
import datetime
import json
import pathlib
import socket
import sys
import urllib.parse

from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.identity import CertificateCredential, ClientSecretCredential
from azure.keyvault.certificates import CertificateClient, CertificateContentType, CertificatePolicy
from azure.keyvault.secrets import SecretClient
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    pkcs12,
)


def main(settings: dict) -> None:
    secret = pathlib.Path(settings["secret_file"]).read_text().strip()
    # The name of a local authority is not one of the public cloud's.
    local = {"authority": settings["authority"], "disable_instance_discovery": True}
    credential = ClientSecretCredential(settings["tenant"], settings["client_id"], secret, **local)

    by_path = settings["vault"]
    port = urllib.parse.urlparse(by_path).port
    resolve_names_below_localhost()
    by_host = f"https://contoso.vault.localhost:{port}"
    for vault, options in [(by_path, {"verify_challenge_resource": False}), (by_host, {})]:
        secrets = SecretClient(vault, credential, **options)
        certificates = CertificateClient(vault, credential, **options)
        found = {"secrets": work_with_secrets(secrets)}
        found["certificates"] = work_with_certificates(certificates, secrets)
        found["token"] = token_with_certificate_of(secrets, settings, local)
        print(json.dumps(found))


def resolve_names_below_localhost() -> None:
    """What a machine does whose resolver knows RFC 6761; not every one does."""
    resolve = socket.getaddrinfo
    socket.getaddrinfo = lambda host, *rest, **more: resolve(
        "localhost" if str(host).endswith(".localhost") else host, *rest, **more
    )


def work_with_secrets(client: SecretClient) -> dict:
    expires = datetime.datetime(2100, 1, 1, tzinfo=datetime.timezone.utc)
    old = client.set_secret("database", "first", content_type="text/plain", tags={"a": "b"}, expires_on=expires)
    new = client.set_secret("database", "second")
    for number in range(26):
        client.set_secret(f"number-{number}", str(number))
    found = {
        "latest": client.get_secret("database").value,
        "old": client.get_secret("database", old.properties.version).value,
        "kept": [old.properties.content_type, old.properties.tags, old.properties.expires_on == expires],
        "listed": len(list(client.list_properties_of_secrets())),
        "versions": len(list(client.list_properties_of_secret_versions("database"))),
        "recovery": [new.properties.recovery_level, new.properties.recoverable_days],
    }
    client.update_secret_properties("database", enabled=False)
    found["disabled"] = refusal(lambda: client.get_secret("database"))
    client.update_secret_properties("database", new.properties.version, enabled=True)
    client.begin_delete_secret("database").wait()
    found["deleted"] = [secret.name for secret in client.list_deleted_secrets()]
    found["missing"] = refusal(lambda: client.get_secret("database"))
    found["taken"] = refusal(lambda: client.set_secret("database", "third"))
    client.begin_recover_deleted_secret("database").wait()
    found["recovered"] = client.get_secret("database").value
    for name in ["database", *(f"number-{number}" for number in range(26))]:
        client.begin_delete_secret(name).wait()
        client.purge_deleted_secret(name)
    found["purged"] = [secret.name for secret in client.list_deleted_secrets()]
    return found


def work_with_certificates(client: CertificateClient, secrets: SecretClient) -> dict:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "daemon")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=90))
        .sign(key, hashes.SHA256())
    )
    pfx = pkcs12.serialize_key_and_certificates(b"daemon", key, certificate, None, BestAvailableEncryption(b"pass"))
    imported = client.import_certificate("daemon", pfx, password="pass", tags={"a": "b"})
    read = client.get_certificate("daemon")
    back_key, back, _ = pkcs12.load_key_and_certificates(base64.b64decode(secrets.get_secret("daemon").value), None)

    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    policy = CertificatePolicy(issuer_name="Unknown", content_type=CertificateContentType.pem)
    client.import_certificate("daemon-pem", private + certificate.public_bytes(Encoding.PEM), policy=policy)
    pem = secrets.get_secret("daemon-pem")
    return {
        "imported": imported.cer == read.cer,
        "thumbprint": read.properties.x509_thumbprint == certificate.fingerprint(hashes.SHA1()),
        "subject": read.policy.subject,
        "key": [read.policy.key_type, read.policy.key_size, read.policy.exportable],
        "same_pem": load_pem_private_key(pem.value.encode(), None).private_numbers() == key.private_numbers(),
        "content_types": [read.policy.content_type, pem.properties.content_type],
        "same_key": back_key.private_numbers() == key.private_numbers(),
        "same_certificate": back == certificate,
        "listed": [it.name for it in client.list_properties_of_certificates()],
        "versions": len(list(client.list_properties_of_certificate_versions("daemon"))),
        "of_version": client.get_certificate_version("daemon", read.properties.version).cer == read.cer,
        "managed": secrets.get_secret("daemon").properties.managed,
    }


def token_with_certificate_of(secrets: SecretClient, settings: dict, local: dict) -> str:
    """What the certificate in a vault is there for: azure-identity reads it as it is kept."""
    pfx = base64.b64decode(secrets.get_secret("daemon").value)
    credential = CertificateCredential(settings["tenant"], settings["client_id"], certificate_data=pfx, **local)
    try:
        credential.get_token(f"{settings['graph_resource']}/.default")
        return "issued"
    except HttpResponseError as error:
        # The certificate is not registered, which the authority can only say of one that was sent well.
        return "AADSTS" + str(error).split("AADSTS")[1].split(":")[0]


def refusal(work) -> list:
    try:
        work()
        return ["none"]
    except HttpResponseError as error:
        is_missing = isinstance(error, ResourceNotFoundError)
        return [error.status_code, error.error.code, is_missing]


main(json.loads(pathlib.Path(sys.argv[1]).read_text()))
