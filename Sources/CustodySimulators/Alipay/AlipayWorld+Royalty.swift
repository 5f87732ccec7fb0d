import CustodyDomain
import CustodyWire

/// Receivers and splits (商家分账).
extension AlipayWorld {
    /// How many receivers one application may have.
    static let relationLimit = 20_000

    /// `alipay.trade.royalty.relation.bind`: needs nobody's consent; binding a bound one changes nothing.
    func bind(_ appID: String, _ content: JSON) throws(Failure) {
        let receivers = try AlipayWorld.receivers(content)
        try change(appID) { merchant, _ throws(Failure) in
            for receiver in receivers where receiver.type == "loginName" && receiver.name == nil {
                throw Failure("ACQ.INVALID_PARAMETER", "分账方为登录号时 name 必传：\(receiver.account)")
            }
            let fresh = receivers.filter { receiver in
                !merchant.relations.contains { $0.type == receiver.type && $0.account == receiver.account }
            }
            guard merchant.relations.count + fresh.count <= AlipayWorld.relationLimit else {
                throw Failure("ACQ.RELATION_QUANTITY_LIMIT", "达到分账关系集数量上限")
            }
            merchant.relations += fresh
        }
    }

    /// `alipay.trade.royalty.relation.unbind`.
    func unbind(_ appID: String, _ content: JSON) throws(Failure) {
        let receivers = try AlipayWorld.receivers(content)
        try change(appID) { merchant, _ throws(Failure) in
            merchant.relations.removeAll { known in
                receivers.contains { $0.type == known.type && $0.account == known.account }
            }
        }
    }

    /// `alipay.trade.royalty.relation.batchquery`: pages of at most 20.
    func relations(_ appID: String, _ content: JSON) throws(Failure) -> JSON {
        let page = max(1, Int(clamping: AlipayWorld.integer(content["page_num"]) ?? 1))
        let size = min(20, max(1, Int(clamping: AlipayWorld.integer(content["page_size"]) ?? 20)))
        return try change(appID) { merchant, _ throws(Failure) in
            let all = merchant.relations
            let part = all.dropFirst((page - 1) * size).prefix(size)
            return .success(
                .init("result_code", "SUCCESS"),
                .init(
                    "receiver_list",
                    .array(
                        part.map {
                            JSON.object([
                                .init("type", .string($0.type)), .init("account", .string($0.account)),
                                .init("name", JSON($0.name)), .init("memo", JSON($0.memo)),
                            ]).omittingNulls
                        })),
                .init("total_page_num", JSON((all.count + size - 1) / size)),
                .init("total_record_num", JSON(all.count)), .init("current_page_num", JSON(page)),
                .init("current_page_size", JSON(part.count)))
        }
    }

