import CustodyDomain
import CustodyWire

/// Something a market wants done outside its books.
enum CCBEffect: Sendable {
    case notify(kind: String, body: JSON)
    case finishRefund(String, at: Instant)
    case confirm(String, at: Instant)
}

/// What the bank answers.
struct CCBAnswer: Sendable {
    let body: JSON

    static func accepted(_ fields: JSON) -> CCBAnswer {
        CCBAnswer(body: .object([.init("Svc_Rsp_St", "00")] + (fields.omittingNulls.members ?? [])))
    }

    static func refused(_ code: String, _ message: String) -> CCBAnswer {
        CCBAnswer(
            body: ["Svc_Rsp_St": "01", "Svc_Rsp_Cd": .string(code), "Rsp_Inf": .string(message)])
    }
}

/// A share of an order.
struct CCBPart: Sendable {
    let merchant: String
    let amount: Fen
    var refunded = Fen.zero
}

/// An order the bank collects.
struct CCBOrder: Sendable {
    let number: String
    let primary: String
    let payment: String
    let subOrder: String
    let amount: Fen
    var parts: [CCBPart]
    let expiresAt: Instant
    /// 1 to pay, 2 paid, 4 expired.
    var state = "1"
    var paidAt: Instant?
    /// When its receipt of goods counts as confirmed, said or not.
    let confirmBy: Instant
    /// Who got what once it was confirmed; empty until then.
    var splits: [CCBSplit] = []
    var confirmedAt: Instant?
    /// What was given back before it was split, which is charged no fee.
    var feeReturned = Fen.zero

    var isConfirmed: Bool { confirmedAt != nil }
    var refunded: Fen { parts.map(\.refunded).sum() }
    /// 0.60 % of what was paid, rounded half up: the payee's to bear.
    var fee: Fen { CCBMarket.fee(of: amount) }
}

/// What a merchant got of an order.
struct CCBSplit: Sendable {
    let number: String
    let merchant: String
    /// Its part before fees.
    let share: Fen
    let fee: Fen

    var amount: Fen { share - fee }
}

/// A refund of an order.
struct CCBRefund: Sendable {
    let order: String
    let content: JSON
    /// 00 done, 01 failed, 02 delayed, 03 uncertain, 04 to confirm.
    var state: String
    let number: String
    var parts: [CCBPart]
    /// Whether the merchants had their money already.
    let isAfterSplit: Bool
}

/// One market at the bank. A value: the simulator guards it with a lock.
struct CCBMarket: Sendable {
    let marketID: String
    var merchants: [String: JSON] = [:]
    var orders: [String: CCBOrder] = [:]
    var refunds: [String: CCBRefund] = [:]
    /// What merchants gave back of what they had been paid.
    var spent: [String: Fen] = [:]
    var effects: [CCBEffect] = []
    private var journals: Set<String> = []
    private var counter = 0

    init(marketID: String) { self.marketID = marketID }

    /// A fee of 0.60 %, rounded half up.
    static func fee(of amount: Fen) -> Fen { Fen((amount.value * 60 + 5000) / 10_000) }

    mutating func next(_ prefix: String) -> String {
        counter += 1
        let digits = String(counter)
        return prefix + marketID + String(repeating: "0", count: max(0, 10 - digits.count)) + digits
    }

    mutating func takeEffects() -> [CCBEffect] {
        defer { effects = [] }
        return effects
    }

