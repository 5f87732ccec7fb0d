"""Walks through a merchant's day at a gateway with python-alipay-sdk, in key mode or, with `certificate`, in that.

Standard input: {"gateway", "control", "app_id", "private_key", "notify_url", "prefix", "alipay_public_key" or
"app_certificate", "alipay_certificate", "alipay_root_certificate"}. Prints what the SDK made of each verified answer.
"""

import io
import json
import sys
import urllib.request
import zipfile

from alipay import AliPay, DCAliPay

setup = json.load(sys.stdin)
is_certified = "app_certificate" in setup
if is_certified:
    client = DCAliPay(
        appid=setup["app_id"], app_notify_url=setup["notify_url"], app_private_key_string=setup["private_key"],
        app_public_key_cert_string=setup["app_certificate"],
        alipay_public_key_cert_string=setup["alipay_certificate"],
        alipay_root_cert_string=setup["alipay_root_certificate"],
    )
else:
    client = AliPay(
        appid=setup["app_id"], app_notify_url=setup["notify_url"], app_private_key_string=setup["private_key"],
        alipay_public_key_string=setup["alipay_public_key"],
    )
client._gateway = setup["gateway"]


def control(path, body):
    """The simulator's back door."""
    request = urllib.request.Request(setup["control"] + path, json.dumps(body).encode(), method="POST")
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def control_put(path, body):
    """The same, where something is set."""
    request = urllib.request.Request(setup["control"] + path, json.dumps(body).encode(), method="PUT")
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def number(name):
    return setup["prefix"] + name


result = {}
result["precreate"] = client.api_alipay_trade_precreate(
    subject="社区 & 测试=1", out_trade_no=number("1"), total_amount=100.01,
)
control("/control/pay", {"app_id": setup["app_id"], "out_trade_no": number("1")})
result["query"] = client.api_alipay_trade_query(out_trade_no=number("1"))
result["refund"] = client.api_alipay_trade_refund("3.45", out_trade_no=number("1"), out_request_no=number("R1"))
result["refund_again"] = client.api_alipay_trade_refund(
    "3.45", out_trade_no=number("1"), out_request_no=number("R1"),
)
result["refund_other"] = client.api_alipay_trade_refund(
    "3.46", out_trade_no=number("1"), out_request_no=number("R1"),
)
result["refund_query"] = client.api_alipay_trade_fastpay_refund_query(number("R1"), out_trade_no=number("1"))
result["create"] = client.api_alipay_trade_create(
    subject="创建", out_trade_no=number("2"), total_amount="1.00", buyer_id="2088102116773037",
)
result["close"] = client.api_alipay_trade_close(out_trade_no=number("2"))
result["pay"] = client.api_alipay_trade_pay(
    number("3"), "bar_code", "28763443825664394", "当面付", total_amount="88.88",
)
result["cancel"] = client.api_alipay_trade_cancel(out_trade_no=number("3"))
result["bind"] = client.server_api(
    "alipay.trade.royalty.relation.bind",
    {"receiver_list": [{"type": "userId", "account": "2088102116770002"}], "out_request_no": number("B1")},
)
result["settle"] = client.api_alipay_trade_order_settle(
    number("S1"), result["query"]["trade_no"],
    [{"trans_in": "2088102116770002", "amount": "10.00", "desc": "佣金"}],
)
result["settle_query"] = client.server_api(
    "alipay.trade.order.settle.query", {"settle_no": result["settle"]["settle_no"]},
)
orders = {
    "page": client.api_alipay_trade_page_pay("电脑", number("4"), "5.00"),
    "wap": client.api_alipay_trade_wap_pay("手机", number("5"), "6.00"),
    "app": client.api_alipay_trade_app_pay("应用", number("6"), "7.00"),
}
for name, order in orders.items():
    result[name] = control("/control/pay", {"order_string": order})
result["unknown"] = client.api_alipay_trade_query(out_trade_no=number("9"))
if is_certified:
    control("/control/deposits", {"merchant": setup["app_id"], "amount_fen": 10000})
    result["transfer"] = client.api_alipay_fund_trans_uni_transfer(
        number("T1"), "ALIPAY_USER_ID", "2088102116770003", "12.34",
    )
    result["transfer_query"] = client.server_api(
        "alipay.fund.trans.common.query",
        {"out_biz_no": number("T1"), "product_code": "TRANS_ACCOUNT_NO_PWD", "biz_scene": "DIRECT_TRANSFER"},
    )
    # 12.34 left; the next day's account bill tells of it, through the library's generic call.
    control_put("/control/clock", {"merchant": setup["app_id"], "now": "2026-10-06T09:30:00+08:00"})
    result["account_bill"] = client.server_api(
        "alipay.data.dataservice.bill.downloadurl.query", {"bill_type": "signcustomer", "bill_date": "2026-10-05"},
    )
    with urllib.request.urlopen(result["account_bill"]["bill_download_url"]) as answer:
        archive = zipfile.ZipFile(io.BytesIO(answer.read()), metadata_encoding="gbk")
    rows = archive.read(archive.namelist()[0]).decode("gb18030").splitlines()
    result["account_rows"] = [row.split(",") for row in rows if not row.startswith("#")][1:]
    result["month_bill"] = client.server_api(
        "alipay.data.dataservice.bill.downloadurl.query", {"bill_type": "trade", "bill_date": "2026-10"},
    )
    result["serials"] = {"app": client.app_cert_sn, "root": client.alipay_root_cert_sn}
print(json.dumps(result, ensure_ascii=False))
