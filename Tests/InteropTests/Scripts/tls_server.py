"""An HTTPS server on OpenSSL, with certificates made for this run, that stays until its input ends.

Arguments: one JSON object: "maximum" and "minimum" TLS versions, "require_client" for a client certificate, "days" the
certificate is good for, "name_only" for one that names no address. Prints one line of JSON: port, ca_pem, other_ca_pem, client_certificate_pem, client_private_key_pem;
then one line per request: the TLS version and whose certificate the client showed.
"""

import datetime
import json
import ssl
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

wanted = json.loads(sys.argv[1])
now = datetime.datetime.now(datetime.timezone.utc)


def name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def pem(value):
    if isinstance(value, x509.Certificate):
        return value.public_bytes(serialization.Encoding.PEM).decode()
    return value.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def certificate(subject, authority=None, days=365, server=False):
    key = ec.generate_private_key(ec.SECP256R1())
    issuer_name, issuer_key = (authority[0].subject, authority[1]) if authority else (name(subject), key)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(issuer_name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=authority is None, path_length=None), critical=True)
    )
    if server:
        names = [x509.DNSName("bank.example")]
        if not wanted.get("name_only"):
            names.append(x509.IPAddress(ip_address("127.0.0.1")))
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(issuer_key, hashes.SHA256()), key


authority = certificate("Test authority")
other = certificate("Another authority")
server_certificate, server_key = certificate("bank.example", authority, wanted.get("days", 365), server=True)
client_certificate, client_key = certificate("custody", authority)

versions = {"1.1": ssl.TLSVersion.TLSv1_1, "1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
if wanted.get("maximum") == "1.1":
    # OpenSSL itself refuses it at its usual level.
    context.set_ciphers("ALL:@SECLEVEL=0")
context.minimum_version = versions[wanted.get("minimum", "1.1")]
context.maximum_version = versions[wanted.get("maximum", "1.3")]
with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
    file.write(pem(server_certificate) + pem(server_key))
    file.flush()
    context.load_cert_chain(file.name)
if wanted.get("require_client"):
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=pem(authority[0]))


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        shown = self.connection.getpeercert()
        subject = dict(part[0] for part in shown["subject"])["commonName"] if shown else None
        print(json.dumps({"tls": self.connection.version(), "client": subject}), flush=True)
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        """A handshake that fails is what some tests want."""


server = Server(("127.0.0.1", 0), Handler)
server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(
    json.dumps(
        {
            "port": server.server_address[1],
            "ca_pem": pem(authority[0]),
            "other_ca_pem": pem(other[0]),
            "client_certificate_pem": pem(client_certificate),
            "client_private_key_pem": pem(client_key),
        }
    ),
    flush=True,
)
sys.stdin.read()
