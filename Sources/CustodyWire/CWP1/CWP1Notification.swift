import CustodyDomain

/// A notification from the bank in CWP/1's envelope.
public struct CWP1Notification: Hashable, Sendable {
    /// What it is about, such as `WDR.NOTIFY`.
    public var txnCode: String
    /// For whom.
    public var partnerID: String
    /// For which market.
    public var marketID: String
    /// Its number: the same when it is resent.
    public var notifyID: String
    /// When it was made, `yyyyMMddHHmmssSSS` at UTC+8.
    public var time: String
    /// Its own fields.
    public var body: JSON

    /// Makes a notification made at an instant.
    public init(
        txnCode: String, partnerID: String, marketID: String, notifyID: String, at now: Instant, body: JSON
    ) {
        self.txnCode = txnCode
        self.partnerID = partnerID
        self.marketID = marketID
        self.notifyID = notifyID
        time = now.shanghaiCompactMilliseconds
        self.body = body
    }

    /// Reads a notification, whatever its signature.
    public init(parsing bytes: [UInt8]) throws(CWP1Rejection) {
        let (head, body) = try CWP1.open(bytes)
        txnCode = try head.required("txnCode")
        partnerID = try head.required("partnerId")
        marketID = try head.required("marketId")
        notifyID = try head.required("notifyId")
        time = try head.required("notifyTime")
        self.body = body
    }

    /// The envelope as it is signed and sent.
    public var bytes: [UInt8] {
        CWP1.seal(
            [
                "version": .string(CWP1.version), "txnCode": .string(txnCode), "partnerId": .string(partnerID),
                "marketId": .string(marketID), "notifyId": .string(notifyID), "notifyTime": .string(time),
            ], body)
    }

    /// Verifies a notification as it came in over HTTP: signature over the raw bytes, freshness, and that it is ours.
    ///
    /// - Parameters:
    ///   - path: The request's path as received, without a query.
    ///   - headers: All header fields, in any case.
    ///   - now: Real time, not a test clock's.
    /// - Returns: The number that deduplicates it, and what it is about.
    public static func verify(
        method: String, path: String, headers: [(String, String)], body: [UInt8], link: CWP1Link, now: Instant
    ) throws(CWP1Rejection) -> (notifyID: String, txnCode: String) {
        guard method == "POST" else { throw .wrongMethod }
        let fields = try CWP1Headers { name in
            headers.first { $0.0.lowercased() == name.lowercased() }?.1
        }
        let notification = try CWP1Notification(parsing: body)
        guard notification.partnerID == link.partnerID else { throw .wrongPartner }
        guard notification.marketID == link.marketID else { throw .wrongMarket }
        let verifier: CWP1Verifier
        do { verifier = try CWP1Verifier(keys: link.bankKeys) } catch { throw .unknownSerial }
        try verifier.verify(
            fields,
            of: .request(
                path: path, partnerID: notification.partnerID, txnCode: notification.txnCode,
                number: notification.notifyID),
            body: body, at: now
        )
        return (notification.notifyID, notification.txnCode)
    }

    /// The body of the answer that stops the bank from resending; sent with status 200.
    public static func acknowledgement(at now: Instant) -> [UInt8] {
        (["head": ["retCode": "000000", "rcvTime": .string(now.shanghaiCompactMilliseconds)]] as JSON).bytes
    }
}
