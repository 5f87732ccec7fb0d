import Crypto
import CustodyDomain
import CustodyStore
import CustodyWire

/// A statement as a job or a person names it: `source/form/date`.
public struct StatementSubject: Hashable, Sendable {
    /// Whose word it is.
    public let source: StatementSource
    /// `trade` for a channel's bill; a bank file's type.
    public let form: String
    /// The day it is about.
    public let date: BusinessDate

    /// Makes a name.
    public init(source: StatementSource, form: String, date: BusinessDate) {
        self.source = source
        self.form = form
        self.date = date
    }

    /// Reads a name; nil when it is none.
    public init?(_ text: String) {
        let parts = text.split(separator: "/")
        guard parts.count == 3, let source = StatementSource(rawValue: String(parts[0])),
            let date = BusinessDate(parts[2])
        else { return nil }
        self.init(source: source, form: String(parts[1]), date: date)
    }

    /// Reads a statement's bytes whole; no bytes are an empty day.
    public func read(_ bytes: [UInt8]) throws(StatementDefect) -> StatementContent {
        if bytes.isEmpty { return StatementContent(source: source, form: form, account: nil, date: date, lines: []) }
        switch source {
        case .weChatPay: return try WeChatPayTradeBill.read(bytes)
        case .alipay: return try AlipayBill.read(bytes)
        case .bank: return try CWP1File(parsing: bytes, ok: nil).content()
        }
    }
}

extension TenantTransaction {
    /// Keeps a statement that was read whole, and queues the matching of the days it is about.
    ///
    /// - Returns: The statement, and whether it is new.
    @discardableResult
    public func keep(
        _ content: StatementContent, subject: StatementSubject, fileName: String, bytes: [UInt8]
    ) async throws -> (statement: StatementRecord, isNew: Bool) {
        // WeChat's bills do not say their day; a line that came late may well be the only one of a quiet day.
        if subject.source != .weChatPay, let date = content.date, date != subject.date {
            throw Rejection.statementDefect(reason: "it is about \(date.iso), not \(subject.date.iso)", line: nil)
        }
        let stored = try await storeStatement(
            content, form: subject.form, on: subject.date, fileName: fileName, sha256: Array(SHA256.hash(data: bytes)),
            body: bytes
        )
        guard stored.isNew else { return stored }
        switch (subject.source, subject.form) {
        case (.weChatPay, _): try await enqueue(JobRequest(.reconcile, "wechat_pay/\(subject.date.iso)"))
        case (.alipay, _): try await enqueue(JobRequest(.reconcile, "alipay/\(subject.date.iso)"))
        case (.bank, "PAY"):
            let linked = try await linkedCounterparties()
            for channel in ChannelKind.allCases where linked.contains(Counterparty(channel)) {
                try await enqueue(JobRequest(.reconcile, "\(channel.rawValue)/\(subject.date.iso)"))
            }
        case (.bank, "WRT"):
            // Returned withdrawals that no notification told us of.
            for line in content.lines {
                guard let instruction = try await instruction(serial: line.reference, at: .bank) else { continue }
                try await hasten(JobRequest(.watchWithdrawal, ID<Withdrawal>(instruction.subject)))
            }
        default: break
        }
        return stored
    }
}