    mutating func execute(_ function: String, _ message: JSON, now: Instant, fault: FaultRule?) -> CCBAnswer {
        guard let journal = message["Ittparty_Jrnl_No"]?.string, journal.utf8.count <= 32,
            journals.insert(journal).inserted
        else { return .refused("JRNL_REPEATED", "流水号重复") }
        do throws(BankRefusal) {
            switch function {
            case "gatherPlaceorder": return try place(message, now: now)
            case "gatherEnquireOrder": return enquire(try message.field("Main_Ordr_No"), now: now)
            case "refundOrder": return try refund(message, now: now, fault: fault)
            case "enquireRefundOrder":
                let number = try message.field("Cust_Rfnd_Trcno")
                // Early, the bank may not find what it has.
                guard fault?.fault != "not_found" else {
                    return .accepted(["Cust_Rfnd_Trcno": .string(number), "Refund_Rsp_St": "05"])
                }
                return .accepted(refundBody(number))
            case "mergeNoticeArrival": return try confirm(message, now: now)
            case "subAccountEnquire": return try shares(message)
            case "enquireMkMrchOrder":
                let wanted = message["Mkt_Mrch_Id"]?.string
                let found = merchants.sorted { $0.key < $1.key }.filter { wanted == nil || $0.key == wanted }
                return .accepted(["Mrch_List": .array(found.map(\.value))])
            default: return .refused("NO_FUNCTION", function)
            }
        } catch {
            return .refused(error.code, error.message)
        }
    }

    private mutating func place(_ message: JSON, now: Instant) throws(BankRefusal) -> CCBAnswer {
        let number = try message.field("Main_Ordr_No")
        let amount = try message.yuan("Txn_Tamt")
        if let known = orders[number] {
            guard known.amount == amount else { throw BankRefusal("ORDER_DIFFERS", "订单已存在") }
            return .accepted(placed(known))
        }
        guard ["01", "03", "05", "07"].contains(try message.field("Pymd_Cd")),
            try message.field("Ccy") == "156",
            let seconds = Int64(try message.field("Order_Time_Out"))
        else { throw BankRefusal("PARAM", "Pymd_Cd, Ccy or Order_Time_Out") }
        let list = try message.list("Orderlist", upTo: 1)
        var parts: [CCBPart] = []
        for part in try list[0].list("Parlist", upTo: 20) {
            let merchant = try part.field("Mkt_Mrch_Id")
            guard merchants[merchant] != nil else { throw BankRefusal("NO_MERCHANT", merchant) }
            parts.append(CCBPart(merchant: merchant, amount: try part.yuan("Amt")))
        }
        guard parts.map(\.amount).sum() == amount, try list[0].yuan("Txnamt") == amount else {
            throw BankRefusal("PARLIST", "分账金额与订单金额不符")
        }
        guard Set(parts.map(\.merchant)).count == parts.count else { throw BankRefusal("PARLIST", "商户重复") }
        // Three years when nothing is said.
        let today = BusinessDate(of: now)
        var confirmBy = today.advanced(by: 3 * 365)
        if message["Clrg_Dt"] != nil {
            guard let date = BusinessDate(try message.field("Clrg_Dt")), date >= today else {
                throw BankRefusal("PARAM", "Clrg_Dt")
            }
            confirmBy = date
        }
        let order = CCBOrder(
            number: number, primary: next("PR"), payment: next("PY"), subOrder: next("SO"), amount: amount,
            parts: parts, expiresAt: now + .seconds(seconds), confirmBy: confirmBy.advanced(by: 1).start)
        orders[number] = order
        return .accepted(placed(order))
    }

    private func placed(_ order: CCBOrder) -> JSON {
        [
            "Main_Ordr_No": .string(order.number), "Prim_Ordr_No": .string(order.primary),
            "Py_Trn_No": .string(order.payment), "Ordr_Amt": .string(order.amount.yuan),
            "Cshdk_Url": .string("https://bank.example/cashdesk/" + order.payment),
            "Orderlist": [["Cmdty_Ordr_No": .string(order.number + "01"), "Sub_Ordr_Id": .string(order.subOrder)]],
        ]
    }

    private mutating func enquire(_ number: String, now: Instant) -> CCBAnswer {
        guard var order = orders[number] else {
            return .accepted(["Main_Ordr_No": .string(number), "Ordr_Stcd": "5"])
        }
        if order.state == "1", order.expiresAt <= now { order.state = "4" }
        orders[number] = order
        return .accepted(orderBody(order))
    }

