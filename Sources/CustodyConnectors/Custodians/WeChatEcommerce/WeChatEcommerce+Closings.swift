import CustodyDomain
import CustodyWire

/// Closing a sub-merchant together with what it has (注销提现).
extension WeChatEcommerce {
    /// Whether a sub-merchant could be closed now.
    public struct ClosingCheck: Hashable, Sendable {
        /// Why not.
        public struct Block: Hashable, Sendable {
            /// WeChat's word, such as `FUNDS_PENDING_PROCESSING`.
            public let code: String
            /// The same for people.
            public let text: String
        }

        /// Whether it could.
        public let isAllowed: Bool
        /// Whether it is closed already.
        public let isClosed: Bool
        /// What its accounts hold.
        public let balance: Fen
        /// Why it could not; empty when it could.
        public let blocks: [Block]
    }

    /// Whom the money goes to.
    public struct ClosingPayee: Hashable, Sendable {
        /// The account. Personal data.
        public let account: AccountBinding
        /// The holder's identity-card number, needed for a person. Personal data.
        public let idNumber: String?

        /// Makes a payee.
        public init(account: AccountBinding, idNumber: String? = nil) {
            self.account = account
            self.idNumber = idNumber
        }
    }

    /// Where an application is.
    public struct Closing: Hashable, Sendable {
        /// WeChat's states.
        public enum State: String, CaseIterable, Hashable, Sendable {
            /// Taken.
            case accepted = "ACCEPTED"
            /// Reviewed.
            case reviewing = "REVIEWING"
            /// Refused; a new one takes a new number.
            case rejected = "REJECTED"
            /// Waits for ``WeChatEcommerce/confirmClosing(number:subMchid:by:at:contractVersion:)``, for thirty days.
            case waitingForConfirmation = "WAITING_MERCHANT_CONFIRM"
            /// Nobody confirmed it.
            case revoked = "REVOKED"
            /// Being carried out.
            case closing = "SYSTEM_PROCESSING"
            /// Closed; there was no money to pay out.
            case closed = "CANCELED"
            /// Closed; the money is on its way.
            case paying = "FUND_PROCESSING"
            /// All is done that will be: how the payment ended is said apart.
            case finished = "FINISH"
        }

        /// How the payment of an account ended.
        public enum Payment: String, CaseIterable, Hashable, Sendable {
            /// Under way.
            case processing = "PAY_PROCESSING"
            /// Paid.
            case succeeded = "PAY_SUCCEED"
            /// Not paid.
            case failed = "PAY_FAIL"
            /// Paid, and sent back by the bank.
            case returned = "BANK_REFUNDED"
        }

        /// WeChat's number of it.
        public let bankNumber: String
        /// Where it is.
        public let state: State
        /// The same for people.
        public let text: String
        /// What is paid out, by the accounts it leaves.
        public let amount: Fen
        /// How the payments ended, one for each account; empty before.
        public let payments: [Payment]
        /// Where the sub-merchant itself may confirm it, while it waits for that.
        public let confirmationURL: String?
    }

    /// `GET …/validate-cancel/{sub_mchid}`.
    public func checkClosing(of subMchid: String) async -> Reply<ClosingCheck> {
        await pay.exchange.call("GET", "\(Self.closings)/validate-cancel/\(PercentEncoding.encoded(subMchid))")
            .reading { answer throws(Doubt) in
                guard answer["sub_mchid"]?.string == subMchid, let result = answer["validate_result"]?.string,
                    ["ALLOW_CANCEL_WITHDRAW", "NOT_ALLOW_CANCEL_WITHDRAW"].contains(result)
                else { throw Doubt(.malformedAnswer, "validate_result") }
                let blocks = answer["block_reasons"]?.array ?? []
                return ClosingCheck(
                    isAllowed: result == "ALLOW_CANCEL_WITHDRAW",
                    isClosed: answer["merchant_state"]?.string == "HAS_BEEN_CANCELLED",
                    balance: Self.amount(answer),
                    blocks: blocks.map {
                        .init(code: $0["type"]?.string ?? "OTHER_REASON", text: $0["description"]?.string ?? "")
                    })
            }
    }

