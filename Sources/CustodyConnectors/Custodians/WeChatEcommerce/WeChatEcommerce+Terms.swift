import CustodyDomain
import CustodyWire

/// What WeChat knows of a sub-merchant beyond its state.
extension WeChatEcommerce {
    /// A settlement account as WeChat shows it.
    public struct SettlementAccount: Hashable, Sendable {
        /// Whether the account was found to be the sub-merchant's.
        public enum Verification: String, CaseIterable, Hashable, Sendable {
            /// It was.
            case succeeded = "VERIFY_SUCCESS"
            /// Not yet; a withdrawal may be tried.
            case running = "VERIFYING"
            /// It was not: withdrawals are refused.
            case failed = "VERIFY_FAIL"
        }

        /// Whether it is a company's.
        public let isCorporate: Bool
        /// The bank's name.
        public let bankName: String
        /// The number, masked but for its ends.
        public let maskedNumber: String
        /// Whether it was found to be the sub-merchant's.
        public let verification: Verification
        /// Why it was not, in WeChat's words.
        public let failure: String?
    }

    /// `GET /v3/apply4sub/sub_merchants/{sub_mchid}/settlement`: the account in force; nil when there is none.
    public func settlementAccount(of subMchid: String) async -> Reply<SettlementAccount?> {
        await pay.exchange.call(
            "GET", "/v3/apply4sub/sub_merchants/\(PercentEncoding.encoded(subMchid))/settlement"
        ).reading(orAbsent: nil) { answer throws(Doubt) in
            guard let verification = answer["verify_result"]?.string.flatMap(SettlementAccount.Verification.init),
                let type = answer["account_type"]?.string
            else { throw Doubt(.malformedAnswer, "a settlement account that cannot be read") }
            return SettlementAccount(
                isCorporate: type == "ACCOUNT_TYPE_BUSINESS", bankName: try answer.required("account_bank"),
                maskedNumber: try answer.required("account_number"), verification: verification,
                failure: answer["verify_fail_reason"]?.string)
        }
    }

    /// `GET /v3/profitsharing/merchant-configs/{sub_mchid}`: what may be split off an order at most, in 1/100 %.
    public func maximalShare(of subMchid: String) async -> Reply<Int> {
        await pay.exchange.call(
            "GET", "/v3/profitsharing/merchant-configs/\(PercentEncoding.encoded(subMchid))"
        ).reading { answer throws(Doubt) in
            guard answer["sub_mchid"]?.string == subMchid, let ratio = answer["max_ratio"]?.integer,
                (0...10_000).contains(ratio)
            else { throw Doubt(.malformedAnswer, "no max_ratio") }
            return Int(ratio)
        }
    }
}