    private func orderBody(_ order: CCBOrder) -> JSON {
        ([
            "Main_Ordr_No": .string(order.number), "Prim_Ordr_No": .string(order.primary),
            "Py_Trn_No": .string(order.payment), "Ordr_Amt": .string(order.amount.yuan),
            "Txnamt": .string(order.amount.yuan), "Ordr_Stcd": .string(order.state),
            "Pay_Time": JSON(order.paidAt?.shanghaiCompact),
            "Orderlist": [["Cmdty_Ordr_No": .string(order.number + "01"), "Sub_Ordr_Id": .string(order.subOrder)]],
        ] as JSON).omittingNulls
    }

    /// The buyer pays; whether there was something to pay.
    mutating func pay(_ number: String, now: Instant) -> Bool {
        guard var order = orders[number], order.state == "1", order.expiresAt > now else { return false }
        order.state = "2"
        order.paidAt = now
        orders[number] = order
        effects.append(.notify(kind: "payment", body: stamped(orderBody(order), now)))
        effects.append(.confirm(number, at: order.confirmBy))
        return true
    }

    private func stamped(_ body: JSON, _ now: Instant) -> JSON {
        .object(
            [.init("Ittparty_Tms", .string(now.shanghaiCompactMilliseconds)), .init("Mkt_Id", .string(marketID))]
                + (body.members ?? []).filter { $0.name != "Orderlist" })
    }

    private mutating func refund(
        _ message: JSON, now: Instant, fault: FaultRule?
    ) throws(BankRefusal) -> CCBAnswer {
        let number = try message.field("Cust_Rfnd_Trcno")
        let content = JSON.object(
            (message.members ?? []).filter { !["Ittparty_Tms", "Ittparty_Jrnl_No", "Sign_Inf"].contains($0.name) })
        if let known = refunds[number] {
            // The same number is refunded once, whatever was answered the first time.
            guard known.content == content else { throw BankRefusal("REFUND_DIFFERS", "退款流水号已存在") }
            return .accepted(refundBody(number))
        }
        let payment = try message.field("Py_Trn_No")
        guard var order = orders.values.first(where: { $0.payment == payment }), order.state == "2" else {
            throw BankRefusal("NO_ORDER", payment)
        }
        let amount = try message.yuan("Rfnd_Amt")
        let list = try message.list("Sub_Ordr_List", upTo: 1)
        guard try list[0].field("Sub_Ordr_Id") == order.subOrder else { throw BankRefusal("NO_SUB_ORDER", "") }
        var given: [CCBPart] = []
        for item in try list[0].list("Parlist", upTo: 20) {
            let merchant = try item.field("Mkt_Mrch_Id")
            let part = try item.yuan("Amt")
            guard let index = order.parts.firstIndex(where: { $0.merchant == merchant }),
                order.parts[index].refunded + part <= order.parts[index].amount
            else { throw BankRefusal("OVER_REFUND", "退款金额超限") }
            order.parts[index].refunded += part
            if order.isConfirmed { spent[merchant, default: .zero] += part }
            given.append(CCBPart(merchant: merchant, amount: part))
        }
        guard given.map(\.amount).sum() == amount else { throw BankRefusal("PARLIST", "分账金额与退款金额不符") }
        orders[order.number] = order
        let states = ["delayed": "02", "uncertain": "03", "to_confirm": "04", "failed": "0a", "processing": "0a"]
        let state = states[fault?.fault ?? ""] ?? "00"
        refunds[number] = CCBRefund(
            order: order.number, content: content, state: state, number: next("RF"), parts: given,
            isAfterSplit: order.isConfirmed)
        if state == "00" {
            finish(number)
            effects.append(.notify(kind: "refund", body: stamped(refundBody(number), now)))
        } else if fault?.fault != "processing" {
            if fault?.fault == "failed" { failing.insert(number) }
            effects.append(
                .finishRefund(number, at: now + .seconds(fault?.parameters["seconds"]?.integer ?? 1800)))
        }
        return .accepted(refundBody(number))
    }

