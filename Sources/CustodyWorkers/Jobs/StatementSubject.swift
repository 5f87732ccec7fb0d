import Crypto
import CustodyConnectors
import CustodyDomain
import CustodyStore
import CustodyWire

/// A statement as a job or a person names it: `source/form/date`.
public struct StatementSubject: Hashable, Sendable {
    /// Whose word it is.
    public let source: StatementSource
    /// A channel's bill, by the name that ``ChannelBill`` has for it; a bank file's type.
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

    /// The name, as jobs carry it.
    public var text: String { "\(source.rawValue)/\(form)/\(date.iso)" }

    /// Reads a file to its end and finds it consistent, before anything of it is kept.
    ///
    /// - Throws: A defect of the file, one that is about something else included.
    public func verified(_ file: StatementFile, ok: [UInt8]? = nil) throws(StatementDefect) -> VerifiedStatement {
        let statement = try VerifiedStatement(verifying: file, from: source, ok: ok)
        try accept(statement)
        return statement
    }

    /// Refuses a statement of another form.
    public func accept(_ statement: VerifiedStatement) throws(StatementDefect) {
        let series = statement.summary.series
        // WeChat Pay writes the sub-merchants' bill like the platform's own.
        let isSubMerchants = source == .weChatPay && form == ChannelBill.subMerchantFundFlow.rawValue
        guard series == form || (isSubMerchants && series == ChannelBill.fundFlow.rawValue) else {
            throw StatementDefect(
                "of the form \(statement.summary.form), not \(form)", file: statement.file.name, line: 1)
        }
    }

    /// From when on it is overdue: at noon of the day after (T+1), when every source has long promised it.
    var dueAt: Instant { date.advanced(by: 1).start + .seconds(12 * 3600) }
}

extension TenantTransaction {
    /// Keeps a statement that was found consistent, and queues the matching of the days it is about.
    ///
    /// - Returns: The statement, and whether it is new.
    @discardableResult
    public func keep(
        _ statement: VerifiedStatement, subject: StatementSubject, fileName: String
    ) async throws -> (statement: StatementRecord, isNew: Bool) {
        // WeChat's bills do not say their day; a line that came late may well be the only one of a quiet day.
        if subject.source != .weChatPay, let date = statement.summary.date, date != subject.date {
            throw Rejection.statementDefect(reason: "it is about \(date.iso), not \(subject.date.iso)", line: nil)
        }
        let digest = try statement.file.sha256()
        var (kept, isKept) = (SHA256(), false)
        let stored = try await storeStatement(
            statement.rows(), of: statement.summary, form: subject.form, on: subject.date, fileName: fileName,
            sha256: digest
        ) { index in
            let part = try statement.file.part(index)
            if let part {
                kept.update(data: part)
                isKept = true
            }
            return part
        }
        guard !isKept || Array(kept.finalize()) == digest else {
            throw StatementDefect("the file changed while it was read", file: statement.file.name)
        }
        guard stored.isNew else { return stored }
        try await enqueueMatching(of: stored.statement, subject)
        return stored
    }

    private func enqueueMatching(of statement: StatementRecord, _ subject: StatementSubject) async throws {
        switch (subject.source, subject.form) {
        case (.weChatPay, "trade"): try await enqueue(JobRequest(.reconcile, "wechat_pay/\(subject.date.iso)"))
        case (.alipay, "trade"): try await enqueue(JobRequest(.reconcile, "alipay/\(subject.date.iso)"))
        case (.bank, "PAY"), (.bank, "CHK"):
            for channel in try await payableChannels() {
                try await enqueue(JobRequest(.reconcile, "\(channel.rawValue)/\(subject.date.iso)"))
            }
        case (.bank, "WRT"):
            // Returned withdrawals that no notification told us of.
            for serial in try await references(in: statement.id, of: .withdrawalReturn) {
                guard let instruction = try await instruction(serial: serial, at: .bank) else { continue }
                try await hasten(JobRequest(.watchWithdrawal, ID<Withdrawal>(instruction.subject)))
            }
        case (.weChatPay, _) where statement.revision > 1:
            // Another file about a day that was matched: the day is looked at again.
            try await hasten(JobRequest(.reconcile, "wechat_pay/\(subject.date.iso)"))
        case (.alipay, _) where statement.revision > 1:
            try await hasten(JobRequest(.reconcile, "alipay/\(subject.date.iso)"))
        default: break
        }
    }
}
