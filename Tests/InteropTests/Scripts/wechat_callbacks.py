"""wechatpayv3 as the judge of callbacks: verifies and decrypts each with its own code.

Standard input: {"mchid", "appid", "serial", "key", "apiv3", "public_key", "public_key_id", "certificates": [pem],
"callbacks": [{"headers": {}, "body": text}]}. Output: [resource | null | {"error"}], one per callback.
"""
import json
import sys

from wechatpayv3 import WeChatPay, WeChatPayType
from wechatpayv3.utils import load_certificate

given = json.load(sys.stdin)
judge = WeChatPay(
    wechatpay_type=WeChatPayType.NATIVE, mchid=given["mchid"], private_key=given["key"],
    cert_serial_no=given["serial"], appid=given["appid"], apiv3_key=given["apiv3"],
    public_key=given["public_key"], public_key_id=given["public_key_id"])
judge._core._certificates = [load_certificate(pem) for pem in given["certificates"]]
judge._core._update_certificates = lambda: None

verdicts = []
for callback in given["callbacks"]:
    try:
        result = judge.callback(callback["headers"], callback["body"])
        verdicts.append(result["resource"] if result else None)
    except Exception as error:
        verdicts.append({"error": f"{type(error).__name__}: {error}"})
print(json.dumps(verdicts, ensure_ascii=False))
