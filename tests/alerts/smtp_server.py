"""A mail server that takes messages. It prints its port, then a line of JSON for each connection and each message.

The argument says how it encrypts: `none`, `starttls` or `implicit`. With encryption it has the certificate `named.crt` and the key
`named.key` of the working directory, and takes messages only after a login as `daymark` with the password `secret`. A message that
names the text of the variable REFUSE is refused.
"""

import asyncio
import json
import os
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult

ENCRYPTION = sys.argv[1]
REFUSE = os.environ.get("REFUSE")


class Handler:
    async def handle_EHLO(self, server, session, envelope, hostname, responses):
        session.host_name = hostname
        print(json.dumps({"connected": True}), flush=True)
        return responses

    async def handle_DATA(self, server, session, envelope):
        text = envelope.content.decode("utf-8", errors="replace")
        if REFUSE and REFUSE in text:
            return "554 5.7.1 not this one"
        encrypted = session.ssl is not None or ENCRYPTION == "implicit"
        message = {"from": envelope.mail_from, "to": envelope.rcpt_tos, "text": text, "encrypted": encrypted}
        print(json.dumps(message), flush=True)
        return "250 taken"


def authenticate(server, session, envelope, mechanism, data):
    return AuthResult(success=(data.login, data.password) == (b"daymark", b"secret"), handled=False)


def server():
    if ENCRYPTION == "none":
        return SMTP(Handler())
    login = {"authenticator": authenticate, "auth_required": True}
    if ENCRYPTION == "implicit":
        return SMTP(Handler(), auth_require_tls=False, **login)
    return SMTP(Handler(), tls_context=certificate(), require_starttls=True, **login)


def certificate():
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain("named.crt", "named.key")
    return context


async def main():
    context = certificate() if ENCRYPTION == "implicit" else None
    listening = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0, ssl=context)
    print(listening.sockets[0].getsockname()[1], flush=True)
    await listening.serve_forever()


asyncio.run(main())
