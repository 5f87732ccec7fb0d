import CustodyDomain
import CustodyWire

/// Withdrawals of what a sub-merchant had at the end of the day before (按日终余额预约提现).
extension WeChatEcommerce {
    /// What is to be paid out.
    public struct DayEndWithdrawal: Hashable, Sendable {
        /// Our number: letters and digits, 32 at most.
        public let number: String
        /// The sub-merchant.
        public let subAccount: String
        /// What is to stay.
        public let reserve: Fen
        /// Whether less may be paid out when there is less by now; otherwise that is refused.
        public let mayTakeLess: Bool
        /// What the receiver reads.
        public let memo: String

        /// Makes a withdrawal.
        public init(
            number: String, subAccount: String, reserve: Fen = .zero, mayTakeLess: Bool = false, memo: String
        ) {
            self.number = number
            self.subAccount = subAccount
            self.reserve = reserve
            self.mayTakeLess = mayTakeLess
            self.memo = memo
        }
    }

    /// What became of one.
    public struct DayEndOutcome: Hashable, Sendable {
        /// Where it is.
        public enum State: String, CaseIterable, Hashable, Sendable {
            /// Accepted.
            case created = "CREATED"
            /// With the bank.
            case processing = "PROCESSING"
            /// All of it was paid.
            case finished = "FINISHED"
            /// Some of it failed or came back; that is the sub-merchant's again.
            case abnormal = "ABNORMAL"
        }

        /// Where it is.
        public let state: State
        /// WeChat's number of it.
        public let bankNumber: String
        /// What was taken out.
        public let total: Fen
        /// What of it arrived, failed, and came back after it had arrived.
        public let succeeded, failed, returned: Fen
        /// Why some of it did not stay there.
        public let reason: String
        /// When it last changed.
        public let updatedAt: Instant?

        /// The same as one result. Of what arrived in part only the failure is told: the amounts say how much.
        public var result: CustodianResult {
            let outcome: CustodianResult.State =
                switch state {
                case .created, .processing: .processing(finishBy: nil)
                case .finished: .succeeded
                case .abnormal where returned > .zero:
                    .returned(number: bankNumber, on: updatedAt.map { BusinessDate(of: $0) }, reason: reason)
                case .abnormal: .failed(Refusal(code: "ABNORMAL", message: reason))
                }
            return CustodianResult(state: outcome, bankNumber: bankNumber, bankDate: nil)
        }
    }

    /// `POST …/day-end-balance-withdraw`, from 10:00 to 23:55; the same number may be sent again for six days.
    public func withdrawDayEndBalance(_ withdrawal: DayEndWithdrawal) async -> Reply<DayEndOutcome> {
        let body: JSON = [
            "sub_mchid": .string(withdrawal.subAccount), "out_request_no": .string(withdrawal.number),
            "calculate_amount_type": withdrawal.mayTakeLess ? "ALLOW_CURRENT_BALANCE" : "ONLY_DAY_END_BALANCE",
            "bank_memo": .string(Self.shortened(withdrawal.memo, to: 32)), "notify_url": .string(callbackURL),
            "reserve_amount": withdrawal.reserve == .zero ? .null : JSON(withdrawal.reserve.value),
        ]
        return await pay.exchange.call("POST", Self.dayEnd, body: body.omittingNulls.bytes)
            .reading { answer throws(Doubt) in try Self.dayEndWithdrawal(answer, number: withdrawal.number) }
    }

    /// `GET …/day-end-balance-withdraw/out-request-no/{number}`, for ninety days; nil when WeChat does not have it.
    public func queryDayEndWithdrawal(number: String, account: String) async -> Reply<DayEndOutcome?> {
        let target =
            "\(Self.dayEnd)/out-request-no/\(PercentEncoding.encoded(number))"
            + "?sub_mchid=\(PercentEncoding.encoded(account))"
        return await pay.exchange.call("GET", target).reading(orAbsent: nil) { answer throws(Doubt) in
            try Self.dayEndWithdrawal(answer, number: number)
        }
    }

    private static let dayEnd = "/v3/platsolution/ecommerce/withdraw/day-end-balance-withdraw"

    /// Reads one, answered or called back; what it adds up to is verified.
    static func dayEndWithdrawal(_ answer: JSON, number: String? = nil) throws(Doubt) -> DayEndOutcome {
        guard number == nil || answer["out_request_no"]?.string == number else {
            throw Doubt(.malformedAnswer, "the answer is about another withdrawal")
        }
        guard let state = answer["status"]?.string.flatMap(DayEndOutcome.State.init),
            let total = answer["total_amount"]?.integer
        else { throw Doubt(.malformedAnswer, "status of a withdrawal") }
        func part(_ name: String) -> Fen { Fen(answer[name]?.integer ?? 0) }
        let outcome = DayEndOutcome(
            state: state, bankNumber: try answer.required("withdraw_id"), total: Fen(total),
            succeeded: part("success_amount"), failed: part("fail_amount"), returned: part("refund_amount"),
            reason: answer["reason"]?.string ?? "",
            updatedAt: answer["update_time"]?.string.flatMap { Instant(text: $0) })
        let isOver = state == .finished || state == .abnormal
        guard !isOver || outcome.succeeded + outcome.failed + outcome.returned == outcome.total else {
            throw Doubt(.malformedAnswer, "the amounts of a withdrawal do not add up")
        }
        return outcome
    }
}
