"""Walks through a merchant's day at a gateway with Alipay's own SDK, in key mode.

Standard input: {"gateway", "control", "app_id", "private_key", "alipay_public_key", "notify_url", "day"}.
Prints what the SDK made of each verified answer.
"""

import http.client
import io
import json
import sys
import urllib.parse
import urllib.request
import zipfile

from alipay.aop.api.AlipayClientConfig import AlipayClientConfig
from alipay.aop.api.DefaultAlipayClient import DefaultAlipayClient
from alipay.aop.api.domain.AlipayDataDataserviceBillDownloadurlQueryModel import (
    AlipayDataDataserviceBillDownloadurlQueryModel as BillModel,
)
from alipay.aop.api.domain.AlipayTradeCancelModel import AlipayTradeCancelModel
from alipay.aop.api.domain.AlipayTradeCloseModel import AlipayTradeCloseModel
from alipay.aop.api.domain.AlipayTradeCreateModel import AlipayTradeCreateModel
from alipay.aop.api.domain.AlipayTradeFastpayRefundQueryModel import AlipayTradeFastpayRefundQueryModel
from alipay.aop.api.domain.AlipayTradeOrderSettleModel import AlipayTradeOrderSettleModel
from alipay.aop.api.domain.AlipayTradeOrderSettleQueryModel import AlipayTradeOrderSettleQueryModel
from alipay.aop.api.domain.AlipayTradePayModel import AlipayTradePayModel
from alipay.aop.api.domain.AlipayTradePrecreateModel import AlipayTradePrecreateModel
from alipay.aop.api.domain.AlipayTradeQueryModel import AlipayTradeQueryModel
from alipay.aop.api.domain.AlipayTradeRefundModel import AlipayTradeRefundModel
from alipay.aop.api.domain.AlipayTradeRoyaltyRelationBindModel import AlipayTradeRoyaltyRelationBindModel
from alipay.aop.api.domain.OpenApiRoyaltyDetailInfoPojo import OpenApiRoyaltyDetailInfoPojo
from alipay.aop.api.domain.RoyaltyEntity import RoyaltyEntity
from alipay.aop.api.domain.SettleExtendParams import SettleExtendParams
from alipay.aop.api.request.AlipayDataDataserviceBillDownloadurlQueryRequest import (
    AlipayDataDataserviceBillDownloadurlQueryRequest as BillRequest,
)
from alipay.aop.api.request.AlipayTradeCancelRequest import AlipayTradeCancelRequest
from alipay.aop.api.request.AlipayTradeCloseRequest import AlipayTradeCloseRequest
from alipay.aop.api.request.AlipayTradeCreateRequest import AlipayTradeCreateRequest
from alipay.aop.api.request.AlipayTradeFastpayRefundQueryRequest import AlipayTradeFastpayRefundQueryRequest
from alipay.aop.api.request.AlipayTradeOrderSettleQueryRequest import AlipayTradeOrderSettleQueryRequest
from alipay.aop.api.request.AlipayTradeOrderSettleRequest import AlipayTradeOrderSettleRequest
from alipay.aop.api.request.AlipayTradePagePayRequest import AlipayTradePagePayRequest
from alipay.aop.api.request.AlipayTradePayRequest import AlipayTradePayRequest
from alipay.aop.api.request.AlipayTradePrecreateRequest import AlipayTradePrecreateRequest
from alipay.aop.api.request.AlipayTradeQueryRequest import AlipayTradeQueryRequest
from alipay.aop.api.request.AlipayTradeRefundRequest import AlipayTradeRefundRequest
from alipay.aop.api.request.AlipayTradeRoyaltyRelationBindRequest import AlipayTradeRoyaltyRelationBindRequest

from alipay.aop.api.util import WebUtils


def get_http_connection(url, query_string, timeout):
    """The SDK connects to port 80 or 443 alone, and fails over a URL that names one; all else is as it does it."""
    parts = urllib.parse.urlparse(url)
    return f"{url}?{query_string}", http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)


WebUtils.get_http_connection = get_http_connection

setup = json.load(sys.stdin)
config = AlipayClientConfig()
config.server_url = setup["gateway"]
config.app_id = setup["app_id"]
config.app_private_key = setup["private_key"]
config.alipay_public_key = setup["alipay_public_key"]
client = DefaultAlipayClient(config)