    /// `alipay.trade.order.settle`: all or nothing in `sync`, each for itself in `async`.
    ///
    /// - Returns: The trade and the split; whether it is new; whether a message about it is due.
    func settle(
        _ appID: String, _ content: JSON
    ) throws(Failure) -> (trade: AlipayTrade, settlement: AlipaySettlement, isNew: Bool, isAsync: Bool) {
        guard let number = content.alipayText("out_request_no", upTo: 32) else {
            throw Failure("ACQ.INVALID_PARAMETER", "参数无效")
        }
        let mode = content["royalty_mode"]?.string ?? "sync"
        guard mode == "sync" || mode == "async" else { throw Failure("ACQ.INVALID_PARAMETER", "分账模式无效") }
        let isAsync = mode == "async"
        let isLast = content["extend_params"]?.flag("royalty_finish") ?? false
        let asked = try AlipayWorld.details(content, mayBeEmpty: isLast)
        let settleNo = nextNumber(of: appID, kind: "00253")
        return try change(appID) { merchant, now throws(Failure) in
            var trade = try AlipayWorld.opened(content, &merchant, now)
            if let known = trade.settlements.first(where: { $0.outRequestNo == number }) {
                guard known.content == content.sorted else {
                    throw Failure("ACQ.DISCORDANT_REPEAT_REQUEST", "不一致的请求")
                }
                return (trade, known, false, isAsync)
            }
            try AlipayWorld.allows(trade, now)
            var details: [AlipaySettlement.Detail] = []
            for (index, detail) in asked.enumerated() {
                var detail = AlipaySettlement.Detail(
                    type: detail.type, account: detail.account, amount: detail.amount,
                    detailID: "\(settleNo)\(index + 1)", state: .succeeded, executedAt: now)
                let spent = details.filter { $0.state != .failed }.map(\.amount).sum()
                if let failure = AlipayWorld.obstacle(detail, trade, merchant, spent: spent) {
                    guard isAsync else { throw failure }
                    (detail.state, detail.errorCode, detail.errorText) = (.failed, failure.subCode, failure.message)
                } else if merchant.hasMagicAmounts, let rule = AlipayMagic.rule("settle_detail", detail.amount) {
                    let code = rule.parameters["sub_code"]?.string
                    guard isAsync || code == nil else { throw Failure(code ?? "", "账户余额不足") }
                    detail.state = code == nil ? .processing : .failed
                    detail.errorCode = code
                }
                details.append(detail)
            }
            let settlement = AlipaySettlement(
                settleNo: settleNo, outRequestNo: number, content: content.sorted, at: now, details: details)
            trade.settlements.append(settlement)
            for detail in details where detail.state != .failed {
                merchant.move(
                    detail.amount, from: trade.terms?.smid ?? merchant.sellerID, to: detail.account, .split, at: now,
                    of: trade, outNumber: number)
            }
            if isLast { trade.royaltyFinishedAt = now }
            merchant.trades[trade.outTradeNo] = trade
            if isLast { release(trade.outTradeNo, &merchant, now) }
            return (trade, settlement, true, isAsync)
        }
    }

    /// `alipay.trade.order.settle.query`: by `settle_no`, or `out_request_no` with `trade_no`.
    func settlement(_ appID: String, _ content: JSON) throws(Failure) -> AlipaySettlement {
        try change(appID) { merchant, now throws(Failure) in
            if let settleNo = content.alipayText("settle_no") {
                let found = merchant.trades.values.flatMap(\.settlements).first { $0.settleNo == settleNo }
                guard let found else { throw Failure("ACQ.SETTLE_NOT_EXIST", "分账请求不存在") }
                return found
            }
            let trade = try AlipayWorld.opened(content, &merchant, now)
            let number = content["out_request_no"]?.string
            guard let found = trade.settlements.first(where: { $0.outRequestNo == number }) else {
                throw Failure("ACQ.SETTLE_NOT_EXIST", "分账请求不存在")
            }
            return found
        }
    }

    /// Ends what a split left `PROCESSING`.
    func finishProcessing(_ appID: String, outTradeNo: String, outRequestNo: String) -> AlipaySettlement? {
        try? change(appID) { merchant, now throws(Failure) in
            guard var trade = merchant.trades[outTradeNo],
                let index = trade.settlements.firstIndex(where: { $0.outRequestNo == outRequestNo })
            else { throw Failure("ACQ.SETTLE_NOT_EXIST", "分账请求不存在") }
            for part in trade.settlements[index].details.indices
            where trade.settlements[index].details[part].state == .processing {
                trade.settlements[index].details[part].state = .succeeded
                trade.settlements[index].details[part].executedAt = now
            }
            merchant.trades[outTradeNo] = trade
            return trade.settlements[index]
        }
    }

