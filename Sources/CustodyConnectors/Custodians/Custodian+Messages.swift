import CustodyDomain

/// Who is opened at the custodian.
public struct SubMerchantOpening: Hashable, Sendable {
    /// The kinds of sub-merchant.
    public enum Kind: String, CaseIterable, Hashable, Sendable {
        /// A company (企业).
        case company
        /// An individual business (个体工商户).
        case individualBusiness = "individual_business"
        /// A person (个人).
        case individual
    }

    /// Our number of the sub-merchant, unique per platform.
    public let number: String
    /// What it is.
    public let kind: Kind
    /// Its registered name.
    public let name: String
    /// Its licence or certificate number. Personal data when the kind is a person.
    public let certificateNumber: String
    /// The legal person's name. Personal data.
    public let legalPersonName: String
    /// The legal person's identity-card number. Personal data.
    public let legalPersonIDNumber: String
    /// The contact's name. Personal data.
    public let contactName: String
    /// The contact's mobile number. Personal data.
    public let contactMobile: String

    /// Makes an opening.
    public init(
        number: String, kind: Kind, name: String, certificateNumber: String, legalPersonName: String,
        legalPersonIDNumber: String, contactName: String, contactMobile: String
    ) {
        self.number = number
        self.kind = kind
        self.name = name
        self.certificateNumber = certificateNumber
        self.legalPersonName = legalPersonName
        self.legalPersonIDNumber = legalPersonIDNumber
        self.contactName = contactName
        self.contactMobile = contactMobile
    }
}

/// A sub-merchant as the custodian knows it.
public struct CustodianSubMerchant: Hashable, Sendable {
    /// The custodian's states, in our words.
    public enum State: Hashable, Sendable {
        /// Checked, verified, reviewed or waiting for a signature; with the address to sign at, if there is one.
        case reviewing(signURL: String?)
        /// Refused for these fields and reasons; may be resubmitted.
        case rejected([Objection])
        /// Open.
        case active
        /// Frozen by the custodian: receives, but cannot withdraw.
        case frozen
        /// Closed.
        case closed
        /// The custodian does not know it.
        case absent
    }

    /// Why a field was refused.
    public struct Objection: Hashable, Sendable {
        /// The field, in the custodian's words.
        public let field: String
        /// The reason, in the custodian's words.
        public let reason: String

        /// Makes an objection.
        public init(field: String, reason: String) {
            self.field = field
            self.reason = reason
        }
    }

    /// Where it is.
    public let state: State
    /// The custodian's number of the application (`applyNo`).
    public let applicationNumber: String?
    /// The sub-account the custodian opened (见证子账户), once active.
    public let subAccount: String?

    /// Makes an answer.
    public init(state: State, applicationNumber: String?, subAccount: String?) {
        self.state = state
        self.applicationNumber = applicationNumber
        self.subAccount = subAccount
    }
}

/// A settlement account to bind to a sub-account.
public struct AccountBinding: Hashable, Sendable {
    /// How the custodian verifies that the account is the sub-merchant's.
    public enum Verification: String, CaseIterable, Hashable, Sendable {
        /// A small transfer, whose amount the holder fills back (小额打款).
        case smallAmount = "small_amount"
        /// A code sent by SMS to the mobile registered at the account's bank; expires after 120 s.
        case smsCode = "sms_code"
    }

    /// The sub-account at the custodian.
    public let subAccount: String
    /// Whether the account is a company's.
    public let isCorporate: Bool
    /// The account number. Personal data.
    public let accountNumber: String
    /// The account holder's name. Personal data.
    public let accountName: String
    /// The bank's name.
    public let bankName: String
    /// The mobile number registered at the account's bank. Personal data.
    public let mobile: String
    /// How to verify it.
    public let verification: Verification

    /// Makes a binding.
    public init(
        subAccount: String, isCorporate: Bool, accountNumber: String, accountName: String, bankName: String,
        mobile: String, verification: Verification
    ) {
        self.subAccount = subAccount
        self.isCorporate = isCorporate
        self.accountNumber = accountNumber
        self.accountName = accountName
        self.bankName = bankName
        self.mobile = mobile
        self.verification = verification
    }
}

/// What only the holder of an account can know.
public enum AccountProof: Hashable, Sendable {
    /// The amount of the small transfer, and the instruction number on it.
    case amount(Fen, instructionNumber: String)
    /// The code from the SMS.
    case smsCode(String)
}

