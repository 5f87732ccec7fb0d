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
    /// What else some custodians ask for.
    public let dossier: SubMerchantDossier

    /// Makes an opening.
    public init(
        number: String, kind: Kind, name: String, certificateNumber: String, legalPersonName: String,
        legalPersonIDNumber: String, contactName: String, contactMobile: String,
        dossier: SubMerchantDossier = SubMerchantDossier()
    ) {
        self.number = number
        self.kind = kind
        self.name = name
        self.certificateNumber = certificateNumber
        self.legalPersonName = legalPersonName
        self.legalPersonIDNumber = legalPersonIDNumber
        self.contactName = contactName
        self.contactMobile = contactMobile
        self.dossier = dossier
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
        /// A transfer that the holder makes to the custodian, with a remark it is given (来账验证).
        case remittance
        /// None: the custodian knows the account already.
        case none
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
    /// Where the account's bank is (省市编码), by the administrative division's code; some custodians need it.
    public var areaCode: String?

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