    /// Why one receiver cannot have his part.
    private static func obstacle(
        _ detail: AlipaySettlement.Detail, _ trade: AlipayTrade, _ merchant: AlipayMerchant, spent: Fen
    ) -> Failure? {
        guard merchant.relations.contains(where: { $0.type == detail.type && $0.account == detail.account }) else {
            return Failure("ACQ.ROYALTY_RECEIVER_INVALID", "收入方不在分账关系内")
        }
        let cap = Fen(trade.amount.value * merchant.royaltyRatio / 100)
        guard trade.allocated + spent + detail.amount <= cap, spent + detail.amount <= min(trade.unsettled, trade.held)
        else {
            return Failure("ACQ.ALLOC_AMOUNT_VALIDATE_ERROR", "分账金额超过最大可分账金额")
        }
        return nil
    }

    /// What a receiver may receive for (`royalty_scene`).
    private static let royaltyScenes: Set<String> = ["达人佣金", "平台服务费", "技术服务费", "其他"]

    /// Whether a trade can be split now: paid, confirmed where that is asked for, and not finished.
    private static func allows(_ trade: AlipayTrade, _ now: Instant) throws(Failure) {
        guard trade.paidAt != nil else { throw Failure("ACQ.TRADE_STATUS_ERROR", "交易状态不合法") }
        guard trade.status == .success, trade.royaltyFinishedAt == nil,
            trade.terms?.period == nil || !trade.standing.isEmpty
        else { throw Failure("ACQ.ILLEGAL_SETTLE_STATE", "结算单状态不允许分账") }
    }

    private static func details(
        _ content: JSON, mayBeEmpty: Bool
    ) throws(Failure) -> [(type: String, account: String, amount: Fen)] {
        let parameters = content["royalty_parameters"]?.array ?? []
        guard mayBeEmpty || !parameters.isEmpty else { throw Failure("ACQ.RECEIVER_LIST_EMPTY", "分账收款方列表为空") }
        var details: [(type: String, account: String, amount: Fen)] = []
        for parameter in parameters {
            let type = parameter["trans_in_type"]?.string ?? "userId"
            guard ["userId", "loginName", "openId"].contains(type) else {
                throw Failure("ACQ.INVALID_RECEIVER_TYPE", "分账收款方类型参数非法")
            }
            guard parameter["royalty_type"]?.string ?? "transfer" == "transfer",
                let amount = parameter.alipayAmount("amount"),
                amount > .zero, let account = parameter.alipayText("trans_in")
            else { throw Failure("ACQ.INVALID_PARAMETER", "参数无效") }
            let scene = parameter["royalty_scene"]?.string
            guard scene.map({ royaltyScenes.contains($0) }) ?? true else {
                throw Failure("ACQ.INVALID_PARAMETER", "分账场景无效")
            }
            details.append((type, account, amount))
        }
        return details
    }

    private static func receivers(_ content: JSON) throws(Failure) -> [AlipayReceiver] {
        guard content.alipayText("out_request_no", upTo: 64) != nil else {
            throw Failure("ACQ.INVALID_PARAMETER", "参数无效")
        }
        let list = content["receiver_list"]?.array ?? []
        guard !list.isEmpty else { throw Failure("ACQ.RECEIVER_LIST_EMPTY", "分账收款方列表为空") }
        guard list.count <= 20 else { throw Failure("ACQ.INVALID_PARAMETER", "单次最多 20 个分账方") }
        var receivers: [AlipayReceiver] = []
        for item in list {
            guard let type = item.alipayText("type"), ["userId", "loginName", "openId"].contains(type) else {
                throw Failure("ACQ.INVALID_RECEIVER_TYPE", "分账收款方类型参数非法")
            }
            guard let account = item.alipayText("account"), type != "userId" || account.hasPrefix("2088") else {
                throw Failure("ACQ.USER_NOT_EXIST", "分账接收方不存在")
            }
            receivers.append(
                AlipayReceiver(
                    type: type, account: account, name: item.alipayText("name"), memo: item.alipayText("memo")))
        }
        return receivers
    }

    private static func integer(_ json: JSON?) -> Int64? { json?.integer ?? json?.string.flatMap { Int64($0) } }
}
