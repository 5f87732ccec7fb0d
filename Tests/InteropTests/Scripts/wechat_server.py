"""A small WeChat Pay made of `cryptography` alone: it judges our requests, and signs what it answers.

Arguments: the folder of keys. Prints its port; then answers each line of standard input with one line: "requests" lists the
verdicts so far, {"callback": resource, "event": type, "mode": mode} makes a signed callback. Ends with its input.
Numbers that begin with TAMPER, STALE, PROBE, UNSIGNED or OTHER are answered that badly.
"""
import base64
import hashlib
import json
import os
import re
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.x509 import load_pem_x509_certificate

KEYS = Path(sys.argv[1])
APIV3 = b"Test0nlyAPIv3KeyTest0nlyAPIv3Key"
MERCHANT_SERIAL = "54DB5C5D27D323587894278415D19DC8E4D7BDEE"
PUBLIC_KEY_ID = "PUB_KEY_ID_0114232134912410000000000000"


def private(name):
    return serialization.load_pem_private_key((KEYS / f"{name}.key.pem").read_bytes(), None)


merchant = load_pem_x509_certificate((KEYS / "wx_merchant.cert.pem").read_bytes()).public_key()
certificate_pem = (KEYS / "wx_platform.cert.pem").read_text()
CERTIFICATE_SERIAL = f"{load_pem_x509_certificate(certificate_pem.encode()).serial_number:X}"
platform = {CERTIFICATE_SERIAL: private("wx_platform"), PUBLIC_KEY_ID: private("wx_pubkey")}
verdicts = []
lock = threading.Lock()


def sealed(plain, nonce, associated):
    return base64.b64encode(AESGCM(APIV3).encrypt(nonce.encode(), plain, associated.encode())).decode()


def signature_headers(body, serial, flaw=""):
    stamp = str(int(time.time()) - (600 if flaw == "STALE" else 0))
    nonce = os.urandom(16).hex()
    text = b"%s\n%s\n%s\n" % (stamp.encode(), nonce.encode(), body + (b" " if flaw == "TAMPER" else b""))
    signature = base64.b64encode(platform[serial].sign(text, padding.PKCS1v15(), hashes.SHA256())).decode()
    return {
        "Wechatpay-Timestamp": stamp, "Wechatpay-Nonce": nonce, "Wechatpay-Serial": serial,
        "Wechatpay-Signature": ("WECHATPAY/SIGNTEST/" if flaw == "PROBE" else "") + signature,
        "Wechatpay-Signature-Type": "WECHATPAY2-SHA256-RSA2048",
    }


def opened(text, serial):
    return platform[serial].decrypt(
        base64.b64decode(text), padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)).decode()


