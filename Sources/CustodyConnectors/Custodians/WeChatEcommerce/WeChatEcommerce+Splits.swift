import CustodyDomain
import CustodyWire

/// Splitting what is held (分账), ending it, and taking parts back.
extension WeChatEcommerce {
    /// `POST /v3/ecommerce/profitsharing/orders`, a call per part of the order.
    ///
    /// What the payees themselves get is not sent to anybody: it is set free with the last split. A payee's item in a split
    /// that is not the last cannot be, and is refused. Sent again after the last split, WeChat answers what it did.
    public func split(_ split: SplitInstruction, serial: String) async -> Reply<CustodianResult> {
        let found = await paidParts(of: split.orderNumber)
        guard case .answered(let parts) = found else { return found.reading { _ throws(Doubt) in .absentResult } }
        let isPayee = { (account: String) in parts.contains { $0.subMchid == account } }
        guard split.isLast || !split.items.contains(where: { isPayee($0.account) }) else {
            return .refused(
                Refusal(code: "PAYEE_NOT_LAST", message: "a payee's own money is set free by the last split alone"))
        }
        let plans = WeChatEcommerce.plans(split, parts).filter { split.isLast || !$0.receivers.isEmpty }
        guard !plans.isEmpty else { return .refused(Refusal(code: "PARAM_ERROR", message: "nothing is split")) }
        return await WeChatEcommerce.all(plans) { plan in
            let number = WeChatEcommerce.number(split.number, plan.part)
            guard !plan.receivers.isEmpty else { return await finish(plan.part, number: number) }
            return await self.split(plan, number: number, isLast: split.isLast)
        }
    }

    /// `POST /v3/ecommerce/profitsharing/finish-order` for each part: all that is held becomes the payees'.
    public func confirmSettlement(
        _ confirmation: SettlementConfirmation, serial: String
    ) async -> Reply<CustodianResult> {
        guard confirmation.parts.isEmpty else {
            return .refused(Refusal(code: Refusal.unsupportedCode, message: "WeChat sets an order free as a whole"))
        }
        let found = await paidParts(of: confirmation.orderNumber)
        guard case .answered(let parts) = found else { return found.reading { _ throws(Doubt) in .absentResult } }
        return await WeChatEcommerce.all(parts) { part in
            await finish(part, number: WeChatEcommerce.number(confirmation.number, part))
        }
    }

    /// `GET /v3/ecommerce/profitsharing/orders`, item by item; an item is named by the receiver's account.
    public func querySplit(number: String, orderNumber: String, serial: String) async -> Reply<CustodianSplit> {
        let found = await paidParts(of: orderNumber)
        guard case .answered(let parts) = found else {
            return found.reading { _ throws(Doubt) in CustodianSplit(state: .absent(safeAfter: nil), items: []) }
        }
        var items: [CustodianSplit.Item] = []
        var results: [CustodianResult] = []
        for part in parts {
            let asked = await ask(WeChatEcommerce.number(number, part), part)
            guard case .answered(let answer) = asked else {
                return asked.reading { _ throws(Doubt) in CustodianSplit(state: .succeeded, items: []) }
            }
            guard let answer else { continue }
            do throws(Doubt) {
                let split = try WeChatEcommerce.reading(answer)
                items += split.items
                results.append(split.result)
            } catch { return .unknown(error) }
        }
        guard !results.isEmpty else {
            return .answered(CustodianSplit(state: .absent(safeAfter: nil), items: []))
        }
        let isRunning = results.contains { if case .processing = $0.state { true } else { false } }
        return .answered(CustodianSplit(state: isRunning ? .processing(finishBy: nil) : .succeeded, items: items))
    }

    /// `POST /v3/ecommerce/profitsharing/returnorders` for each item, from a merchant receiver back to the payee.
    public func reverseSplit(_ reversal: SplitReversal, serial: String) async -> Reply<CustodianResult> {
        let found = await paidParts(of: reversal.orderNumber)
        guard case .answered(let parts) = found else { return found.reading { _ throws(Doubt) in .absentResult } }
        let weights = parts.map(\.amount)
        var calls: [JSON] = []
        for item in reversal.items {
            let shares = WeChatEcommerce.apportioned(item.amount, by: weights)
            for (part, share) in zip(parts, shares) where share > .zero {
                calls.append([
                    "sub_mchid": .string(part.subMchid),
                    "out_order_no": .string(WeChatEcommerce.number(reversal.splitNumber, part)),
                    "return_mchid": .string(item.account), "amount": JSON(share.value), "description": "退款",
                ])
            }
        }
        let isOne = calls.count == 1
        return await WeChatEcommerce.all(Array(calls.enumerated())) { index, call in
            let number = isOne ? reversal.number : "\(reversal.number)-\(index + 1)"
            let body = JSON.object((call.members ?? []) + [.init("out_return_no", .string(number))])
            return await pay.exchange.call("POST", "/v3/ecommerce/profitsharing/returnorders", body: body.bytes)
                .reading(WeChatEcommerce.returned)
        }
    }

    /// What one part of an order sends to whom.
    struct Plan {
        let part: Part
        var receivers: [(account: String, amount: Fen)]
    }

