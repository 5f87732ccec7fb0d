"""SM2, SM3 and SM4 as gmssl and cryptography have them, and CWP/1's messages made of them; used by the scripts beside it."""

import base64
import hashlib
import os

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from gmssl import func, sm2, sm3, sm4

CURVE = sm2.default_ecc_table


def pem_bytes(pem):
    return base64.b64decode("".join(line for line in pem.strip().splitlines() if not line.startswith("-----")))


def sm2_private(pem):
    """The private number and the public point of a PKCS#8 key, in hexadecimal."""
    der = pem_bytes(pem)
    start = der.index(b"\x02\x01\x01\x04\x20") + 5
    return der[start : start + 32].hex(), der[-64:].hex()


def sm2_public(pem):
    return pem_bytes(pem)[-64:].hex()


def crypt(private, public, mode=1):
    one = sm2.CryptSM2(private_key=private, public_key=public, mode=mode)
    one.public_key = public  # its own constructor eats leading zeros and fours
    return one


def digest(public, message, user_id):
    """e of the standard, for any user id; gmssl itself knows the default one only."""
    z = len(user_id) * 8
    text = z.to_bytes(2, "big") + user_id + bytes.fromhex(CURVE["a"] + CURVE["b"] + CURVE["g"] + public)
    za = bytes.fromhex(sm3.sm3_hash(func.bytes_to_list(text)))
    return bytes.fromhex(sm3.sm3_hash(func.bytes_to_list(za + message)))


def sm2_sign(pem, message, user_id=b"1234567812345678"):
    private, public = sm2_private(pem)
    return bytes.fromhex(crypt(private, public).sign(digest(public, message, user_id), func.random_hex(64)))


def sm2_verify(pem, message, raw, user_id=b"1234567812345678"):
    public = sm2_public(pem)
    return bool(crypt("", public).verify(raw.hex(), digest(public, message, user_id)))


def der_of(raw):
    def integer(value):
        body = value.lstrip(b"\0") or b"\0"
        if body[0] & 0x80:
            body = b"\0" + body
        return b"\x02" + bytes([len(body)]) + body

    content = integer(raw[:32]) + integer(raw[32:])
    return b"\x30" + bytes([len(content)]) + content


def raw_of(der):
    assert der[0] == 0x30 and der[1] == len(der) - 2 and der[2] == 2
    end = 4 + der[3]
    assert der[end] == 2
    return b"".join(part.lstrip(b"\0").rjust(32, b"\0") for part in (der[4:end], der[end + 2 :]))


def sm4_cbc(key, iv, text, encrypts):
    cipher = sm4.CryptSM4()
    cipher.set_key(key, sm4.SM4_ENCRYPT if encrypts else sm4.SM4_DECRYPT)
    return cipher.crypt_cbc(iv, text)


def sm3_hex(message):
    return sm3.sm3_hash(func.bytes_to_list(message))


# CWP/1


def string_to_sign(lines, algorithm, time, nonce, body):
    hashed = sm3_hex(body) if algorithm == "SM2-SM3" else hashlib.sha256(body).hexdigest()
    return "".join(line + "\n" for line in lines + [time, nonce, hashed]).encode()


def sign(algorithm, pem, text):
    if algorithm == "SM2-SM3":
        return base64.b64encode(der_of(sm2_sign(pem, text))).decode()
    key = serialization.load_pem_private_key(pem.encode(), None)
    return base64.b64encode(key.sign(text, padding.PKCS1v15(), hashes.SHA256())).decode()


def verifies(algorithm, pem, text, signature):
    signature = base64.b64decode(signature)
    if algorithm == "SM2-SM3":
        return sm2_verify(pem, text, raw_of(signature))
    try:
        serialization.load_pem_public_key(pem.encode()).verify(signature, text, padding.PKCS1v15(), hashes.SHA256())
        return True
    except Exception:
        return False


def open_field(algorithm, pem, wrapped, field):
    wrapped = base64.b64decode(wrapped)
    if algorithm == "SM2-SM3":
        assert field.startswith("{SM4}") and wrapped[0] == 4
        private, public = sm2_private(pem)
        key = crypt(private, public, mode=1).decrypt(wrapped[1:])
        blob = base64.b64decode(field[5:])
        return sm4_cbc(key, blob[:16], blob[16:], False).decode()
    assert field.startswith("{A256}")
    oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
    key = serialization.load_pem_private_key(pem.encode(), None).decrypt(wrapped, oaep)
    blob = base64.b64decode(field[6:])
    return AESGCM(key).decrypt(blob[:12], blob[12:], None).decode()


def nonce():
    return os.urandom(16).hex()