/// A binding as the custodian knows it.
public struct CustodianBinding: Hashable, Sendable {
    /// The custodian's states, in our words.
    public enum State: Hashable, Sendable {
        /// Waits for the proof.
        case toVerify(expiresAt: Instant?, triesLeft: Int?)
        /// Bound.
        case bound
        /// Refused finally: wrong too often, or another reason.
        case failed(Refusal)
        /// The proof came too late.
        case expired
    }

    /// Where it is.
    public let state: State
    /// The custodian's number of the binding (`bindNo`).
    public let bindingNumber: String

    /// Makes an answer.
    public init(state: State, bindingNumber: String) {
        self.state = state
        self.bindingNumber = bindingNumber
    }
}

/// An order as it is registered at the custodian.
public struct OrderRegistration: Hashable, Sendable {
    /// One party's part of an order.
    public struct Part: Hashable, Sendable {
        /// Our number of the part, unique within the order.
        public let number: String
        /// The party's account at the custodian.
        public let account: String
        /// Its amount.
        public let amount: Fen
        /// Whether it is the platform's commission.
        public let isCommission: Bool

        /// Makes a part.
        public init(number: String, account: String, amount: Fen, isCommission: Bool) {
            self.number = number
            self.account = account
            self.amount = amount
            self.isCommission = isCommission
        }
    }

    /// The receipt, once the order is paid.
    public struct Payment: Hashable, Sendable {
        /// Who collected.
        public let channel: ChannelKind
        /// Our merchant number at the channel.
        public let channelMerchantNumber: String
        /// The channel's number of the payment.
        public let channelOrderNumber: String
        /// When it was paid.
        public let paidAt: Instant

        /// Makes a receipt.
        public init(channel: ChannelKind, channelMerchantNumber: String, channelOrderNumber: String, paidAt: Instant) {
            self.channel = channel
            self.channelMerchantNumber = channelMerchantNumber
            self.channelOrderNumber = channelOrderNumber
            self.paidAt = paidAt
        }
    }

    /// Our number of the order (`mainOrderNo`).
    public let number: String
    /// The whole amount; the parts sum to it.
    public let amount: Fen
    /// Who gets what.
    public let parts: [Part]
    /// The receipt; nil while the order is only intended.
    public let payment: Payment?

    /// Makes a registration.
    public init(number: String, amount: Fen, parts: [Part], payment: Payment?) {
        self.number = number
        self.amount = amount
        self.parts = parts
        self.payment = payment
    }
}

/// A refund as it is registered at the custodian.
public struct RefundRegistration: Hashable, Sendable {
    /// Our number of the refund.
    public let number: String
    /// The order it belongs to.
    public let orderNumber: String
    /// The amount that goes back.
    public let amount: Fen
    /// Who gives back how much, by account at the custodian; sums to the amount.
    public let giveBack: [Giver]

    /// A party that gives back.
    public struct Giver: Hashable, Sendable {
        /// The part's number in the order.
        public let partNumber: String
        /// The party's account at the custodian.
        public let account: String
        /// Its amount.
        public let amount: Fen

        /// Makes a party that gives back.
        public init(partNumber: String, account: String, amount: Fen) {
            self.partNumber = partNumber
            self.account = account
            self.amount = amount
        }
    }

    /// Makes a registration.
    public init(number: String, orderNumber: String, amount: Fen, giveBack: [Giver]) {
        self.number = number
        self.orderNumber = orderNumber
        self.amount = amount
        self.giveBack = giveBack
    }
}

/// A split of an order's held money.
public struct SplitInstruction: Hashable, Sendable {
    /// Our number of the split.
    public let number: String
    /// The order it belongs to.
    public let orderNumber: String
    /// Who gets how much now, each no more than what is held for it.
    public let items: [OrderRegistration.Part]
    /// Whether this is the last split of the order.
    public let isLast: Bool

    /// Makes a split.
    public init(number: String, orderNumber: String, items: [OrderRegistration.Part], isLast: Bool) {
        self.number = number
        self.orderNumber = orderNumber
        self.items = items
        self.isLast = isLast
    }
}

/// A withdrawal to a bound account.
public struct WithdrawalInstruction: Hashable, Sendable {
    /// Our number of the withdrawal.
    public let number: String
    /// The sub-account at the custodian it leaves.
    public let subAccount: String
    /// The binding it goes to.
    public let bindingNumber: String
    /// The amount that arrives.
    public let amount: Fen
    /// What the receiver reads.
    public let memo: String

    /// Makes a withdrawal.
    public init(number: String, subAccount: String, bindingNumber: String, amount: Fen, memo: String) {
        self.number = number
        self.subAccount = subAccount
        self.bindingNumber = bindingNumber
        self.amount = amount
        self.memo = memo
    }
}