def call(request_class, model_class, notify=False, **fields):
    """One exchange; the SDK has verified the answer's signature when this returns."""
    model = model_class()
    for name, value in fields.items():
        setattr(model, name, value)
    request = request_class(biz_model=model)
    if notify:
        request.notify_url = setup["notify_url"]
    return json.loads(client.execute(request))


def control(path, body, method="POST"):
    """The simulator's back door."""
    request = urllib.request.Request(setup["control"] + path, json.dumps(body).encode(), method=method)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def place(number, amount="100.00"):
    return call(
        AlipayTradePrecreateRequest, AlipayTradePrecreateModel, notify=True,
        out_trade_no=number, total_amount=amount, subject="平台订单 & 测试=1+2 \"},\"sign\":\"x",
    )


result = {}
result["precreate"] = place("OF1")
result["unscanned"] = call(AlipayTradeQueryRequest, AlipayTradeQueryModel, out_trade_no="OF1")
control("/control/pay", {"app_id": setup["app_id"], "out_trade_no": "OF1"})
result["query"] = call(AlipayTradeQueryRequest, AlipayTradeQueryModel, out_trade_no="OF1")
result["refund"] = call(
    AlipayTradeRefundRequest, AlipayTradeRefundModel,
    out_trade_no="OF1", out_request_no="OFR1", refund_amount="3.45", refund_reason="退货",
)
result["refund_query"] = call(
    AlipayTradeFastpayRefundQueryRequest, AlipayTradeFastpayRefundQueryModel,
    out_trade_no="OF1", out_request_no="OFR1",
)
result["create"] = call(
    AlipayTradeCreateRequest, AlipayTradeCreateModel, notify=True,
    out_trade_no="OF2", total_amount="1.00", subject="小程序", buyer_id="2088102116773037", product_code="JSAPI_PAY",
)
result["close"] = call(AlipayTradeCloseRequest, AlipayTradeCloseModel, out_trade_no="OF2")
result["closed"] = call(AlipayTradeQueryRequest, AlipayTradeQueryModel, out_trade_no="OF2")
result["pay"] = call(
    AlipayTradePayRequest, AlipayTradePayModel, notify=True,
    out_trade_no="OF3", total_amount="88.88", subject="当面付", scene="bar_code", auth_code="28763443825664394",
)
result["cancel"] = call(AlipayTradeCancelRequest, AlipayTradeCancelModel, out_trade_no="OF3")

receiver = RoyaltyEntity()
receiver.type, receiver.account = "userId", "2088102116770001"
result["bind"] = call(
    AlipayTradeRoyaltyRelationBindRequest, AlipayTradeRoyaltyRelationBindModel,
    receiver_list=[receiver], out_request_no="OFB1",
)
detail = OpenApiRoyaltyDetailInfoPojo()
detail.royalty_type, detail.trans_in_type = "transfer", "userId"
detail.trans_in, detail.amount, detail.desc = "2088102116770001", "20.00", "平台服务费"
extend = SettleExtendParams()
extend.royalty_finish = "true"
result["settle"] = call(
    AlipayTradeOrderSettleRequest, AlipayTradeOrderSettleModel,
    out_request_no="OFS1", trade_no=result["query"]["trade_no"], royalty_parameters=[detail],
    royalty_mode="async", extend_params=extend,
)
result["settle_query"] = call(
    AlipayTradeOrderSettleQueryRequest, AlipayTradeOrderSettleQueryModel, settle_no=result["settle"].get("settle_no"),
)

page = AlipayTradePagePayRequest()
page.biz_content = {
    "out_trade_no": "OF4", "total_amount": "5.00", "subject": "电脑网站", "product_code": "FAST_INSTANT_TRADE_PAY",
}
page.notify_url = setup["notify_url"]
url = client.page_execute(page, http_method="GET")
result["page"] = control("/control/pay", {"order_string": url.split("?", 1)[1]})

next_day = setup["next_day"]
control("/control/clock", {"merchant": setup["app_id"], "now": next_day + "T09:30:00+08:00"}, method="PUT")
result["bill"] = call(BillRequest, BillModel, bill_type="trade", bill_date=setup["day"])
with urllib.request.urlopen(result["bill"]["bill_download_url"]) as answer:
    archive = zipfile.ZipFile(io.BytesIO(answer.read()), metadata_encoding="gbk")
result["entries"] = archive.namelist()
rows = archive.read(archive.namelist()[0]).decode("gb18030").splitlines()
result["rows"] = [[value.strip("\t") for value in row.split(",")] for row in rows if not row.startswith("#")]
print(json.dumps(result, ensure_ascii=False))
