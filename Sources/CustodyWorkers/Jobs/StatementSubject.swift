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

    /// Reads a file to its end and finds it consistent, before anything of it is kept.
    ///
    /// - Throws: A defect of the file, one that is about something else included.
    public func verified(_ file: StatementFile, ok: [UInt8]? = nil) throws(StatementDefect) -> VerifiedStatement {
        let statement = try VerifiedStatement(verifying: file, from: source, ok: ok)
        guard statement.summary.series == form else {
            throw StatementDefect("of the form \(statement.summary.form), not \(form)", file: file.name, line: 1)
        }
        return statement
    }
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
        try await enqueueMatching(of: stored.statement.id, subject)
        return stored
    }

    private func enqueueMatching(of statement: ID<Statement>, _ subject: StatementSubject) async throws {
        switch (subject.source, subject.form) {
        case (.weChatPay, "trade"): try await enqueue(JobRequest(.reconcile, "wechat_pay/\(subject.date.iso)"))
        case (.alipay, "trade"): try await enqueue(JobRequest(.reconcile, "alipay/\(subject.date.iso)"))
        case (.bank, "PAY"), (.bank, "CHK"):
            for channel in try await payableChannels() {
                try await enqueue(JobRequest(.reconcile, "\(channel.rawValue)/\(subject.date.iso)"))
            }
        case (.bank, "WRT"):
            // Returned withdrawals that no notification told us of.
            for serial in try await references(in: statement, of: .withdrawalReturn) {
                guard let instruction = try await instruction(serial: serial, at: .bank) else { continue }
                try await hasten(JobRequest(.watchWithdrawal, ID<Withdrawal>(instruction.subject)))
            }
        default: break
        }
    }
}