    /// Refunds that will fail.
    private var failing: Set<String> = []

    mutating func finishRefund(_ number: String, now: Instant) {
        guard var refund = refunds[number], refund.state != "00", refund.state != "01" else { return }
        refund.state = failing.contains(number) ? "01" : "00"
        refunds[number] = refund
        if refund.state == "01" {
            for given in refund.parts {
                if let index = orders[refund.order]?.parts.firstIndex(where: { $0.merchant == given.merchant }) {
                    orders[refund.order]?.parts[index].refunded -= given.amount
                }
                if refund.isAfterSplit { spent[given.merchant, default: .zero] -= given.amount }
            }
        } else {
            finish(number)
        }
        effects.append(.notify(kind: "refund", body: stamped(refundBody(number), now)))
    }

    /// A refund before the split takes its share of the fee back with it.
    private mutating func finish(_ number: String) {
        guard let refund = refunds[number], !refund.isAfterSplit else { return }
        orders[refund.order]?.feeReturned += CCBMarket.fee(of: refund.parts.map(\.amount).sum())
    }

    func refundBody(_ number: String) -> JSON {
        guard let refund = refunds[number] else {
            return ["Cust_Rfnd_Trcno": .string(number), "Refund_Rsp_St": "05"]
        }
        return
            ([
                "Cust_Rfnd_Trcno": .string(number), "Rfnd_Trcno": .string(refund.number),
                "Refund_Rsp_St": .string(refund.state),
                "Refund_Funds_Source": refund.state == "00" ? (refund.isAfterSplit ? "02" : "01") : .null,
            ] as JSON).omittingNulls
    }

    private mutating func confirm(_ message: JSON, now: Instant) throws(BankRefusal) -> CCBAnswer {
        let order = try order(ofPrimary: try message.field("Prim_Ordr_No"))
        guard order.state == "2", try message.field("Sub_Ordr_Id") == order.subOrder else {
            throw BankRefusal("NO_ORDER", "订单未支付")
        }
        guard split(order.number, now: now) else { throw BankRefusal("REFUND_OPEN", "退款处理中") }
        return .accepted(["Prim_Ordr_No": .string(order.primary), "Clrg_Dt": .string(BusinessDate(of: now).compact)])
    }

    private func shares(_ message: JSON) throws(BankRefusal) -> CCBAnswer {
        let order = try order(ofPrimary: try message.field("Prim_Ordr_No"))
        let list = order.parts.map { part -> JSON in
            [
                "Mkt_Mrch_Id": .string(part.merchant), "Amt": .string((part.amount - part.refunded).yuan),
                "Clrg_Stcd": order.isConfirmed ? "2" : "1",
            ]
        }
        return .accepted(["Clrg_List": .array(list)])
    }

    private func order(ofPrimary primary: String) throws(BankRefusal) -> CCBOrder {
        guard let order = orders.values.first(where: { $0.primary == primary }) else {
            throw BankRefusal("NO_ORDER", primary)
        }
        return order
    }

    /// A merchant signs, changes or leaves; the platform is told. Returns the bank's number of it.
    mutating func sign(_ body: JSON, now: Instant) throws(BankRefusal) -> String {
        let operation = body["operation"]?.string ?? "01"
        let number = body["mkt_mrch_id"]?.string ?? nextMerchant()
        guard ["01", "02", "03"].contains(operation), operation == "01" || merchants[number] != nil else {
            throw BankRefusal("PARAM", "operation")
        }
        let merchant: JSON = [
            "Opr_Tp": .string(operation), "Mkt_Mrch_Id": .string(number),
            "Mkt_Mrch_Nm": .string(try body.field("name")), "Crdt_No": JSON(body["cert_no"]?.string),
            "Clrg_Acc_No": JSON(body["account"]?.string),
        ]
        merchants[number] = merchant.omittingNulls
        effects.append(.notify(kind: "merchant", body: stamped(merchant.omittingNulls, now)))
        return number
    }
}
