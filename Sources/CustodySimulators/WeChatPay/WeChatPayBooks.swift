import CustodyDomain
import CustodyWire

/// Where all money went that came in for a merchant: told by what was done, and held against what the accounts hold.
struct WeChatPayBooks {
    /// What buyers paid, and what came in otherwise.
    let paid: Fen
    let deposited: Fen
    /// What WeChat Pay kept of it.
    let fees: Fen
    /// What went back to buyers.
    let refunded: Fen
    /// What went to banks and did not come back.
    let withdrawn: Fen
    /// What receivers got that have no account here.
    let outside: Fen
    /// The lumps sent to the bank.
    let remitted: Fen
    /// What all accounts hold.
    let kept: Fen

    init(_ merchant: WeChatPayMerchant) {
        let orders = merchant.orders.values.filter { $0.paidAt != nil }
        let refunds = merchant.refunds.values.filter { $0.status != "CLOSED" }
        paid = orders.map(\.total).sum()
        deposited = merchant.deposited
        refunded = refunds.map(\.amount).sum()
        fees =
            orders.map { WeChatPayMerchant.fee(of: $0.total) }.sum()
            - refunds.map { WeChatPayMerchant.fee(of: $0.amount) }.sum()
        let withdrawals = merchant.withdrawals.values.filter { ["CREATE_SUCCESS", "SUCCESS"].contains($0.status) }
        let dayEnds = merchant.dayEndWithdrawals.values.map { $0.total - $0.failed - $0.returned }
        let closings = merchant.closings.values.filter { ["PAY_PROCESSING", "PAY_SUCCEED"].contains($0.payState) }
        withdrawn = withdrawals.map(\.amount).sum() + dayEnds.sum() + closings.map(\.amount).sum()
        func isOutside(_ account: String) -> Bool {
            account != merchant.mchid && merchant.subMerchants[account] == nil
        }
        let received = merchant.splits.values.flatMap(\.receivers)
            .filter { $0.result == "SUCCESS" && ($0.type != "MERCHANT_ID" || isOutside($0.account)) }
        let returned = merchant.splitReturns.values.filter { $0.result == "SUCCESS" && isOutside($0.returnMchid) }
        outside = received.map(\.amount).sum() - returned.map(\.amount).sum()
        remitted = merchant.lumps.map(\.net).sum()
        kept = merchant.accounts.values.map { $0.available + $0.held }.sum()
    }

    /// Whether nothing was lost and nothing made.
    var isBalanced: Bool { paid + deposited == fees + refunded + withdrawn + outside + remitted + kept }

    var json: JSON {
        [
            "paid_fen": JSON(paid.value), "deposited_fen": JSON(deposited.value), "fees_fen": JSON(fees.value),
            "refunded_fen": JSON(refunded.value), "withdrawn_fen": JSON(withdrawn.value),
            "outside_fen": JSON(outside.value), "remitted_fen": JSON(remitted.value), "kept_fen": JSON(kept.value),
            "balanced": .bool(isBalanced),
        ]
    }
}
