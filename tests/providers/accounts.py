"""Google credentials for tests: a service account with a key made here, and a user."""

import json

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
_PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def service_account(token_uri: str = "https://oauth2.googleapis.com/token") -> str:
    """The JSON that Google Cloud gives, with the fields that it has."""
    return json.dumps(
        {
            "type": "service_account",
            "project_id": "its-own",
            "private_key_id": "key-1",
            "private_key": _PEM,
            "client_email": "tollway@its-own.iam.gserviceaccount.com",
            "client_id": "1",
            "auth_uri": "https://accounts.google.com/o/oauth2/auth",
            "token_uri": token_uri,
            "auth_provider_x509_cert_url": "https://www.googleapis.com/oauth2/v1/certs",
            "universe_domain": "googleapis.com",
        }
    )


SERVICE_ACCOUNT = service_account()
USER = json.dumps(
    {
        "account": "",
        "client_id": "id.apps.googleusercontent.com",
        "client_secret": "client-secret",
        "quota_project_id": "quota",
        "refresh_token": "1//refresh",
        "type": "authorized_user",
        "universe_domain": "googleapis.com",
    }
)
