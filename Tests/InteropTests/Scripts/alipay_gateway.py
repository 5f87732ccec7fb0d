"""A gateway made of other people's signatures: every request is verified by them, every answer signed by them.

Argument: `official` or `community`, the library that signs and verifies. Standard input's first line:
{"app_public_key", "alipay_private_key", "app_id", "seller_id"}. Prints its port, then serves until its input ends.
The order's number says what is answered: `…-tampered`, `-unsigned`, `-html`, `-empty`, `-other`, `-status`, `-fake`.
GET /log tells what was asked for and whether it verified; GET /notify?out_trade_no=… is a signed notification.
"""

import http.server
import json
import sys
import threading
import urllib.parse

setup = json.loads(sys.stdin.readline())


def official():
    from alipay.aop.api.util.SignatureUtils import get_sign_content, sign_with_rsa2, verify_with_rsa

    def sign(text):
        return sign_with_rsa2(setup["alipay_private_key"], text, "utf-8")

    def verify(fields, signature):
        content = get_sign_content({name: value for name, value in fields.items() if value})
        try:
            return verify_with_rsa(setup["app_public_key"], content.encode("utf-8"), signature)
        except Exception:  # The SDK's way to say no.
            return False

    return sign, verify


def community():
    from alipay import AliPay

    # The library's roles exchanged: Alipay's key signs, the application's verifies.
    peer = AliPay(
        appid=setup["app_id"], app_private_key_string=setup["alipay_private_key"],
        alipay_public_key_string=setup["app_public_key"],
    )

    def verify(fields, signature):
        text = "&".join(f"{name}={value}" for name, value in sorted(fields.items()) if value)
        return peer._verify(text, signature)

    return peer._sign, verify


sign, verify = official() if sys.argv[1] == "official" else community()
log = []


def node(method, content):
    number = content.get("out_trade_no", "")
    answer = {"code": "10000", "msg": "Success", "out_trade_no": number}
    if method == "alipay.trade.precreate":
        answer["qr_code"] = "https://qr.alipay.com/peer"
    elif method == "alipay.trade.create":
        answer["trade_no"] = "2026100622001400000000000042"
    elif method == "alipay.trade.query":
        answer |= {
            "trade_no": "2026100622001400000000000042", "trade_status": "TRADE_SUCCESS", "total_amount": "12.34",
            "send_pay_date": "2026-10-06 12:00:00", "buyer_user_id": "2088102116773037",
            "subject": 'a "},{" b } ,"sign":"x',
        }
    elif method == "alipay.trade.refund":
        answer |= {"fund_change": "Y", "gmt_refund_pay": "2026-10-06 13:00:00", "refund_fee": "1.00"}
    elif method == "alipay.trade.fastpay.refund.query":
        answer |= {
            "out_request_no": content["out_request_no"], "refund_status": "REFUND_SUCCESS",
            "refund_amount": content.get("_", "1.00"), "gmt_refund_pay": "2026-10-06 13:00:00",
        }
    elif method == "alipay.trade.cancel":
        answer |= {"retry_flag": "N", "action": "close"}
    if number.endswith("-other"):
        answer["out_trade_no"] = "SOMEONE-ELSES"
    if number.endswith("-status"):
        answer["trade_status"] = "TRADE_INVENTED"
    return answer


def body(method, content):
    number = content.get("out_trade_no", "")
    if number.endswith("-html"):
        return "<html><body>502 Bad Gateway</body></html>"
    if number.endswith("-empty"):
        return ""
    name = method.replace(".", "_") + "_response"
    text = json.dumps(node(method, content), ensure_ascii=False, separators=(",", ":")).replace("/", "\\/")
    signature = sign(text)
    if number.endswith("-tampered"):
        text = text.replace("12.34", "0.01")
    if number.endswith("-unsigned"):
        return '{"%s":%s}' % (name, text)
    if number.endswith("-fake"):
        # A value that looks like the end of the node and a signature; the real one is over something else.
        forged = text[:-1] + ',"memo":"x\\"},\\"sign\\":\\"' + signature + '"}'
        return '{"%s":%s,"sign":"%s"}' % (name, forged, signature)
    return '{"%s":%s,"sign":"%s"}' % (name, text, signature)


def notification(number):
    fields = {
        "notify_type": "trade_status_sync", "notify_id": "peer" + number, "app_id": setup["app_id"],
        "seller_id": setup["seller_id"], "out_trade_no": number, "trade_no": "2026100622001400000000000042",
        "trade_status": "TRADE_SUCCESS", "total_amount": "12.34", "gmt_payment": "2026-10-06 12:00:00",
        "buyer_id": "2088102116773037", "subject": "平台订单 & 测试=1+2", "charset": "utf-8", "version": "1.0",
        "notify_time": "2026-10-06 12:00:01", "passback_params": "",
    }
    text = "&".join(f"{name}={value}" for name, value in sorted(fields.items()))
    return urllib.parse.urlencode(fields | {"sign_type": "RSA2", "sign": sign(text)})


class Gateway(http.server.BaseHTTPRequestHandler):
    def reply(self, text):
        payload = text.encode("utf-8")
        self.send_response(200)
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        self.reply(json.dumps(log) if url.path == "/log" else notification(query["out_trade_no"]))

    def do_POST(self):
        form = self.rfile.read(int(self.headers["Content-Length"])).decode("ascii")
        query = urllib.parse.urlsplit(self.path).query
        fields = dict(urllib.parse.parse_qsl(query + "&" + form, keep_blank_values=True, strict_parsing=True))
        signature = fields.pop("sign")
        is_valid = bool(verify(fields, signature))
        log.append({"method": fields["method"], "valid": is_valid, "charset": fields["charset"]})
        content = json.loads(fields["biz_content"])
        self.reply(body(fields["method"], content))

    def log_message(self, *arguments):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Gateway)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_address[1], flush=True)
sys.stdin.read()
server.shutdown()
