"""wechatpayv3 as the client of a WeChat Pay that we simulate: every answer is verified by its code, not ours.

Standard input: {"base", "mchid", "appid", "serial", "key", "apiv3", "partner", "mode", "public_key"?, "public_key_id"?,
"sub_mchid"?, "notify_url", "steps": [{"call", "args", "kwargs"?}, {"request": [method, path], "data"?, "seal"?},
{"download"}, {"decrypt"}, {"open_bill": list of a sealed bill's pieces}]}.
Output: [{"status", "body"} | {"error"}], one per step. Values of the form "$0.transaction_id" are taken from earlier answers.
"""
import base64
import gzip
import hashlib
import json
import sys

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from wechatpayv3 import WeChatPay, WeChatPayType
from wechatpayv3.core import Core
from wechatpayv3.type import RequestType

given = json.load(sys.stdin)
plain_init = Core.__init__


def init(self, *args, **kwargs):
    """The library knows one host only, and asks it for certificates while it is being made."""
    update = self._init_certificates
    self._init_certificates = lambda: None
    plain_init(self, *args, **kwargs)
    self._gate_way = given["base"]
    self._init_certificates = update
    if not self._public_key:
        update()


Core.__init__ = init

options = dict(
    wechatpay_type=WeChatPayType.NATIVE, mchid=given["mchid"], private_key=given["key"],
    cert_serial_no=given["serial"], appid=given["appid"], apiv3_key=given["apiv3"], notify_url=given["notify_url"],
    partner_mode=given["partner"], timeout=(5, 20))
if given["mode"] == "public_key":
    options.update(public_key=given["public_key"], public_key_id=given["public_key_id"])
client = WeChatPay(**options)
answers = []


def filled(value):
    if isinstance(value, str) and value.startswith("$") and "." in value:
        index, path = value[1:].split(".", 1)
        found = answers[int(index)]["body"]
        for name in path.split("."):
            found = found[int(name)] if isinstance(found, list) else found[name]
        return found
    if isinstance(value, dict):
        return {name: filled(item) for name, item in value.items()}
    if isinstance(value, list):
        return [filled(item) for item in value]
    return value


def filled_path(path):
    return "/".join(str(filled(part)) for part in path.split("/")) if "$" in path else path


def sealed(data, paths):
    for path in paths:
        place = data
        *parents, name = path.split(".")
        for parent in parents:
            place = place[parent]
        place[name] = client._core.encrypt(place[name])


def opened(piece):
    """A piece of a sealed bill: its key is sealed for the merchant, its bytes are sealed with that key."""
    code, content = client.download_bill(piece["download_url"])
    assert code == 200, code
    key = client.decrypt(piece["encrypt_key"]).encode()
    plain = AESGCM(key).decrypt(piece["nonce"].encode(), content, None)
    plain = gzip.decompress(plain) if plain[:2] == b"\x1f\x8b" else plain
    assert hashlib.sha1(plain).hexdigest() == piece["hash_value"], "hash"
    return plain


def run(step):
    if "pay_type" in step.get("kwargs", {}):
        step["kwargs"]["pay_type"] = WeChatPayType[step["kwargs"]["pay_type"]]
    if "call" in step:
        result = getattr(client, step["call"])(**filled(step.get("kwargs", {})))
    elif "download" in step:
        code, content = client.download_bill(filled(step["download"]))
        content = content.encode() if isinstance(content, str) else content
        plain = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
        return {"status": code, "body": {"sha1": hashlib.sha1(plain).hexdigest(), "text": plain.decode("utf-8")}}
    elif "open_bill" in step:
        return {"status": 200, "body": {"text": b"".join(map(opened, filled(step["open_bill"]))).decode("utf-8")}}
    elif "decrypt" in step:
        return {"status": 200, "body": {"text": client.decrypt(filled(step["decrypt"]))}}
    else:
        method, path = step["request"]
        data = filled(step.get("data"))
        if step.get("seal"):
            sealed(data, step["seal"])
        result = client._core.request(
            filled_path(path), method=RequestType[method], data=data, cipher_data=bool(step.get("seal")))
    code, body = result
    body = body.decode("utf-8") if isinstance(body, bytes) else body
    return {"status": code, "body": json.loads(body) if body else None}


for step in given["steps"]:
    try:
        answers.append(run(step))
    except Exception as error:  # what the library makes of an answer is what is asked here
        answers.append({"error": f"{type(error).__name__}: {error}"})
print(json.dumps(answers, ensure_ascii=False))
