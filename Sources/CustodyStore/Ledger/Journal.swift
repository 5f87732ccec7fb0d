import CustodyDomain
import Postgres

/// A booked transaction as an accountant's program reads it.
public struct JournalEntry: Hashable, Sendable {
    /// A movement on one account.
    public struct Line: Hashable, Sendable {
        /// The account, as ``AccountBalance/journalName`` names it.
        public let account: String
        /// Debits are positive.
        public let amount: Fen
    }

    /// Its id.
    public let id: ID<LedgerTransaction>
    /// What happened, such as `payment.succeeded`.
    public let event: String
    /// To what.
    public let subject: String
    /// The day of the books.
    public let businessDate: BusinessDate
    /// The movements; they sum to zero.
    public let lines: [Line]

    /// The entry in the plain-text form of hledger and its kin: a date, a description, and a line per movement in yuan.
    public var text: String {
        var text = "\(businessDate.iso) \(event)  ; \(id.text) \(subject)\n"
        for line in lines { text += "    \(line.account)  CNY \(line.amount.yuan)\n" }
        return text + "\n"
    }

    /// What stands before the first entry: the commodity, so that amounts are shown to the fen.
    public static let preamble = "commodity CNY 1000.00\n\n"
}

extension AccountBalance {
    /// The account's name in a journal, such as `assets:clearing:alipay` or `liabilities:held:platform`.
    public var journalName: String { journalAccount(kind: kind, owner: owner, isDebitNormal: isDebitNormal) }
}

private func journalAccount(kind: String, owner: String, isDebitNormal: Bool) -> String {
    "\(isDebitNormal ? "assets" : "liabilities"):\(kind):\(owner.isEmpty ? "platform" : owner)"
}

extension TenantTransaction {
    /// The books as they were entered, in pages, the oldest first.
    ///
    /// - Parameter after: The last entry of the page before.
    public func journal(after id: ID<LedgerTransaction>?, limit: Int) async throws -> [JournalEntry] {
        let rows = try await rows(
            """
            SELECT t.id, t.event, t.subject, t.business_date, p.amount_fen, a.kind, a.owner,
                   a.normal_side = 'debit' AS is_debit
              FROM (
                  SELECT id, event, subject, business_date FROM ledger_transaction
                   WHERE tenant_id = \(tenantID) AND (\(id)::uuid IS NULL OR id > \(id)::uuid)
                   ORDER BY id LIMIT \(limit)
              ) t
              JOIN posting p ON p.tenant_id = \(tenantID) AND p.transaction_id = t.id
              JOIN ledger_account a ON a.tenant_id = \(tenantID) AND a.id = p.account_id
             ORDER BY t.id, p.line
            """
        )
        var entries: [JournalEntry] = []
        for row in rows {
            let id: ID<LedgerTransaction> = try row.get("id")
            let line = JournalEntry.Line(
                account: journalAccount(
                    kind: try row.get("kind"), owner: try row.get("owner"), isDebitNormal: try row.get("is_debit")),
                amount: try row.get("amount_fen")
            )
            let isSame = entries.last?.id == id
            let before = isSame ? entries.removeLast().lines : []
            entries.append(
                JournalEntry(
                    id: id, event: try row.get("event"), subject: try row.get("subject"),
                    businessDate: try row.get("business_date"), lines: before + [line])
            )
        }
        return entries
    }
}
