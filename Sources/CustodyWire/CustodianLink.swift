import CustodyDomain

/// The link of a platform to its custodian: each platform has the custodian that its link's `dialect` names.
///
/// A custodian of another dialect gets another case here, and its connector one in the worker.
public enum CustodianLink: Decodable, Hashable, Sendable {
    /// A bank that speaks CWP/1; also what a link means that names no dialect.
    case cwp1(CWP1Link)
    /// CCB 惠市宝.
    case ccb(CCBLink)

    /// The names of dialects, as links say them.
    public enum Dialect: String, CaseIterable, Codable, Hashable, Sendable {
        /// ``CustodianLink/cwp1(_:)``
        case cwp1
        /// ``CustodianLink/ccb(_:)``
        case ccb
    }

    private enum CodingKeys: String, CodingKey { case dialect }

    /// Reads the dialect's own fields; those of others are not looked at.
    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        switch try fields.decodeIfPresent(Dialect.self, forKey: .dialect) ?? .cwp1 {
        case .cwp1: self = .cwp1(try CWP1Link(from: decoder))
        case .ccb: self = .ccb(try CCBLink(from: decoder))
        }
    }

    /// Which dialect it is.
    public var dialect: Dialect {
        switch self {
        case .cwp1: .cwp1
        case .ccb: .ccb
        }
    }

    /// Where the custodian listens.
    public var baseURL: String {
        switch self {
        case .cwp1(let link): link.baseURL
        case .ccb(let link): link.baseURL
        }
    }

    /// Verifies a notification as it came in over HTTP.
    ///
    /// - Parameters:
    ///   - path: The request's path as received, without a query.
    ///   - now: Real time, not a test clock's.
    /// - Returns: What deduplicates it, and what it is about.
    /// - Throws: ``CWP1Rejection`` or ``CCBRejection``: one of a closed list of words.
    public func verify(
        method: String, path: String, headers: [(String, String)], body: [UInt8], now: Instant
    ) throws -> (notifyID: String, kind: String) {
        switch self {
        case .cwp1(let link):
            let found = try CWP1Notification.verify(
                method: method, path: path, headers: headers, body: body, link: link, now: now)
            return (found.notifyID, found.txnCode)
        case .ccb(let link): return try CCBMessage.verify(method: method, body: body, link: link)
        }
    }

    /// The body of the answer that stops the custodian from sending a notification again; sent with status 200.
    public func acknowledgement(of body: [UInt8], at now: Instant) -> [UInt8] {
        switch self {
        case .cwp1: CWP1Notification.acknowledgement(at: now)
        case .ccb: CCBMessage.acknowledgement(of: body, at: now)
        }
    }
}
