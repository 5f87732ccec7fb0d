import CustodyDomain

/// A request in CWP/1's envelope.
public struct CWP1Request: Hashable, Sendable {
    /// The path every request is posted to, below the link's base.
    public static let path = "/custody/v1/gateway"
    /// The path below which files are handed in by PUT: market, then a name that a signed message gives with their digest.
    public static let uploadPath = "/custody/v1/uploads"

    /// The operation, such as `WDR.CREATE`.
    public var txnCode: String
    /// Who asks.
    public var partnerID: String
    /// For which market.
    public var marketID: String
    /// The number of the instruction (`reqSeqNo`).
    public var number: String
    /// When it was asked, `yyyyMMddHHmmssSSS` at UTC+8.
    public var time: String
    /// The asker's accounting date.
    public var businessDate: BusinessDate
    /// The operation's own fields.
    public var body: JSON

    /// Makes a request asked at an instant.
    public init(
        txnCode: String, partnerID: String, marketID: String, number: String, at now: Instant, body: JSON
    ) {
        self.txnCode = txnCode
        self.partnerID = partnerID
        self.marketID = marketID
        self.number = number
        time = now.shanghaiCompactMilliseconds
        businessDate = BusinessDate(of: now)
        self.body = body
    }

    /// Reads a request.
    public init(parsing bytes: [UInt8]) throws(CWP1Rejection) {
        let (head, body) = try CWP1.open(bytes)
        txnCode = try head.required("txnCode")
        partnerID = try head.required("partnerId")
        marketID = try head.required("marketId")
        number = try head.required("reqSeqNo")
        time = try head.required("reqTime")
        guard let date = BusinessDate(try head.required("bizDate")) else { throw .malformedBody }
        businessDate = date
        self.body = body
    }

    /// The envelope as it is signed and sent.
    public var bytes: [UInt8] {
        CWP1.seal(
            [
                "version": .string(CWP1.version), "txnCode": .string(txnCode), "partnerId": .string(partnerID),
                "marketId": .string(marketID), "reqSeqNo": .string(number), "reqTime": .string(time),
                "bizDate": .string(businessDate.compact),
            ], body)
    }
}

/// An answer in CWP/1's envelope.
public struct CWP1Response: Hashable, Sendable {
    /// The operation that was asked.
    public var txnCode: String
    /// Who asked.
    public var partnerID: String
    /// The request's number, echoed.
    public var number: String
    /// The bank's own number, once recorded.
    public var bankNumber: String?
    /// The bank's accounting date.
    public var bankDate: BusinessDate?
    /// When it answered, `yyyyMMddHHmmssSSS` at UTC+8.
    public var time: String
    /// What came of it.
    public var returnCode: CWP1ReturnCode
    /// The bank's sentence about it.
    public var message: String
    /// Whether this repeats the outcome of the same instruction sent before.
    public var isDuplicate: Bool
    /// The operation's own fields.
    public var body: JSON

    /// Makes an answer given at an instant.
    public init(
        to request: CWP1Request, bankNumber: String?, bankDate: BusinessDate?, at now: Instant,
        returnCode: CWP1ReturnCode, message: String, isDuplicate: Bool = false, body: JSON
    ) {
        txnCode = request.txnCode
        partnerID = request.partnerID
        number = request.number
        self.bankNumber = bankNumber
        self.bankDate = bankDate
        time = now.shanghaiCompactMilliseconds
        self.returnCode = returnCode
        self.message = message
        self.isDuplicate = isDuplicate
        self.body = body
    }

    /// Reads an answer.
    public init(parsing bytes: [UInt8]) throws(CWP1Rejection) {
        let (head, body) = try CWP1.open(bytes)
        txnCode = try head.required("txnCode")
        partnerID = try head.required("partnerId")
        number = try head.required("reqSeqNo")
        bankNumber = head["bankSeqNo"]?.string
        bankDate = head["bankDate"]?.string.flatMap { BusinessDate($0) }
        time = try head.required("respTime")
        returnCode = CWP1ReturnCode(try head.required("retCode"))
        message = head["retMsg"]?.string ?? ""
        isDuplicate = head["duplicate"]?.bool ?? false
        self.body = body
    }

    /// The envelope as it is signed and sent.
    public var bytes: [UInt8] {
        CWP1.seal(
            ([
                "version": .string(CWP1.version), "txnCode": .string(txnCode), "partnerId": .string(partnerID),
                "reqSeqNo": .string(number), "bankSeqNo": JSON(bankNumber), "bankDate": JSON(bankDate?.compact),
                "respTime": .string(time), "retCode": .string(returnCode.text), "retMsg": .string(message),
                "duplicate": .bool(isDuplicate),
            ] as JSON).omittingNulls, body)
    }
}

/// What every CWP/1 envelope shares.
enum CWP1 {
    static let version = "1.0"

    static func seal(_ head: JSON, _ body: JSON) -> [UInt8] { (["head": head, "body": body] as JSON).bytes }

    static func open(_ bytes: [UInt8]) throws(CWP1Rejection) -> (head: JSON, body: JSON) {
        let message: JSON
        do { message = try JSON(parsing: bytes) } catch { throw .malformedBody }
        guard let head = message["head"], head.members != nil, head["version"]?.string == version,
            let body = message["body"], body.members != nil
        else { throw .malformedBody }
        return (head, body)
    }
}

extension JSON {
    /// A string that must be there and not be empty.
    func required(_ name: String) throws(CWP1Rejection) -> String {
        guard let text = self[name]?.string, !text.isEmpty else { throw .malformedBody }
        return text
    }
}