    /// Divides a split over the parts of its order.
    static func plans(_ split: SplitInstruction, _ parts: [Part]) -> [Plan] {
        var plans = parts.map { Plan(part: $0, receivers: []) }
        let own = parts.map { part in split.items.filter { $0.account == part.subMchid }.map(\.amount).sum() }
        let weights = own.sum() > .zero ? own : parts.map(\.amount)
        for item in split.items where !parts.contains(where: { $0.subMchid == item.account }) {
            for (index, share) in apportioned(item.amount, by: weights).enumerated() where share > .zero {
                plans[index].receivers.append((item.account, share))
            }
        }
        return plans
    }

    private func split(_ plan: Plan, number: String, isLast: Bool) async -> Reply<CustodianResult> {
        let receivers = plan.receivers.map { receiver -> JSON in
            [
                "type": "MERCHANT_ID", "receiver_account": .string(receiver.account),
                "amount": JSON(receiver.amount.value), "description": "分账",
            ]
        }
        let body: JSON = [
            "appid": .string(link.appid), "sub_mchid": .string(plan.part.subMchid),
            "transaction_id": JSON(plan.part.payment.transactionNumber), "out_order_no": .string(number),
            "receivers": .array(receivers), "finish": .bool(isLast),
        ]
        return await pay.exchange.call("POST", "/v3/ecommerce/profitsharing/orders", body: body.bytes)
            .reading { answer throws(Doubt) in
                guard answer["out_order_no"]?.string == number else {
                    throw Doubt(.malformedAnswer, "the answer is about another split")
                }
                return try WeChatEcommerce.reading(answer).result
            }
    }

    private func finish(_ part: Part, number: String) async -> Reply<CustodianResult> {
        let body: JSON = [
            "sub_mchid": .string(part.subMchid), "transaction_id": JSON(part.payment.transactionNumber),
            "out_order_no": .string(number), "description": "分账完结",
        ]
        return await pay.exchange.call("POST", "/v3/ecommerce/profitsharing/finish-order", body: body.bytes)
            .reading { answer throws(Doubt) in
                guard answer["out_order_no"]?.string == number else {
                    throw Doubt(.malformedAnswer, "the answer is about another split")
                }
                return CustodianResult(
                    state: .succeeded, bankNumber: try answer.required("order_id"), bankDate: nil)
            }
    }

    /// A split by its number; nil when WeChat does not have it.
    func ask(_ number: String, _ part: Part) async -> Reply<JSON?> {
        let target =
            "/v3/ecommerce/profitsharing/orders?sub_mchid=\(PercentEncoding.encoded(part.subMchid))"
            + "&transaction_id=\(PercentEncoding.encoded(part.payment.transactionNumber ?? ""))"
            + "&out_order_no=\(PercentEncoding.encoded(number))"
        return await pay.exchange.call("GET", target).reading(orAbsent: nil) { answer throws(Doubt) in
            guard answer["out_order_no"]?.string == number, answer["sub_mchid"]?.string == part.subMchid else {
                throw Doubt(.malformedAnswer, "the answer is about another split")
            }
            return answer
        }
    }

    /// Reads a split. `FINISHED` means carried out, not that anybody got anything: that is with the receivers.
    static func reading(_ answer: JSON) throws(Doubt) -> (result: CustodianResult, items: [CustodianSplit.Item]) {
        var items: [CustodianSplit.Item] = []
        for receiver in answer["receivers"]?.array ?? [] {
            let state: CustodianResult.State
            switch receiver["result"]?.string {
            case "PENDING": state = .processing(finishBy: nil)
            case "SUCCESS": state = .succeeded
            case "CLOSED":
                state = .failed(
                    Refusal(code: receiver["fail_reason"]?.string ?? "CLOSED", message: "the receiver got nothing"))
            default: throw Doubt(.malformedAnswer, "result of a receiver")
            }
            items.append(.init(number: try receiver.required("receiver_account"), state: state))
        }
        let state: CustodianResult.State
        switch answer["status"]?.string {
        case "PROCESSING": state = .processing(finishBy: nil)
        case "FINISHED":
            let failures = items.compactMap { item -> Refusal? in
                if case .failed(let refusal) = item.state { refusal } else { nil }
            }
            if let first = failures.first {
                // Some may have got theirs: item by item is asked by querySplit.
                state = .failed(
                    failures.count == items.count
                        ? first : Refusal(code: "PARTLY_CLOSED", message: "some receivers got nothing: \(first.code)"))
            } else {
                state = .succeeded
            }
        default: throw Doubt(.malformedAnswer, "status of a split")
        }
        return (CustodianResult(state: state, bankNumber: answer["order_id"]?.string, bankDate: nil), items)
    }

    /// Reads a return.
    static func returned(_ answer: JSON) throws(Doubt) -> CustodianResult {
        let state: CustodianResult.State
        switch answer["result"]?.string {
        case "PROCESSING": state = .processing(finishBy: nil)
        case "SUCCESS": state = .succeeded
        case "FAIL", "FAILED":
            state = .failed(Refusal(code: answer["fail_reason"]?.string ?? "FAILED", message: "nothing came back"))
        default: throw Doubt(.malformedAnswer, "result of a return")
        }
        let number = answer["return_no"] ?? answer["return_id"]
        return CustodianResult(state: state, bankNumber: number?.string, bankDate: nil)
    }
}
