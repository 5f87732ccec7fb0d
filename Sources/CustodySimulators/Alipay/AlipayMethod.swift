import CustodyDomain
import CustodyWire

/// A verified call of the gateway.
struct AlipayCall: Sendable {
    let appID: String
    let method: String
    let content: JSON
    let notifyURL: String?
    /// Our own address, for what can be downloaded.
    let base: String
    /// Encrypts the answer as the request was encrypted.
    let cipher: AlipayCipher?
    /// A picture that came along.
    let image: AlipayImageUpload?

    /// The name of the node that answers it.
    var node: String { method.replacing(".", with: "_") + "_response" }

    /// What a fault rule names it by.
    var serial: String? {
        content["out_request_no"]?.string ?? content["out_trade_no"]?.string ?? content["out_biz_no"]?.string
            ?? content["external_id"]?.string ?? content["bill_type"]?.string
    }

    /// The amount a fault rule matches.
    var amount: Fen? {
        content.alipayAmount("refund_amount") ?? content.alipayAmount("total_amount")
            ?? content.alipayAmount("trans_amount")
    }
}

/// The gateway's methods that answer signed JSON, by what `/control/faults` calls them.
enum AlipayMethod: String, Sendable {
    case precreate, create, pay, query, close, cancel, refund, settle, bill, transfer
    case refundQuery = "refund_query"
    case settleQuery = "settle_query"
    case unsettledQuery = "onsettle_query"
    case settleConfirm = "settle_confirm"
    case bind = "royalty_bind"
    case unbind = "royalty_unbind"
    case relations = "royalty_query"
    case ratio = "royalty_rate"
    case transferQuery = "transfer_query"
    case balance = "account_query"
    case apply = "zft_create"
    case applySimply = "zft_simplecreate"
    case modify = "zft_modify"
    case changeAccount = "zft_settlement"
    case applicationQuery = "zft_order_query"
    case accountQuery = "zft_account_query"
    case delete = "zft_delete"
    case applyQuickly = "zft_quickcreate"
    case consult = "zft_consult"
    case upgrade = "zft_upgrade"
    case detectCard = "zft_card_detect"
    case unbindAccount = "zft_settlement_unbind"
    case uploadImage = "image_upload"
    case cancelConfirmation = "settle_confirm_cancel"
    case receivables = "receivables_query"
    case certificate

    /// The method with a name of the gateway's.
    init?(method: String) {
        guard let found = AlipayMethod.names[method] else { return nil }
        self = found
    }

    private static let names: [String: AlipayMethod] = [
        "alipay.trade.precreate": .precreate, "alipay.trade.create": .create, "alipay.trade.pay": .pay,
        "alipay.trade.query": .query, "alipay.trade.close": .close, "alipay.trade.cancel": .cancel,
        "alipay.trade.refund": .refund, "alipay.trade.fastpay.refund.query": .refundQuery,
        "alipay.trade.order.settle": .settle, "alipay.trade.order.settle.query": .settleQuery,
        "alipay.trade.order.onsettle.query": .unsettledQuery, "alipay.trade.settle.confirm": .settleConfirm,
        "alipay.trade.royalty.relation.bind": .bind, "alipay.trade.royalty.relation.unbind": .unbind,
        "alipay.trade.royalty.relation.batchquery": .relations, "alipay.trade.royalty.rate.query": .ratio,
        "alipay.fund.trans.uni.transfer": .transfer, "alipay.fund.trans.common.query": .transferQuery,
        "alipay.fund.account.query": .balance, "alipay.data.dataservice.bill.downloadurl.query": .bill,
        "alipay.open.app.alipaycert.download": .certificate,
        "ant.merchant.expand.indirect.zft.create": .apply,
        "ant.merchant.expand.indirect.zft.simplecreate": .applySimply,
        "ant.merchant.expand.indirect.zft.modify": .modify,
        "ant.merchant.expand.indirect.zft.settlementmodify": .changeAccount,
        "ant.merchant.expand.indirect.zftorder.query": .applicationQuery,
        "ant.merchant.expand.indirect.zftsubsettle.query": .accountQuery,
        "ant.merchant.expand.indirect.zft.delete": .delete,
        "ant.merchant.expand.indirect.zft.quickcreate": .applyQuickly,
        "ant.merchant.expand.indirect.zft.consult": .consult,
        "ant.merchant.expand.indirect.zft.upgrade": .upgrade,
        "ant.merchant.expand.indirect.zftsettlecard.detect": .detectCard,
        "ant.merchant.expand.zft.settlement.unbind": .unbindAccount,
        AlipayImageUpload.method: .uploadImage,
        "alipay.trade.settle.confirm.cancel": .cancelConfirmation,
        "alipay.trade.settle.receivables.query": .receivables,
    ]
}
