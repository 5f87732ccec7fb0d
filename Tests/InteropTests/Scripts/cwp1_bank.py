"""A small bank that speaks CWP/1 with gmssl and cryptography; arguments: algorithm, its private key, the partner's public key.

Prints {"port"} and ends with its standard input. SYS.DATE is answered with a signature over another nonce.
"""

import datetime
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import gm

algorithm = sys.argv[1]
private = open(sys.argv[2], encoding="utf-8").read()
partner = open(sys.argv[3], encoding="utf-8").read()


def now():
    zone = datetime.timezone(datetime.timedelta(hours=8))
    return datetime.datetime.now(zone).strftime("%Y%m%d%H%M%S%f")[:17]


class Bank(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        head, fields = (json.loads(body)[name] for name in ("head", "body"))
        lines = ["CWP1-REQ", algorithm, "POST", self.path, head["partnerId"], head["txnCode"], head["reqSeqNo"]]
        text = gm.string_to_sign(
            lines, algorithm, self.headers["X-Cust-Time"], self.headers["X-Cust-Nonce"], body)
        if self.headers["X-Cust-Alg"] != algorithm or not gm.verifies(
                algorithm, partner, text, self.headers["X-Cust-Sign"]):
            return self.answer(head, "100002", {"status": "FAILED"})
        if head["txnCode"] == "MCH.OPEN":
            number = gm.open_field(algorithm, private, self.headers["X-Cust-Enc-Key"], fields["certNo"])
            name = gm.open_field(algorithm, private, self.headers["X-Cust-Enc-Key"], fields["contact"]["name"])
            return self.answer(head, "000000", {"status": "CHECKING", "applyNo": number + "/" + name})
        if head["txnCode"] == "BAL.QUERY":
            amounts = {"total": "12.34", "pending": "0.00", "withdrawable": "12.34", "frozen": "0.00", "inTransit": "0.00"}
            return self.answer(head, "000000", {"status": "SUCCESS", "subAcct": fields["subAcct"], **amounts})
        if head["txnCode"] == "SYS.DATE":
            return self.answer(head, "000000", {"bankDate": "20261006", "dayState": "OPEN"}, spoiled=True)
        return self.answer(head, "100006", {"status": "FAILED"})

    def answer(self, head, code, fields, spoiled=False):
        time, nonce = now(), gm.nonce()
        body = json.dumps({
            "head": {
                "version": "1.0", "txnCode": head["txnCode"], "partnerId": head["partnerId"],
                "reqSeqNo": head["reqSeqNo"], "bankSeqNo": "B1", "bankDate": "20261006", "respTime": time,
                "retCode": code, "retMsg": "受理成功", "duplicate": False,
            },
            "body": fields,
        }, ensure_ascii=False).encode()
        lines = ["CWP1-RSP", algorithm, "200", head["partnerId"], head["txnCode"], head["reqSeqNo"]]
        text = gm.string_to_sign(lines, algorithm, time, gm.nonce() if spoiled else nonce, body)
        self.send_response(200)
        for name, value in {
            "X-Cust-Alg": algorithm, "X-Cust-Serial": "B1", "X-Cust-Time": time, "X-Cust-Nonce": nonce,
            "X-Cust-Sign": gm.sign(algorithm, private, text), "Content-Length": str(len(body)),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


server = ThreadingHTTPServer(("127.0.0.1", 0), Bank)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(json.dumps({"port": server.server_address[1]}), flush=True)
sys.stdin.read()