    /// `POST …/apply-cancel-withdraw`, under a number of ours; personal fields sealed. The same number may be sent again.
    ///
    /// - Parameter withdrawing: Whether what is left is paid out; without, a sub-merchant that has money is refused.
    /// - Returns: WeChat's number of the application.
    public func closeAndWithdraw(
        number: String, subMchid: String, to payee: ClosingPayee, withdrawing: Bool = true
    ) async -> Reply<String> {
        guard let key = await pay.exchange.sealingKey(),
            let body = try? Self.closingForm(number, subMchid, payee, withdrawing, key)
        else { return .unknown(Doubt(.unreachable, "no key to seal personal fields for")) }
        let request = WeChatPayExchange.Request(
            method: "POST", path: Self.closings, body: body.bytes, sealingSerial: key.serial)
        return await pay.exchange.call(request).reading { answer throws(Doubt) in
            guard answer["out_request_no"]?.string == number else {
                throw Doubt(.malformedAnswer, "the answer is about another application")
            }
            return try answer.required("applyment_id")
        }
    }

    /// `POST …/apply-cancel-withdraw/confirm`: the sub-merchant has agreed at the platform; doing it again changes nothing.
    ///
    /// - Parameters:
    ///   - operator: Who at the platform has seen to it, for evidence.
    ///   - agreedAt: When the sub-merchant agreed to the contract.
    public func confirmClosing(
        number: String, subMchid: String, by operator: String, at agreedAt: Instant, contractVersion: String
    ) async -> Reply<CustodianResult> {
        let body: JSON = [
            "out_request_no": .string(number), "sub_mchid": .string(subMchid),
            "operator_identification": .string(Self.shortened(`operator`, to: 100)),
            "confirm_time": .string(agreedAt.rfc3339Shanghai), "cancel_contract_version": .string(contractVersion),
        ]
        return await pay.exchange.call("POST", "\(Self.closings)/confirm", body: body.bytes)
            .reading { answer throws(Doubt) in
                guard answer["out_request_no"]?.string ?? number == number else {
                    throw Doubt(.malformedAnswer, "the answer is about another application")
                }
                return CustodianResult(
                    state: .processing(finishBy: nil), bankNumber: answer["applyment_id"]?.string, bankDate: nil)
            }
    }

    /// `GET …/out-request-no/{number}`; nil when WeChat does not have it.
    public func queryClosing(number: String) async -> Reply<Closing?> {
        await pay.exchange.call("GET", "\(Self.closings)/out-request-no/\(PercentEncoding.encoded(number))")
            .reading(orAbsent: nil) { answer throws(Doubt) in
                guard answer["out_request_no"]?.string == number,
                    let state = answer["cancel_state"]?.string.flatMap(Closing.State.init)
                else { throw Doubt(.malformedAnswer, "cancel_state") }
                var payments: [Closing.Payment] = []
                for account in answer["account_withdraw_result"]?.array ?? [] {
                    guard let payment = account["pay_state"]?.string.flatMap(Closing.Payment.init) else {
                        throw Doubt(.malformedAnswer, "pay_state")
                    }
                    payments.append(payment)
                }
                return Closing(
                    bankNumber: try answer.required("applyment_id"), state: state,
                    text: answer["cancel_state_description"]?.string ?? "", amount: Self.amount(answer),
                    payments: payments, confirmationURL: answer["confirm_cancel"]?["confirm_cancel_url"]?.string)
            }
    }

    private static let closings = "/v3/ecommerce/account/apply-cancel-withdraw"

    private static func amount(_ answer: JSON) -> Fen {
        (answer["account_info"]?.array ?? []).compactMap { $0["amount"]?.integer }.map(Fen.init).sum()
    }

    private static func closingForm(
        _ number: String, _ subMchid: String, _ payee: ClosingPayee, _ isWithdrawing: Bool,
        _ key: WeChatPayLink.PlatformKey
    ) throws -> JSON {
        let account = payee.account
        var identity = JSON.null
        if let idNumber = payee.idNumber {
            identity = [
                "id_doc_type": "IDENTIFICATION_TYPE_IDCARD",
                "identification_name": .string(try key.sealed(account.accountName)),
                "identification_no": .string(try key.sealed(idNumber)),
            ]
        }
        let bank: JSON = [
            "account_name": .string(try key.sealed(account.accountName)), "account_bank": .string(account.bankName),
            "account_number": .string(try key.sealed(account.accountNumber)),
        ]
        let payeeInfo: JSON = [
            "account_type": account.isCorporate ? "ACCOUNT_TYPE_CORPORATE" : "ACCOUNT_TYPE_PERSONAL",
            "bank_account_info": bank, "identity_info": identity,
        ]
        return [
            "sub_mchid": .string(subMchid), "out_request_no": .string(number),
            "withdraw": isWithdrawing ? "APPLY_WITHDRAW" : "NOT_APPLY_WITHDRAW", "payee_info": payeeInfo.omittingNulls,
        ]
    }
}
