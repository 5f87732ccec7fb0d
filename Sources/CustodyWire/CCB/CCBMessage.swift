import CustodyDomain

/// Why a message of CCB's proves nothing. The raw value is a stable code.
public enum CCBRejection: String, Error, CaseIterable, Hashable, Sendable {
    /// Not JSON, or fields are missing that every message has.
    case malformedBody = "malformed_body"
    /// No signature, or one that does not verify.
    case badSignature = "bad_signature"
    /// Meant for another market.
    case wrongMarket = "wrong_market"
    /// Not a POST.
    case wrongMethod = "wrong_method"
}

/// The settings of one platform's link to CCB 惠市宝: addresses and keys, as the platform's secrets hold them.
public struct CCBLink: Codable, Hashable, Sendable {
    /// Where the bank listens, without a trailing slash: `https://marketpay.ccb.com`.
    public var baseURL: String
    /// The platform's market (`Mkt_Id`), 14 digits.
    public var marketID: String
    /// The version of the interface (`Vno`).
    public var version: String
    /// Our private key in PEM, of RSA's or SM2's: it says how we sign. Secret.
    public var platformPrivateKeyPEM: String
    /// The bank's public key in PEM.
    public var bankPublicKeyPEM: String
    /// Which of the registered callbacks the bank uses for payments (`Py_Rslt_Ntc_Sn`).
    public var callbackIndex: String
    /// The page the bank sends payers to, for methods that need one (`Pgfc_Ret_Url_Adr`).
    public var returnURL: String?
    /// Where the bank puts the market's daily packages, without a trailing slash; nil where they are only handed in by hand.
    public var filesURL: String?

    /// Makes settings.
    public init(
        baseURL: String, marketID: String, version: String = "4", platformPrivateKeyPEM: String,
        bankPublicKeyPEM: String, callbackIndex: String = "1", returnURL: String? = nil, filesURL: String? = nil
    ) {
        self.baseURL = baseURL
        self.marketID = marketID
        self.version = version
        self.platformPrivateKeyPEM = platformPrivateKeyPEM
        self.bankPublicKeyPEM = bankPublicKeyPEM
        self.callbackIndex = callbackIndex
        self.returnURL = returnURL
        self.filesURL = filesURL
    }

    private enum CodingKeys: String, CodingKey {
        case baseURL = "base_url"
        case marketID = "market_id"
        case version
        case platformPrivateKeyPEM = "platform_private_key_pem"
        case bankPublicKeyPEM = "bank_public_key_pem"
        case callbackIndex = "callback_index"
        case returnURL = "return_url"
        case filesURL = "files_url"
    }
}

/// Signs and verifies messages of CCB's, whose signature stands in the message.
public struct CCBSeal: Sendable {
    private let own: SigningKey
    private let other: VerifyingKey

    /// Reads the keys once.
    public init(privateKeyPEM: String, otherPublicKeyPEM: String) throws {
        own = try SigningKey(pem: privateKeyPEM)
        other = try VerifyingKey(pem: otherPublicKeyPEM)
    }

    /// The message with its signature (`Sign_Inf`) as the last field.
    public func signed(_ message: JSON, _ kind: CCBSplice.Kind) throws -> JSON {
        let text = CCBSplice.text(of: message, kind)
        let members = (message.members ?? []).filter { $0.name != "Sign_Inf" }
        return .object(members + [.init("Sign_Inf", .string(try own.base64Signature(of: Array(text.utf8))))])
    }

    /// Returns if the message is the other side's.
    public func verify(_ message: JSON, _ kind: CCBSplice.Kind) throws(CCBRejection) {
        guard let signature = message["Sign_Inf"]?.string,
            other.isValid(base64: signature, for: Array(CCBSplice.text(of: message, kind).utf8))
        else { throw .badSignature }
    }
}

/// What every message of CCB's has in common.
public enum CCBMessage {
    /// The path below which the bank's functions stand.
    public static let path = "/online/direct/"

    /// A request: the function's own fields behind the common ones, in which nothing is empty.
    ///
    /// - Parameter journal: The number of this very attempt (`Ittparty_Jrnl_No`), at most 32 characters, never used twice.
    public static func request(_ fields: [JSON.Member], link: CCBLink, journal: String, at now: Instant) -> JSON {
        .object(
            [
                .init("Ittparty_Stm_Id", "00000"), .init("Py_Chnl_Cd", .string(String(repeating: "0", count: 25))),
                .init("Ittparty_Tms", .string(now.shanghaiCompactMilliseconds)),
                .init("Ittparty_Jrnl_No", .string(journal)), .init("Mkt_Id", .string(link.marketID)),
            ] + fields.filter { $0.value != .null } + [.init("Vno", .string(link.version))])
    }

    /// Verifies a notification as it came in over HTTP.
    ///
    /// - Returns: A number that deduplicates it, and what it is about: `payment`, `refund`, `merchant` or `other`.
    public static func verify(
        method: String, body: [UInt8], link: CCBLink
    ) throws(CCBRejection) -> (notifyID: String, kind: String) {
        guard method == "POST" else { throw .wrongMethod }
        let message: JSON
        do { message = try JSON(parsing: body) } catch { throw .malformedBody }
        guard message.members != nil, !CCBSplice.isAmbiguous(message) else { throw .malformedBody }
        let seal: CCBSeal
        do {
            seal = try CCBSeal(privateKeyPEM: link.platformPrivateKeyPEM, otherPublicKeyPEM: link.bankPublicKeyPEM)
        } catch { throw .badSignature }
        try seal.verify(message, .notification)
        if let market = message["Mkt_Id"]?.string, market != link.marketID { throw .wrongMarket }
        let kind = notificationKind(message)
        let number =
            (message["Cust_Rfnd_Trcno"] ?? message["Main_Ordr_No"] ?? message["Mkt_Mrch_Id"])?.string ?? ""
        let state =
            (message["Refund_Rsp_St"] ?? message["Ordr_Stcd"] ?? message["Opr_Tp"])?.string ?? ""
        return ("\(kind)|\(number)|\(state)|\(message["Ittparty_Tms"]?.string ?? "")", kind)
    }

    /// What a notification is about, by the numbers in it.
    public static func notificationKind(_ message: JSON) -> String {
        if message["Cust_Rfnd_Trcno"] != nil { return "refund" }
        if message["Opr_Tp"] != nil { return "merchant" }
        if message["Ordr_Stcd"] != nil { return "payment" }
        return "other"
    }

    /// The body of the answer that stops the bank from resending; a refund's also echoes its time.
    public static func acknowledgement(of body: [UInt8], at now: Instant) -> [UInt8] {
        let echoed = (try? JSON(parsing: body)).flatMap { $0["Cust_Rfnd_Trcno"] == nil ? nil : $0["Ittparty_Tms"] }
        return
            ([
                "Svc_Rsp_St": "00", "Rcv_Tm": .string(now.shanghaiCompact), "Ittparty_Tms": echoed ?? .null,
            ] as JSON).omittingNulls.bytes
    }
}
