"""Opens a sub-merchant of 直付通 and settles an order of its with Alipay's own SDK, contents encrypted where a key is given.

Standard input: {"gateway", "control", "app_id", "private_key", "alipay_public_key", "notify_url", "encrypt_key"?}.
Prints what the SDK made of each verified answer.
"""

import http.client
import io
import json
import sys
import urllib.parse
import urllib.request
import zipfile
from importlib import import_module

from alipay.aop.api.AlipayClientConfig import AlipayClientConfig
from alipay.aop.api.DefaultAlipayClient import DefaultAlipayClient
from alipay.aop.api.FileItem import FileItem
from alipay.aop.api.util import EncryptUtils, WebUtils


def get_http_connection(url, query_string, timeout):
    """The SDK connects to port 80 or 443 alone, and fails over a URL that names one; all else is as it does it."""
    parts = urllib.parse.urlparse(url)
    return f"{url}?{query_string}", http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)


class BytesAES:
    """The SDK gives its IV as text, which its cipher's library no longer takes; all else is as it does it."""

    block_size, MODE_CBC = EncryptUtils.AES.block_size, EncryptUtils.AES.MODE_CBC
    original = EncryptUtils.AES

    @staticmethod
    def new(key, mode, iv):
        cipher = BytesAES.original.new(key, mode, iv.encode())
        encrypt = cipher.encrypt
        return type("Cipher", (), {
            "encrypt": staticmethod(lambda text: encrypt(text.encode() if isinstance(text, str) else text)),
            "decrypt": staticmethod(cipher.decrypt),
        })


WebUtils.get_http_connection = get_http_connection
EncryptUtils.AES = BytesAES

setup = json.load(sys.stdin)
config = AlipayClientConfig()
config.server_url = setup["gateway"]
config.app_id = setup["app_id"]
config.app_private_key = setup["private_key"]
config.alipay_public_key = setup["alipay_public_key"]
if "encrypt_key" in setup:
    config.encrypt_type, config.encrypt_key = "AES", setup["encrypt_key"]
client = DefaultAlipayClient(config)


def call(name, /, notify=False, **fields):
    """One exchange, by the name of the SDK's request; its model has every field of ours, or this fails."""
    model = getattr(import_module(f"alipay.aop.api.domain.{name}Model"), f"{name}Model")()
    for field, value in fields.items():
        assert hasattr(model, field), f"{name} has no {field}"
        setattr(model, field, value)
    request = getattr(import_module(f"alipay.aop.api.request.{name}Request"), f"{name}Request")(biz_model=model)
    if notify:
        request.notify_url = setup["notify_url"]
    return json.loads(client.execute(request))


def domain(name, /, **fields):
    value = getattr(import_module(f"alipay.aop.api.domain.{name}"), name)()
    for field, content in fields.items():
        assert hasattr(value, field), f"{name} has no {field}"
        setattr(value, field, content)
    return value


def control(path, body, method="POST"):
    """The simulator's back door."""
    request = urllib.request.Request(setup["control"] + path, json.dumps(body).encode(), method=method)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def clock(now):
    control("/control/clock", {"merchant": setup["app_id"], "now": now}, method="PUT")


def bill(kind, day):
    """The rows of a bill's detail file, header first."""
    answer = call("AlipayDataDataserviceBillDownloadurlQuery", bill_type=kind, bill_date=day)
    with urllib.request.urlopen(answer["bill_download_url"]) as file:
        archive = zipfile.ZipFile(io.BytesIO(file.read()), metadata_encoding="gbk")
    detail = [name for name in archive.namelist() if not name.endswith("(汇总).csv")]
    rows = archive.read(detail[0]).decode("gb18030").splitlines()
    return [[value.strip("\t") for value in row.split(",")] for row in rows if not row.startswith("#")]


result = {}
upload = getattr(
    import_module("alipay.aop.api.request.AntMerchantExpandIndirectImageUploadRequest"),
    "AntMerchantExpandIndirectImageUploadRequest",
)()
upload.image_type = "png"
upload.image_content = FileItem("licence.png", b"\x89PNG\r\n\x1a\n\x00\xff", "image/png")
result["image"] = json.loads(client.execute(upload))