class WeChat(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def verdict(self, body):
        scheme, _, rest = self.headers["Authorization"].partition(" ")
        fields = dict(re.findall(r'(\w+)="([^"]*)"', rest))
        signed = body
        detail = {}
        if "multipart" in self.headers.get("Content-Type", ""):
            boundary = self.headers["Content-Type"].split("boundary=")[1].encode()
            parts = [part.split(b"\r\n\r\n", 1) for part in body.split(b"--" + boundary)[1:-1]]
            signed = parts[0][1][:-2]
            content = parts[1][1][:-2]
            detail["hash_ok"] = json.loads(signed)["sha256"] == hashlib.sha256(content).hexdigest()
        text = b"%s\n%s\n%s\n%s\n%s\n" % (
            self.command.encode(), self.path.encode(), fields["timestamp"].encode(), fields["nonce_str"].encode(),
            signed)
        try:
            merchant.verify(base64.b64decode(fields["signature"]), text, padding.PKCS1v15(), hashes.SHA256())
            holds = True
        except InvalidSignature:
            holds = False
        detail.update({
            "path": self.path, "scheme": scheme, "holds": holds,
            "serial_ok": fields["serial_no"] == MERCHANT_SERIAL, "fresh": abs(time.time() - int(fields["timestamp"])) < 60,
            "agent": bool(self.headers.get("User-Agent")), "accept": self.headers.get("Accept"),
            "key": self.headers.get("Wechatpay-Serial")})
        return detail

    def answer(self, status, value, flaw=""):
        body = b"" if value is None else json.dumps(value, ensure_ascii=False).encode()
        asked = self.headers.get("Wechatpay-Serial")
        serial = PUBLIC_KEY_ID if asked == PUBLIC_KEY_ID else CERTIFICATE_SERIAL
        self.send_response(status)
        if flaw != "UNSIGNED":
            for name, text in signature_headers(body, serial, flaw).items():
                self.send_header(name, text)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def handle_any(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        detail = self.verdict(body)
        data = json.loads(body) if body.startswith(b"{") else {}
        if "bank_account" in data:
            detail["opened"] = [opened(data[name], detail["key"]) for name in ("bank_account", "real_name")]
        with lock:
            verdicts.append(detail)
        if not detail["holds"]:
            return self.answer(401, {"code": "SIGN_ERROR", "message": "签名错误"})
        if self.path == "/v3/certificates":
            nonce = os.urandom(6).hex()
            return self.answer(200, {"data": [{
                "serial_no": CERTIFICATE_SERIAL, "effective_time": "2026-01-01T00:00:00+08:00",
                "expire_time": "2031-01-01T00:00:00+08:00",
                "encrypt_certificate": {
                    "algorithm": "AEAD_AES_256_GCM", "nonce": nonce, "associated_data": "certificate",
                    "ciphertext": sealed(certificate_pem.encode(), nonce, "certificate")}}]})
        if "/media/upload" in self.path:
            return self.answer(200, {"media_id": "media-1"})
        if self.path.endswith("/close"):
            return self.answer(204, None)
        if "/apply-abnormal-refund" in self.path:
            return self.answer(200, {
                "refund_id": "50001", "out_refund_no": data["out_refund_no"], "out_trade_no": "PEER0001",
                "status": "PROCESSING", "amount": {"refund": 5}})
        if self.command == "POST":
            return self.answer(200, {"code_url": "weixin://wxpay/bizpayurl?pr=" + data["out_trade_no"]})
        number = unquote(self.path.split("/out-trade-no/")[1].split("?")[0])
        flaw = re.match("[A-Z]*", number).group()
        return self.answer(200, {
            "appid": "wx8888888888888888", "mchid": "1999999999" if flaw == "OTHER" else "1900000109",
            "out_trade_no": number, "transaction_id": "4200001", "trade_state": "SUCCESS", "trade_state_desc": "支付成功",
            "success_time": "2026-10-05T12:00:00+08:00", "amount": {"total": 100, "currency": "CNY"}}, flaw)

    do_GET = do_POST = handle_any


def callback(command):
    nonce = os.urandom(6).hex()
    plain = json.dumps(command["callback"], ensure_ascii=False).encode()
    body = json.dumps({
        "id": "EV-1", "create_time": "2026-10-05T12:00:01+08:00", "resource_type": "encrypt-resource",
        "event_type": command["event"], "summary": "支付成功",
        "resource": {
            "original_type": "transaction", "algorithm": "AEAD_AES_256_GCM", "associated_data": "transaction",
            "nonce": nonce, "ciphertext": sealed(plain, nonce, "transaction")}}, ensure_ascii=False)
    serial = PUBLIC_KEY_ID if command["mode"] == "public_key" else CERTIFICATE_SERIAL
    return {"headers": signature_headers(body.encode(), serial), "body": body}


server = ThreadingHTTPServer(("127.0.0.1", 0), WeChat)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(json.dumps({"port": server.server_port}), flush=True)
for line in sys.stdin:
    command = json.loads(line)
    print(json.dumps(verdicts if command == "requests" else callback(command), ensure_ascii=False), flush=True)
