import CustodyDomain
import Postgres

extension StatementRecord {
    /// Whether it lists refunds: a bank's file of the receipts that it collected does not.
    var listsRefunds: Bool { source != .bank }
}

extension TenantTransaction {
    /// Whose word there is of a channel's day: the statement of its receipts, and the bank's own file of them.
    ///
    /// - Parameter isCustodians: Whether the custodian collects: it gives the channel's bill on, or a file of its own.
    func word(
        of channel: ChannelKind, on date: BusinessDate, isCustodians: Bool
    ) async throws -> (statement: StatementRecord?, bankFile: StatementRecord?) {
        let source: StatementSource = channel == .weChatPay ? .weChatPay : .alipay
        let bill = try await currentStatement(source, form: "trade", on: date)
        guard isCustodians else { return (bill, try await currentStatement(.bank, form: "PAY", on: date)) }
        if let bill { return (bill, nil) }
        return (try await currentStatement(.bank, form: "CHK", on: date), nil)
    }

    /// Books what a custodian collected as money that it holds: its own statement is the proof of its arrival.
    ///
    /// - Parameter change: What is not booked of the day yet; a corrected statement books only what changed.
    func creditCollected(_ change: Fen, _ channel: ChannelKind, on date: BusinessDate) async throws {
        guard change != .zero else { return }
        let count: Int =
            try await row(
                """
                SELECT count(*) AS n FROM bank_credit
                 WHERE tenant_id = \(tenantID) AND channel = \(channel.rawValue) AND business_date = \(date)
                """
            )?.get("n") ?? 0
        try await bookCredit(
            number: "\(channel.rawValue)/\(date.iso)/\(count + 1)", channel: channel, businessDate: date,
            amount: change,
            bankDate: date)
    }

    /// What went back to buyers of a channel on a day.
    func refunded(_ channel: ChannelKind, on date: BusinessDate) async throws -> Fen {
        try await row(
            """
            SELECT coalesce(sum(r.amount_fen), 0)::bigint AS fen
              FROM refund r
              JOIN payment p ON p.tenant_id = \(tenantID) AND p.id = r.payment_id AND p.channel = \(channel.rawValue)
             WHERE r.tenant_id = \(tenantID) AND r.business_date = \(date) AND r.state = 'succeeded'
            """
        )?.get("fen") ?? .zero
    }
}