card = domain("SettleCardInfo", account_no="6222000000001234", account_holder_name="测试商行", usage_type="01")
rule = domain("DefaultSettleRule", default_settle_type="bankCard", default_settle_target="6222000000001234")
form = dict(
    external_id="DM1", name="测试商行", alias_name="测试", mcc="A0001_B0199", service=["当面付"],
    contact_infos=[domain("ContactInfo", name="李四", mobile="13800000000")], biz_cards=[card],
    default_settle_rule=rule,
)
certificate = dict(
    merchant_type="01", cert_type="201", cert_no="91310000MA1K000000", cert_name="测试商行", legal_name="张三",
    legal_cert_no="310101199001010011", cert_image=result["image"]["image_id"],
)
result["consult"] = call("AntMerchantExpandIndirectZftConsult", **form, **certificate)
result["create"] = call("AntMerchantExpandIndirectZftCreate", **form, **certificate)
result["quick"] = call("AntMerchantExpandIndirectZftQuickcreate", **(form | {"external_id": "DM2"}))
clock("2026-10-05T11:01:00+08:00")
result["orders"] = call("AntMerchantExpandIndirectZftorderQuery", external_id="DM1")
smid = result["orders"]["orders"][0]["smid"]
result["card"] = call(
    "AntMerchantExpandIndirectZftsettlecardDetect", smid=smid, account_no="6222000000001234",
    account_holder_name="测试商行",
)
result["account"] = call("AntMerchantExpandIndirectZftsubsettleQuery", smid=smid)

detail = domain("SettleDetailInfo", trans_in_type="defaultSettle", amount="100.00")
call(
    "AlipayTradePrecreate", notify=True, out_trade_no="D1", total_amount="100.00", subject="直付通",
    sub_merchant=domain("SubMerchant", merchant_id=smid),
    settle_info=domain("SettleInfo", settle_detail_infos=[detail], settle_period_time="30d"),
)
control("/control/pay", {"app_id": setup["app_id"], "out_trade_no": "D1"})
trade = call("AlipayTradeQuery", out_trade_no="D1")["trade_no"]
receiver = domain("RoyaltyEntity", type="userId", account="2088102116770001")
call("AlipayTradeRoyaltyRelationBind", receiver_list=[receiver], out_request_no="DB1")
result["rate"] = call("AlipayTradeRoyaltyRateQuery", out_request_no="DQ1")
result["relations"] = call(
    "AlipayTradeRoyaltyRelationBatchquery", out_request_no="DQ2", page_num=1, page_size=20)
detail.actual_amount = "60.00"
result["confirm"] = call(
    "AlipayTradeSettleConfirm", out_request_no="DC1", trade_no=trade,
    settle_info=domain("SettleInfo", settle_detail_infos=[detail]),
    extend_params=domain("SettleConfirmExtendParams", royalty_freeze="true"),
)
result["receivables"] = call(
    "AlipayTradeSettleReceivablesQuery", out_request_no="DQ3", trade_no=trade)
result["splittable"] = call("AlipayTradeOrderOnsettleQuery", trade_no=trade)
share = domain(
    "OpenApiRoyaltyDetailInfoPojo", royalty_type="transfer", trans_in_type="userId", trans_in="2088102116770001",
    amount="10.00", royalty_scene="平台服务费",
)
result["settle"] = call(
    "AlipayTradeOrderSettle", out_request_no="DS1", trade_no=trade, royalty_parameters=[share], royalty_mode="async",
    extend_params=domain("SettleExtendParams", royalty_finish="true"),
)
detail.actual_amount = "40.00"
result["confirm_rest"] = call(
    "AlipayTradeSettleConfirm", out_request_no="DC2", trade_no=trade,
    settle_info=domain("SettleInfo", settle_detail_infos=[detail]),
)
result["cancel"] = call("AlipayTradeSettleConfirmCancel", trade_no=trade, ori_request_no="DC2")
result["settled"] = call("AlipayTradeQuery", out_trade_no="D1", query_options=["trade_settle_info"])
control("/control/deposits", {"merchant": setup["app_id"], "amount_fen": 5000})
clock("2026-10-07T09:30:00+08:00")
result["trades"] = bill("trade_zft_merchant", "2026-10-05")
result["accounts"] = bill("zft_acc", "2026-10-05")
result["platform"] = bill("signcustomer", "2026-10-05")
result["settlements"] = bill("settlementMerge", "2026-10-06")
result["empty"] = call("AlipayDataDataserviceBillDownloadurlQuery", bill_type="trade", bill_date="2026-10-05")
print(json.dumps(result, ensure_ascii=False))
