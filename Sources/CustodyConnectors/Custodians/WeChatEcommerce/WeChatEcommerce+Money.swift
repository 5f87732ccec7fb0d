import CustodyDomain
import CustodyWire

/// Withdrawals, balances and files.
extension WeChatEcommerce {
    /// `POST /v3/ecommerce/fund/withdraw`, or `/v3/merchant/fund/withdraw` for the platform's own money.
    ///
    /// `SUCCESS` is not final: days later a withdrawal may have come back (`REFUND`).
    public func withdraw(_ withdrawal: WithdrawalInstruction, serial: String) async -> Reply<CustodianResult> {
        guard withdrawal.fee == .zero else {
            return .refused(Refusal(code: Refusal.unsupportedCode, message: "WeChat charges no fee for the platform"))
        }
        let isOwn = withdrawal.subAccount == link.mchid
        let body: JSON = [
            "sub_mchid": isOwn ? .null : .string(withdrawal.subAccount), "out_request_no": .string(withdrawal.number),
            "amount": JSON(withdrawal.amount.value), "bank_memo": .string(Self.shortened(withdrawal.memo, to: 32)),
            "account_type": "BASIC", "notify_url": .string(callbackURL),
        ]
        let path = isOwn ? "/v3/merchant/fund/withdraw" : "/v3/ecommerce/fund/withdraw"
        return await pay.exchange.call("POST", path, body: body.omittingNulls.bytes).reading { answer throws(Doubt) in
            guard answer["out_request_no"]?.string == withdrawal.number else {
                throw Doubt(.malformedAnswer, "the answer is about another withdrawal")
            }
            return CustodianResult(
                state: .processing(finishBy: nil), bankNumber: try answer.required("withdraw_id"), bankDate: nil)
        }
    }

    /// `GET …/withdraw/out-request-no/{number}`.
    func queryWithdrawal(number: String, account: String) async -> Reply<CustodianResult> {
        let name = PercentEncoding.encoded(number)
        let target =
            account == link.mchid
            ? "/v3/merchant/fund/withdraw/out-request-no/\(name)"
            : "/v3/ecommerce/fund/withdraw/out-request-no/\(name)?sub_mchid=\(PercentEncoding.encoded(account))"
        return await pay.exchange.call("GET", target).reading(orAbsent: .absentResult) { answer throws(Doubt) in
            guard answer["out_request_no"]?.string == number else {
                throw Doubt(.malformedAnswer, "the answer is about another withdrawal")
            }
            return try WeChatEcommerce.withdrawal(answer)
        }
    }

    /// Reads a withdrawal, answered or called back.
    static func withdrawal(_ answer: JSON) throws(Doubt) -> CustodianResult {
        let number = try answer.required("withdraw_id")
        let reason = answer["reason"]?.string ?? ""
        let state: CustodianResult.State
        switch answer["status"]?.string {
        // Recorded, but for want of money not begun: nothing happens until it is sent again, the same.
        case "INIT": state = .absent(safeAfter: Instant(seconds: 0))
        case "CREATE_SUCCESS": state = .processing(finishBy: nil)
        case "SUCCESS": state = .succeeded
        case "FAIL", "CLOSE":
            state = .failed(Refusal(code: answer["status"]?.string ?? "FAIL", message: reason))
        case "REFUND":
            let at = answer["update_time"]?.string.flatMap { Instant(text: $0) }
            state = .returned(number: number, on: at.map { BusinessDate(of: $0) }, reason: reason)
        default: throw Doubt(.malformedAnswer, "status of a withdrawal")
        }
        return CustodianResult(state: state, bankNumber: number, bankDate: nil)
    }

    /// `GET /v3/ecommerce/fund/balance/{sub_mchid}`, or the platform's own.
    public func queryBalance(of account: String, serial: String) async -> Reply<CustodianBalance> {
        await balance(
            account == link.mchid
                ? "/v3/merchant/fund/balance/BASIC"
                : "/v3/ecommerce/fund/balance/\(PercentEncoding.encoded(account))?account_type=BASIC", account)
    }

    /// `GET /v3/ecommerce/fund/enddaybalance/{sub_mchid}`, or the platform's own.
    public func queryDayEndBalance(
        of account: String, on date: BusinessDate, serial: String
    ) async -> Reply<CustodianBalance> {
        await balance(
            account == link.mchid
                ? "/v3/merchant/fund/dayendbalance/BASIC?date=\(date.iso)"
                : "/v3/ecommerce/fund/enddaybalance/\(PercentEncoding.encoded(account))?date=\(date.iso)"
                    + "&account_type=BASIC", account)
    }

    /// What is held for splitting counts as frozen.
    private func balance(_ target: String, _ account: String) async -> Reply<CustodianBalance> {
        await pay.exchange.call("GET", target).reading { answer throws(Doubt) in
            guard let available = answer["available_amount"]?.integer,
                answer["sub_mchid"]?.string ?? account == account
            else { throw Doubt(.malformedAnswer, "no available_amount") }
            let held = answer["pending_amount"]?.integer ?? 0
            return CustodianBalance(
                account: account, total: Fen(available + held), available: Fen(available), withdrawable: Fen(available),
                pending: .zero, frozen: Fen(held), inTransit: .zero)
        }
    }

    /// WeChat Pay's own, of all sub-merchants.
    public var bills: [ChannelBill] { pay.bills }

    /// The same as the channel's.
    public func bill(_ bill: ChannelBill, of date: BusinessDate, into spool: Spool) async -> Reply<BillAnswer> {
        await pay.bill(bill, of: date, into: spool)
    }

    /// Receipts are the trade bill of all sub-merchants; returns are the withdrawals that failed or came back.
    public func file(
        _ kind: CustodianFileKind, of date: BusinessDate, into spool: Spool, serial: String
    ) async -> Reply<BillAnswer> {
        switch kind {
        case .receipts: await pay.fetch(.trades, of: date, into: spool)
        case .returns: await pay.fetch(.failedWithdrawals, of: date, into: spool)
        default:
            .refused(Refusal(code: Refusal.unsupportedCode, message: "WeChat has no file of \(kind.rawValue)"))
        }
    }

    /// Text of at most so many bytes, cut between characters.
    static func shortened(_ text: String, to limit: Int) -> String {
        var result = ""
        var length = 0
        for character in text {
            length += character.utf8.count
            guard length <= limit else { break }
            result.append(character)
        }
        return result
    }
}
