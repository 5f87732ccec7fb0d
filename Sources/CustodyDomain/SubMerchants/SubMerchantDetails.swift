/// The kinds of sub-merchant.
public enum SubMerchantKind: String, CaseIterable, Hashable, Sendable {
    /// A company (企业).
    case company
    /// An individual business (个体工商户).
    case individualBusiness = "individual_business"
    /// A person (个人).
    case individual
}

/// What is known of the people behind a sub-merchant. Personal data: encrypted at rest, never in logs, URLs or errors.
public struct SubMerchantDetails: Hashable, Codable, Sendable {
    /// Its registered name.
    public let name: String
    /// Its licence or certificate number.
    public let certificateNumber: String
    /// The legal person's name.
    public let legalPersonName: String
    /// The legal person's identity-card number.
    public let legalPersonIDNumber: String
    /// The contact's name.
    public let contactName: String
    /// The contact's mobile number.
    public let contactMobile: String

    /// Makes details.
    public init(
        name: String, certificateNumber: String, legalPersonName: String, legalPersonIDNumber: String,
        contactName: String, contactMobile: String
    ) {
        self.name = name
        self.certificateNumber = certificateNumber
        self.legalPersonName = legalPersonName
        self.legalPersonIDNumber = legalPersonIDNumber
        self.contactName = contactName
        self.contactMobile = contactMobile
    }
}

/// How a custodian verifies that an account is the sub-merchant's.
public enum AccountVerification: String, CaseIterable, Hashable, Sendable {
    /// A small transfer, whose amount the holder fills back (小额打款).
    case smallAmount = "small_amount"
    /// A code sent by SMS to the mobile registered at the account's bank; expires after 120 s.
    case smsCode = "sms_code"
}

/// A settlement account's numbers and names. Personal data.
public struct BankAccountDetails: Hashable, Codable, Sendable {
    /// The account number.
    public let accountNumber: String
    /// The holder's name.
    public let accountName: String
    /// The mobile number registered at the account's bank.
    public let mobile: String
    /// Where the account's bank is, by the code of the administrative division (省市编码); some custodians need it.
    public let areaCode: String?

    /// Makes details.
    public init(accountNumber: String, accountName: String, mobile: String, areaCode: String? = nil) {
        self.accountNumber = accountNumber
        self.accountName = accountName
        self.mobile = mobile
        self.areaCode = areaCode
    }
}

/// What only the holder of an account can know.
public struct AccountProofDetails: Hashable, Codable, Sendable {
    /// The amount of the small transfer, in fen.
    public let amountFen: Int64?
    /// The instruction number on it.
    public let instructionNumber: String?
    /// The code from the SMS.
    public let smsCode: String?

    /// The proof by a small transfer.
    public init(amount: Fen, instructionNumber: String) {
        amountFen = amount.value
        self.instructionNumber = instructionNumber
        smsCode = nil
    }

    /// The proof by SMS.
    public init(smsCode: String) {
        amountFen = nil
        instructionNumber = nil
        self.smsCode = smsCode
    }
}
