"""Judges notifications: with Alipay's own SDK, or with python-alipay-sdk, whichever the environment has.

Standard input: {"public_key", "private_key", "app_id", "bodies": [form, …]}. Prints a list of truth values.
"""

import json
import sys
import urllib.parse

setup = json.load(sys.stdin)


def official():
    from alipay.aop.api.util.SignatureUtils import get_sign_content, verify_with_rsa

    def judge(fields, sign):
        fields.pop("sign_type", None)
        try:
            return verify_with_rsa(setup["public_key"], get_sign_content(fields).encode("utf-8"), sign)
        except Exception:  # The SDK's way to say no.
            return False

    return judge


def community():
    from alipay import AliPay

    client = AliPay(
        appid=setup["app_id"], app_private_key_string=setup["private_key"],
        alipay_public_key_string=setup["public_key"],
    )
    return client.verify


judge = official() if sys.argv[1] == "official" else community()
verdicts = []
for body in setup["bodies"]:
    fields = dict(urllib.parse.parse_qsl(body, keep_blank_values=True, strict_parsing=True))
    sign = fields.pop("sign")
    verdicts.append(bool(judge(fields, sign)))
print(json.dumps(verdicts))
