"""Does a list of jobs with gmssl and cryptography: [{"do", …}] on standard input, their results printed."""

import base64
import json
import sys

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives import padding

import gm


def job(one):
    do = one["do"]
    data = base64.b64decode(one["data"]) if "data" in one else b""
    user_id = one.get("user_id", "1234567812345678").encode()
    if do == "verify":
        return gm.sm2_verify(one["public"], data, base64.b64decode(one["raw"]), user_id)
    if do == "sign":
        return base64.b64encode(gm.sm2_sign(one["private"], data, user_id)).decode()
    if do == "encrypt":
        return base64.b64encode(gm.crypt("", gm.sm2_public(one["public"]), one["mode"]).encrypt(data)).decode()
    if do == "decrypt":
        private, public = gm.sm2_private(one["private"])
        return base64.b64encode(gm.crypt(private, public, one["mode"]).decrypt(data)).decode()
    if do == "sm3":
        return gm.sm3_hex(data)
    if do == "sm4_gmssl":
        text = gm.sm4_cbc(bytes.fromhex(one["key"]), bytes.fromhex(one["iv"]), data, one["encrypts"])
        return base64.b64encode(text).decode()
    if do == "sm4_cryptography":
        cipher = Cipher(algorithms.SM4(bytes.fromhex(one["key"])), modes.CBC(bytes.fromhex(one["iv"])))
        if one["encrypts"]:
            pad = padding.PKCS7(128).padder()
            worker = cipher.encryptor()
            text = worker.update(pad.update(data) + pad.finalize()) + worker.finalize()
        else:
            worker = cipher.decryptor()
            pad = padding.PKCS7(128).unpadder()
            text = pad.update(worker.update(data) + worker.finalize()) + pad.finalize()
        return base64.b64encode(text).decode()
    raise ValueError(do)


print(json.dumps([job(one) for one in json.load(sys.stdin)]))
