"""Makes the certificates of the TLS tests. Needs the Python package `cryptography`."""

import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

START, END = datetime.datetime(2020, 1, 1), datetime.datetime(2120, 1, 1)


def name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def certificate(subject, key, issuer, issuer_key, extensions):
    builder = x509.CertificateBuilder().subject_name(name(subject)).issuer_name(name(issuer)).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(START).not_valid_after(END)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(issuer_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


ca_name = "Aprendiz test CA"
ca_key, server_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
is_ca, is_server = x509.BasicConstraints(ca=True, path_length=None), x509.BasicConstraints(ca=False, path_length=None)
host = x509.SubjectAlternativeName([x509.DNSName("localhost")])
private = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
files = {
    "ca.pem": certificate(ca_name, ca_key, ca_name, ca_key, [(is_ca, True)]),
    "server.pem": certificate("localhost", server_key, ca_name, ca_key, [(is_server, True), (host, False)]),
    "server.key": server_key.private_bytes(*private),
}
for path, content in files.items():
    with open(path, "wb") as file:
        file.write(content)
